"""What is old is forgotten, what is deleted is gone from the file, and what is redacted was never in it."""

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection, connections
from django.utils import timezone

from sessions_app import housekeeping, retention
from sessions_app.housekeeping import Housekeeper
from sessions_app.models import LiveSession, TranscriptEntry
from sessions_app.retention import Purged, purge
from tests.integration.caller import Caller
from tools_app.models import Tool, ToolCall
from tools_app.privacy import NOT_KEPT

pytestmark = pytest.mark.django_db(transaction=True)

CANARY = "canary-7f3a9c"


def made(days_ago: float, *, user=None, **fields) -> LiveSession:
    """A session with everything that a person may have left in one, used last so many days ago."""
    then = timezone.now() - timedelta(days=days_ago)
    session = LiveSession.objects.create(
        user=user, user_label=f"label {CANARY}", instruction=f"instruction {CANARY}", resumption_handle=f"h-{CANARY}",
        handle_sequence=2, last_activity_at=then, **fields,
    )  # fmt: skip
    for sequence, role in enumerate(("user", "model"), start=1):
        # Long enough for pages of its own.
        TranscriptEntry.objects.create(
            session=session, sequence=sequence, role=role, text=f"{CANARY} " * 2000, started_at=then, ended_at=then
        )
    ToolCall.objects.create(
        session=session, name="get_weather", arguments={"city": CANARY}, result={"text": f"{CANARY} " * 2000},
        error=CANARY, status="ok", started_at=then, duration_ms=5,
    )  # fmt: skip
    return session


def in_the_file(*, as_it_is: bool = False) -> bool:
    """Whether the canary is anywhere in the database's file, or in the log beside it, which is emptied before."""
    if not as_it_is:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file = Path(connections["default"].settings_dict["NAME"])
    return any(CANARY.encode() in path.read_bytes() for path in (file, file.with_name(f"{file.name}-wal")))


def test_old_transcripts_and_payloads_go_and_figures_stay(settings):
    settings.RETENTION_TRANSCRIPT_DAYS = settings.RETENTION_TOOL_PAYLOAD_DAYS = 30
    old, fresh = made(31, status="ended"), made(29, status="ended")
    assert purge(dry_run=True) == Purged(entries=2, sessions=1, calls=1)
    assert purge() == Purged(entries=2, sessions=1, calls=1)
    assert purge() == Purged()
    old.refresh_from_db()
    assert (old.transcript.count(), old.instruction, old.resumption_handle, old.handle_sequence) == (0, "", "", 0)
    call = old.tool_calls.get()
    assert (call.arguments, call.result, call.error) == ({}, None, "")
    assert (call.name, call.status, call.duration_ms) == ("get_weather", "ok", 5)
    assert fresh.transcript.count() == 2
    assert fresh.tool_calls.get().arguments == {"city": CANARY}


def test_who_syncs_hears_of_sessions_that_have_forgotten_what_was_said(settings):
    settings.RETENTION_TRANSCRIPT_DAYS = 30
    old, fresh = made(31, status="ended"), made(29, status="ended")
    LiveSession.objects.update(instruction="", resumption_handle="", updated_at=old.last_activity_at)
    purge()
    assert list(LiveSession.objects.filter(updated_at__gt=fresh.last_activity_at)) == [old]


def test_each_kind_has_its_own_days(settings):
    settings.RETENTION_TRANSCRIPT_DAYS, settings.RETENTION_TOOL_PAYLOAD_DAYS = None, 7
    session = made(8, status="ended")
    assert purge() == Purged(calls=1)
    assert session.transcript.count() == 2


@pytest.mark.parametrize("status", LiveSession.CARRIED)
def test_a_live_session_is_left_alone(settings, status):
    settings.RETENTION_TRANSCRIPT_DAYS = settings.RETENTION_TOOL_PAYLOAD_DAYS = 1
    made(2, status=status)
    assert purge() == Purged()


def test_many_go_in_batches(settings, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    settings.RETENTION_TRANSCRIPT_DAYS = 1
    for _ in range(3):
        made(2, status="ended")
    assert purge() == Purged(entries=6, sessions=3)
    assert TranscriptEntry.objects.count() == 0


def test_what_is_purged_is_gone_from_the_file(settings):
    settings.RETENTION_TRANSCRIPT_DAYS = settings.RETENTION_TOOL_PAYLOAD_DAYS = 0
    session = made(1, status="ended")
    LiveSession.objects.update(user_label="")  # which stays: it is whose the session was
    assert in_the_file()
    purge()
    assert session.transcript.count() == 0
    assert not in_the_file(as_it_is=True)


def test_a_deleted_session_is_gone_from_the_file(client):
    session = made(0)
    assert in_the_file()
    assert client.delete(f"/api/sessions/{session.pk}").status_code == 200
    assert not in_the_file()


def test_a_deleted_user_takes_everything_along():
    user = get_user_model().objects.create_user(f"ada-{CANARY}", email=f"{CANARY}@example.com")
    made(0, user=user)
    Tool.objects.create(name="get_weather", enabled=False, updated_by=user)
    assert in_the_file()
    user.delete()
    assert LiveSession.objects.count() == TranscriptEntry.objects.count() == ToolCall.objects.count() == 0
    assert Tool.objects.get().updated_by is None
    assert not in_the_file()


def test_a_running_server_does_it_once_an_hour(settings, monkeypatch):
    settings.RETENTION_TRANSCRIPT_DAYS = 1
    housekeeper = Housekeeper(list, lambda: None)
    made(2, status="ended")
    housekeeper._purge()
    assert TranscriptEntry.objects.count() == 0
    made(2, status="ended")
    housekeeper._purge()
    assert TranscriptEntry.objects.count() == 2
    monkeypatch.setattr(housekeeping, "PURGE_SECONDS", -1.0)
    housekeeper._purge()
    assert TranscriptEntry.objects.count() == 0


def test_the_command_says_what_it_does(settings):
    def say(*arguments: str) -> str:
        output = StringIO()
        call_command("purge", *arguments, stdout=output)
        return output.getvalue()

    made(2, status="ended")
    assert "Everything is kept" in say()
    settings.RETENTION_TRANSCRIPT_DAYS = 1
    assert "2 transcript entries would be deleted" in say("--dry-run")
    assert TranscriptEntry.objects.count() == 2
    assert "2 transcript entries deleted" in say()


def without_places(text: str, *, role: str) -> str:
    return text.replace("hello", f"[a greeting of the {role}]").replace("New York", "[place]")


def broken(text: str, *, role: str) -> str:
    raise ValueError(f"cannot read {text}")


async def test_a_redactor_decides_what_is_saved(gemini, settings):
    settings.TRANSCRIPT_REDACTOR = f"{__name__}.without_places"
    session = await LiveSession.objects.acreate()
    async with Caller(session.pk) as caller:
        await caller.converse()
        await caller.ask("hello")
        await caller.send("text", text="What's the weather in New York?")
        await caller.until("turn", state="complete")
    assert caller.said(by_user=True) == "helloWhat's the weather in New York?"  # the person sees his own words
    entries = [entry.text async for entry in session.transcript.filter(role="user")]
    assert entries == ["[a greeting of the user]", "What's the weather in [place]?"]
    [call] = [call async for call in session.tool_calls.all()]
    assert call.arguments == {"location": "[place]"}
    assert "New York" not in str([call.result, call.error])


async def test_what_a_broken_redactor_was_given_is_kept_nowhere(gemini, settings, caplog):
    settings.TRANSCRIPT_REDACTOR = f"{__name__}.broken"
    session = await LiveSession.objects.acreate()
    async with Caller(session.pk) as caller:
        await caller.converse()
        await caller.ask("hello")
    texts = [entry.text async for entry in session.transcript.all()]
    assert texts == [NOT_KEPT, NOT_KEPT]
    assert "TRANSCRIPT_REDACTOR failed (ValueError)" in caplog.text
    assert "cannot read" not in caplog.text
    assert "hello" not in caplog.text
