"""`GET /api/sessions/<id>/transcript`, and `PATCH /api/sessions/<id>`."""

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from sessions_app.models import LiveSession, TranscriptEntry

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def session() -> LiveSession:
    """Twelve messages, a minute apart and as long."""
    session = LiveSession.objects.create(title="Before", metadata={"a": 1})
    now = timezone.now()
    TranscriptEntry.objects.bulk_create(
        TranscriptEntry(
            session=session, sequence=n, role=("model", "user")[n % 2], text=f"Message {n} of <many>%",
            started_at=now - (13 - n) * MINUTE, ended_at=now - (12 - n) * MINUTE,
        )
        for n in range(1, 13)
    )  # fmt: skip
    TranscriptEntry.objects.create(
        session=LiveSession.objects.create(), sequence=1, role="user", text="Message of another", started_at=now,
        ended_at=now,
    )  # fmt: skip
    return session


def url(session: LiveSession, rest: str = "/transcript") -> str:
    return f"/api/sessions/{session.pk}{rest}"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, range(1, 13)),
        ({"since": "9"}, range(10, 13)),
        ({"since": "12"}, ()),
        ({"role": "user"}, range(1, 13, 2)),
        ({"search": "message 1"}, (1, 10, 11, 12)),
        ({"search": "many>%"}, range(1, 13)),
        ({"search": "_"}, ()),
        ({"since": "3", "role": "model", "search": "1 MESSAGE"}, (10, 12)),
    ],
    ids=str,
)
def test_what_is_found(client, session, query, found):
    answer = client.get(url(session), query).json()
    assert [entry["sequence"] for entry in answer["transcript"]] == list(found)


def test_since_a_time_has_what_was_still_said_then(client, session):
    moment = session.transcript.get(sequence=9).ended_at
    found = client.get(url(session), {"since": moment.isoformat()}).json()["transcript"]
    assert [entry["sequence"] for entry in found] == [9, 10, 11, 12]


def test_pages_go_forth_and_back(client, session):
    pages = [client.get(url(session), {"limit": 5}).json()]
    while pages[-1]["next"]:
        pages.append(client.get(pages[-1]["next"]).json())
    assert [[entry["sequence"] for entry in page["transcript"]] for page in pages] == [
        [1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12],
    ]  # fmt: skip
    assert client.get(pages[2]["previous"]).json()["transcript"] == pages[1]["transcript"]
    on_page = client.get(url(session, "")).json()["transcript"]
    assert [entry for page in pages for entry in page["transcript"]] == on_page


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "soon"}, "since"),
        ({"since": "9" * 30}, "since"),
        ({"since": "-1"}, "since"),
        ({"role": "system"}, "role"),
        ({"status": "ended"}, "status"),
        ({"cursor": "cD0xZTk5"}, "cursor"),  # p=1e99
        ({"cursor": "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5"}, "cursor"),  # p=99…
    ],
    ids=str,
)
def test_a_wrong_query_is_refused(client, session, query, field):
    answer = client.get(url(session), query)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])


@pytest.mark.parametrize("rest", ["/transcript", "/export"])
def test_somebody_elses_is_not_there(client, rest):
    session = LiveSession.objects.create(user=User.objects.create_user("owner"))
    owner = Client()
    owner.force_login(session.user)
    other = Client()
    other.force_login(User.objects.create_user("other"))
    assert owner.get(url(session, rest)).status_code == 200
    for caller in (client, other):
        assert caller.get(url(session, rest)).json()["code"] == "session_not_found"
        assert caller.patch(url(session, ""), {"title": "x"}, content_type="application/json").status_code == 404
    assert client.get(f"/api/sessions/{uuid.uuid4()}{rest}").status_code == 404


# --- PATCH --------------------------------------------------------------------------------------------------------


def patch(client, session, body):
    return client.patch(url(session, ""), body, content_type="application/json")


@pytest.mark.parametrize(
    ("body", "title", "metadata"),
    [
        ({"title": "Renten für alle 🎉"}, "Renten für alle 🎉", {"a": 1}),
        ({"title": ""}, "", {"a": 1}),
        ({"metadata": {"ticket": 7, "tags": ["x", {"y": None}]}}, "Before", {"ticket": 7, "tags": ["x", {"y": None}]}),
        ({"metadata": {}}, "Before", {}),
        ({}, "Before", {"a": 1}),
    ],
    ids=str,
)
def test_title_and_metadata_can_be_changed(client, session, body, title, metadata):
    answer = patch(client, session, body)
    assert (answer.status_code, answer.json()["title"], answer.json()["metadata"]) == (200, title, metadata)
    assert client.get(url(session, "")).json() == answer.json()


def nested(depth: int) -> dict:
    return {"a": nested(depth - 1)} if depth else {}


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"title": "x" * 201}, "title", "200"),
        ({"title": 7}, "title", "string"),
        ({"title": None}, "title", "null"),
        ({"title": "a\x00b"}, "title", "Null"),
        ({"title": "\ud800"}, "title", "Surrogate"),
        ({"metadata": []}, "metadata", "JSON object"),
        ({"metadata": {"a": "x" * 17_000}}, "metadata", "16 KB"),
        ({"metadata": nested(9)}, "metadata", "At most 8"),
        ({"metadata": nested(40)}, "metadata", "At most 8"),
        ({"metadata": {"a": ["\x00"]}}, "metadata", "null character"),
        ({"metadata": {"\udfff": 1}}, "metadata", "surrogate"),
        ({"metadata": {"a": 10**30}}, "metadata", "64 bits"),
        ({"status": "ended"}, "status", "title, metadata"),
        ({"title": "ok", "user": 1}, "user", "Cannot be changed"),
        ({"title": "ok", "\ud800": 1}, "?", "Cannot be changed"),
    ],
    ids=lambda value: str(value)[:40].encode("ascii", "replace").decode(),
)
def test_what_cannot_be_kept_is_refused_whole(client, session, body, field, said):
    answer = patch(client, session, body)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])
    assert said in answer.json()["detail"]
    session.refresh_from_db()
    assert (session.title, session.metadata) == ("Before", {"a": 1})


def test_a_number_beyond_all_bounds_is_refused(client, session):
    assert patch(client, session, '{"metadata": {"a": 1e400}}').status_code == 400


@pytest.mark.parametrize("fits", [nested(7), {"a": "ü" * 8000}, {"a": 2**63 - 1}], ids=lambda value: str(value)[:20])
def test_what_just_fits_is_kept(client, session, fits):
    assert patch(client, session, {"metadata": fits}).json()["metadata"] == fits


def test_a_change_leaves_alone_what_a_live_conversation_writes(client, session, monkeypatch):
    """It was read before the conversation wrote, and is written after."""
    from sessions_app import access

    read = access.find_session

    def find_then_others_write(session_id, user):
        found = read(session_id, user)
        LiveSession.objects.filter(pk=session.pk).update(total_tokens=99)
        return found

    monkeypatch.setattr(access, "find_session", find_then_others_write)
    assert patch(client, session, {"title": "After"}).json()["tokens"]["total"] == 99
