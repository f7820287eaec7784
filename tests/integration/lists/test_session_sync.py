"""`GET /api/sessions?since=`: who syncs is told of every change, and of what was deleted."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from sessions_app import access, housekeeping
from sessions_app.models import LiveSession, Tombstone
from sessions_app.rest import deletions

from .listing import HOUR, URL, listed, logged_in

pytestmark = pytest.mark.django_db


def changed_at(session: LiveSession) -> object:
    session.refresh_from_db()
    return session.updated_at


def test_whatever_changes_is_a_change_but_signs_of_life_are_none(settings):
    session = LiveSession.objects.create()
    before = changed_at(session)
    housekeeping.sign_of_life([session.pk])
    access.carry(session)
    assert changed_at(session) == before
    for change in (
        lambda: LiveSession.objects.filter(pk=session.pk).update(title="x"),
        lambda: LiveSession(pk=session.pk, title="y", created_at=session.created_at).save(force_update=True),
        lambda: LiveSession.objects.filter(pk=session.pk).update(last_activity_at=timezone.now() - 9 * HOUR),
        housekeeping.tidy,
    ):
        change()
        assert changed_at(session) > before
        before = session.updated_at
    assert session.status == "ended"


def test_who_syncs_with_the_last_time_that_he_saw_misses_nothing(auditor):
    """Also not a change whose transaction took long: its time is earlier than others that were seen before it."""
    now = timezone.now()
    for n in range(5):
        LiveSession.objects.create(title=str(n), created_at=now - n * HOUR)
        LiveSession.objects.filter(title=str(n)).update(updated_at=now - (5 - n) * HOUR)
    first = auditor.get(URL, {"since": (now - 3.5 * HOUR).isoformat()}).json()["sessions"]
    assert [row["title"] for row in first] == ["2", "3", "4"]
    seen = first[-1]["updatedAt"]
    assert listed(auditor, since=seen) == ["4"]
    LiveSession.objects.filter(title="0").update(updated_at=now - HOUR - timedelta(seconds=15))
    LiveSession.objects.filter(title="1").update(status="ended")
    assert listed(auditor, since=seen) == ["0", "4", "1"]


def synced(client: Client, since: object, **query: object) -> dict:
    """The last page."""
    answer = client.get(URL, {"since": since, **query}).json()
    while answer["next"]:
        assert "deleted" not in answer
        answer = client.get(answer["next"]).json()
    return answer


@pytest.fixture
def ada_deletes_three(auditor) -> tuple[User, list[str]]:
    """By REST, by the admin, and in bulk, as are another's and nobody's; the ids of hers."""
    ada = User.objects.create_user("ada")
    *hers, other, nobodys = [
        LiveSession.objects.create(user=owner) for owner in (ada, ada, ada, User.objects.create_user("bob"), None)
    ]
    assert logged_in(ada).delete(f"{URL}/{hers[0].pk}").status_code == 200
    root = logged_in(User.objects.create_superuser("root"))
    assert root.post(f"/admin/sessions_app/livesession/{hers[1].pk}/delete/", {"post": "yes"}).status_code == 302
    LiveSession.objects.filter(pk__in=[hers[2].pk, other.pk, nobodys.pk]).delete()
    return ada, [str(session.pk) for session in hers]


def test_who_syncs_is_told_what_was_deleted_in_whatever_way(auditor, ada_deletes_three):
    ada, ids = ada_deletes_three
    since = (timezone.now() - HOUR).isoformat()
    hers = synced(logged_in(ada), since)
    assert sorted(hers["deleted"]) == sorted(ids)
    assert parse_datetime(hers["deletedSince"]) == parse_datetime(since)
    assert len(synced(auditor, since)["deleted"]) == 5
    assert synced(Client(), since)["deleted"] == []
    assert "deleted" not in logged_in(ada).get(URL).json()


def test_deletions_come_on_the_last_page_whatever_is_filtered(auditor, ada_deletes_three):
    for _ in range(3):
        LiveSession.objects.create()
    assert len(synced(auditor, timezone.now().isoformat(), limit=1, status="created")["deleted"]) == 5


def test_a_session_that_was_restored_can_be_deleted_again(auditor):
    session = LiveSession.objects.create()
    LiveSession.objects.get().delete()
    session.save(force_insert=True)
    Tombstone.objects.update(deleted_at=timezone.now() - HOUR)
    LiveSession.objects.get().delete()
    assert synced(auditor, timezone.now().isoformat())["deleted"] == [str(session.pk)]


def test_of_a_deleted_user_staff_is_told(auditor):
    user = User.objects.create_user("leaver")
    session = LiveSession.objects.create(user=user)
    user.delete()
    assert synced(auditor, timezone.now().isoformat())["deleted"] == [str(session.pk)]


def test_who_was_away_for_long_is_told_since_when_deletions_are_known(auditor, ada_deletes_three):
    Tombstone.objects.filter(owner=None).update(deleted_at=timezone.now() - 30.5 * 24 * HOUR)
    Tombstone.objects.filter(owner__username="bob").update(deleted_at=timezone.now() - 32 * 24 * HOUR)
    answer = synced(auditor, "2026-01-01")
    assert len(answer["deleted"]) == 3
    known = timezone.now() - parse_datetime(answer["deletedSince"])
    assert timedelta(days=30) <= known < timedelta(days=31)
    housekeeping.tidy()
    assert Tombstone.objects.count() == 4


def test_very_many_deletions_are_told_as_far_as_they_fit(auditor, monkeypatch):
    monkeypatch.setattr(deletions, "MOST", 2)
    sessions = [LiveSession.objects.create() for _ in range(3)]
    for session in sessions:
        LiveSession.objects.filter(pk=session.pk).delete()
    since = timezone.now() - HOUR
    answer = synced(auditor, since.isoformat())
    assert answer["deleted"] == [str(session.pk) for session in reversed(sessions[1:])]
    assert parse_datetime(answer["deletedSince"]) > since
