"""What ends a session, or keeps it from beginning, says what to do; typing goes on as soon as it can."""

import signal
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect

from tests.server import Server

from .browser import wait_for_state
from .faults import cannot_type, clock_held, live_tracks, no_notice, notice, open_faulty, settings, typing_works
from .page import Wire, lines, open_voice_page, type_message, until

BUSY = "All lines are busy."


async def saved(wire: Wire) -> None:
    """The first turn stands in the database, where a page that is loaded anew finds it."""
    await until(lambda: any(said["data"].get("state") == "complete" for said in wire.received))


@pytest.fixture(scope="module")
def small(make_server) -> Server:
    """Two browsers at once, for so long that an answer fits in on a busy machine."""
    return make_server(SESSIONS_PER_PROCESS="2", SESSION_LONGEST="20")


@pytest.fixture(scope="module")
def own(make_server) -> Server:
    """It pauses soon; the tests of this file also stop it, and leave it running."""
    return make_server(SESSION_IDLE_TIMEOUT="10")


async def test_session_that_is_ended_elsewhere(server):
    async with open_faulty() as page:
        wire = await open_voice_page(page, server)
        await page.click("#start")
        await wait_for_state(page, "listening")
        await typing_works(page)
        httpx2.delete(f"{server.url}/api/sessions/{wire.session_id}").raise_for_status()
        await notice(page, "This conversation has ended. Press Start for a new one", "Start")
        await wait_for_state(page, "error")
        assert await live_tracks(page) == 0
        await typing_works(page, "Hello")
        assert len(set(wire.urls)) == 2

        await page.reload()  # and while the page waits for Start
        await page.locator(".line-user").wait_for()
        assert await lines(page, speaker="user") == ["Hello"]
        httpx2.delete(f"{server.url}/api/sessions/{wire.session_id}").raise_for_status()
        await cannot_type(page, "Press Start for a new one", "Start")
        await typing_works(page)
        assert await lines(page, speaker="user") == ["Hello", "Who are you?"]
        assert len(set(wire.urls)) == 3


async def test_session_that_another_tab_takes_over(server):
    async with open_faulty() as page:
        wire = await open_voice_page(page, server)
        await typing_works(page)
        await saved(wire)
        async with page.expect_popup() as opened:
            await page.evaluate("() => void open(location)")  # as "Duplicate tab" does
        other = await opened.value
        taken_by = Wire(other)
        await other.locator(".line-user").wait_for()
        await typing_works(other, "Hello")
        assert taken_by.session_id == wire.session_id
        await notice(page, "This conversation goes on in another tab. Press Start for a new one here", "Start")
        await page.click("#notice-action")  # as it was started: by typing, without the microphone
        await wait_for_state(page, "listening")
        await no_notice(page)
        await typing_works(page, "Hello")
        assert wire.session_id != taken_by.session_id
        await typing_works(other)  # each has its own


async def test_nobody_speaks_for_long(own):
    async with open_faulty() as page:
        wire = await open_voice_page(page, own)
        await typing_works(page)
        await notice(page, "Nothing was said for 10 seconds: the conversation was paused. Press Start", "Start")
        await wait_for_state(page, "error")
        await page.click("#notice-action")
        await wait_for_state(page, "listening")
        await no_notice(page)
        await typing_works(page, "Hello")
        assert len(wire.urls) == 2
        assert len(set(wire.urls)) == 1


async def test_conversation_that_lasts_too_long(small):
    async with open_faulty() as page:
        wire = await open_voice_page(page, small)
        await typing_works(page)
        await notice(page, "A conversation lasts at most 20 seconds. Start a new one", "Start")
        await typing_works(page, "Hello")
        assert len(set(wire.urls)) == 2


async def test_server_that_is_full(small):
    """With a clock that the test turns on."""
    async with open_faulty() as page, AsyncExitStack() as others:
        await page.clock.install()
        wire = await open_voice_page(page, small)
        address = f"{small.url.replace('http', 'ws')}/ws"
        others_sockets = [
            await others.enter_async_context(connect(address, origin=small.url, proxy=None)) for _ in range(2)
        ]
        for socket in others_sockets:
            assert "CONNECTING" in str(await socket.recv())
        await page.click("#start")
        await notice(page, BUSY, "Try again")
        countdown = page.locator("#notice-countdown")
        assert await countdown.inner_text() in ("Retrying in 10 s.", "Retrying in 9 s.")
        assert await live_tracks(page) == 0

        await page.click("#notice-close")
        await page.clock.run_for(20_000)
        await wait_for_state(page, "error")
        assert len(wire.urls) == 1  # nobody tries any more

        await cannot_type(page, BUSY, "Try again", text="Hello")
        await page.fill("#text", "Hello")
        await page.clock.run_for(8_000)
        assert await countdown.inner_text() in ("Retrying in 2 s.", "Retrying in 1 s.")
        tried = len(wire.urls)
        await page.clock.run_for(3_000)
        await until(lambda: len(wire.urls) == tried + 1)  # and again in vain
        await countdown.get_by_text("Retrying in").wait_for()

        await others_sockets[0].close()
        await page.clock.run_for(11_000)
        await wait_for_state(page, "listening")
        await no_notice(page)
        await page.press("#text", "Enter")
        await page.locator(".line-model").wait_for()
        assert await lines(page, speaker="user") == ["Hello"]


async def test_quota(make_server):
    """A short wait is counted down; one until midnight stands in the sentence."""
    server = make_server(QUOTA_ADDRESS="sessions=1 tokens=1", HOUSEKEEPING_SECONDS="0.5")
    async with open_faulty() as page:
        await page.clock.install()
        wire = await open_voice_page(page, server)
        countdown = page.locator("#notice-countdown")
        async with connect(f"{server.url.replace('http', 'ws')}/ws", origin=server.url, proxy=None) as other:
            assert "CONNECTING" in str(await other.recv())
            await page.click("#start")
            await notice(page, "You may have 1 conversation at once. End another one", "Try again")
            assert await countdown.inner_text() in ("Retrying in 10 s.", "Retrying in 9 s.")
        await page.clock.run_for(11_000)
        await wait_for_state(page, "listening")
        await no_notice(page)
        await type_message(page, "Hello")
        await page.locator(".line-model").wait_for()
        for _ in range(2):
            await notice(page, "Today's 1 tokens are used up. You can go on in ", "Try again")
            assert await countdown.inner_text() == ""
            await wait_for_state(page, "error")
            assert await live_tracks(page) == 0
            await page.click("#notice-action")
        assert await lines(page, speaker="user") == ["Hello"]
        assert len(set(wire.urls)) == 1


async def test_server_that_is_started_again(own):
    async with open_faulty(script=settings(activityDetection="manual")) as page:
        await page.clock.install()
        wire = await open_voice_page(page, own)
        await page.click("#start")
        await wait_for_state(page, "listening")
        await typing_works(page)
        async with clock_held(page):
            own.stop(signal.SIGTERM)
            await notice(page, "The server starts again. The conversation goes on in a moment", "Try again")
            await wait_for_state(page, "reconnecting")
            await type_message(page, "Hello")
            own.start()
            await page.click("#notice-action")  # or wait for the next attempt
            await page.locator(".line-model").nth(1).wait_for()
        await no_notice(page)
        assert await lines(page, speaker="user") == ["Who are you?", "Hello"]
        assert await page.evaluate("() => streams.length") == await live_tracks(page) == 1
        assert len(set(wire.urls)) == 1


async def test_database_that_is_away(own):
    sentence = "The server's database does not answer. Wait a moment"
    folder = Path(own.environment["DATABASE_URL"].removeprefix("sqlite:///")).parent
    away = folder.with_name(f"{folder.name}-away")
    async with open_faulty() as page:
        wire = await open_voice_page(page, own)
        folder.rename(away)
        try:
            await cannot_type(page, sentence, "Try again")  # no session can be made
        finally:
            away.rename(folder)
        await typing_works(page, "Hello")
        await saved(wire)
        await page.reload()
        await page.locator(".line-model").wait_for()
        folder.rename(away)
        try:
            await cannot_type(page, sentence, "Try again")  # the session cannot be opened
        finally:
            away.rename(folder)
        await typing_works(page)
        assert await lines(page, speaker="user") == ["Hello", "Who are you?"]
        assert len(set(wire.urls)) == 1
