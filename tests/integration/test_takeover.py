"""Two tabs of one process, and the moments between the database's word and the process's own."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async

from sessions_app import access
from sessions_app.browser.commands import ConnectData
from sessions_app.exceptions import TakenOver
from sessions_app.live.events import UsageReported
from sessions_app.live_here import LiveHere
from sessions_app.models import DailyUse, LiveSession
from sessions_app.quotas.meter import meters
from sessions_app.recorder import SAID_SO
from tests.doubles import BridgeUnderTest, ScriptedGemini, heard, said
from tests.waiting import GIVE_UP_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)


class Tab:
    def __init__(self):
        self.words = []

    def dismiss(self, word):
        self.words.append(word)

    def conversation_ended(self, task): ...


@pytest.fixture
def here():
    return LiveHere()


@pytest.fixture
def session():
    return access.new_session(None)


async def carry(session: LiveSession) -> int:
    return await sync_to_async(access.carry)(session)


async def test_what_the_older_tab_still_writes_is_kept(here, session):
    """The newer tab has raised the generation, and is not there yet."""
    older, newer = Tab(), Tab()
    conversation = here.open(session.pk, await carry(session), older)
    generation = await carry(session)
    here.raised(session.pk, generation)
    await conversation.recorder.update(model="kept")
    assert here.open(session.pk, generation, newer) is conversation
    assert (older.words, newer.words) == (["takeover"], [])
    await conversation.ended()
    await session.arefresh_from_db()
    assert session.model == "kept"


async def test_a_write_waits_a_moment_for_the_tab_that_takes_over(here, session, monkeypatch):
    """Its row meets the new generation before anybody here has heard of it."""
    conversation = here.open(session.pk, await carry(session), Tab())
    generation = await carry(session)
    loop, waits = asyncio.get_running_loop(), []

    async def hear_of_it() -> None:
        here.raised(session.pk, generation)

    def sleep(seconds: float) -> None:
        """The moment that the writer waits lasts until it is heard."""
        if seconds:
            waits.append(seconds)
            asyncio.run_coroutine_threadsafe(hear_of_it(), loop).result(GIVE_UP_SECONDS)

    monkeypatch.setattr("sessions_app.recorder.time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    await conversation.recorder.update(model="kept")
    assert waits == [SAID_SO]
    newer = Tab()
    here.open(session.pk, generation, newer)
    assert newer.words == []
    await conversation.ended()


async def test_a_tab_that_was_slower_than_its_successor_does_not_send_it_away(here, session):
    """A page that connects twice in a row: the first opening ends after the second."""
    newest = Tab()
    first, second = await carry(session), await carry(session)
    conversation = here.open(session.pk, second, newest)
    with pytest.raises(TakenOver):
        here.open(session.pk, first, Tab())
    assert newest.words == []
    await conversation.recorder.update(model="mine")
    await conversation.ended()


async def test_another_process_takes_the_session_away(here, session):
    tab = Tab()
    conversation = here.open(session.pk, await carry(session), tab)
    await carry(session)
    with pytest.raises(Exception, match="takeover"):
        await conversation.recorder.update(model="late")
    await asyncio.sleep(0)
    assert tab.words == ["takeover"]
    await conversation.ended()


# --- The end of a conversation ---------------------------------------------------------------------------------------


async def converse(conversation) -> BridgeUnderTest:
    """Between doubles, in mid-reply."""
    under_test = BridgeUnderTest(ScriptedGemini(heard("hello"), said("Good mor")))
    conversation.start(under_test.bridge, ConnectData())
    await under_test.browser.until_type("transcription", text="Good mor")
    return under_test


async def test_a_conversation_whose_browser_is_lost_waits_for_it(here, session):
    tab, newer = Tab(), Tab()
    await LiveSession.objects.aupdate(held_by="user:7")
    conversation = here.open(session.pk, await carry(session), tab)
    await converse(conversation)
    conversation.release(tab)
    await conversation.recorder.flush()
    await session.arefresh_from_db()
    assert session.held_by == "user:7"  # it counts on
    assert here.open(session.pk, await carry(session), newer) is conversation
    assert conversation.waits_for(ConnectData())
    await conversation.ended()
    await session.arefresh_from_db()
    assert session.held_by == ""


async def test_a_conversation_that_nobody_comes_back_to_ends(here, session, settings):
    settings.RECONNECT_GRACE = 0.05
    tab = Tab()
    conversation = here.open(session.pk, await carry(session), tab)
    await converse(conversation)
    task = conversation.task
    conversation.release(tab)
    await asyncio.wait({task}, timeout=GIVE_UP_SECONDS)
    assert task.done()
    await conversation.ended()


async def test_a_server_that_stops_saves_its_conversations(here, session):
    conversation = here.open(session.pk, await carry(session), Tab())
    under_test = await converse(conversation)
    conversation.recorder.update(model="kept")
    await here.drain()
    [turn] = under_test.recorder.turns
    assert turn.model.text == "Good mor"
    await session.arefresh_from_db()
    assert (session.model, session.status) == ("kept", "paused")


async def test_a_server_that_stops_counts_what_was_used(here):
    meter = meters.open("user:7", "gemini-3.8-live")
    meter.begin()
    meter.count(UsageReported(1, 2, 3, {}))
    meter.end()
    await here.drain()
    assert (await DailyUse.objects.aget(holder="user:7")).tokens == 3
