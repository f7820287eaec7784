"""The browser may leave and come back: to the same process, to another one, to one that was started again."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import suppress

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed

from sessions_app.emulator import Emulator
from tests.processes import create, on_each_server, running
from tests.reliability.conftest import Trace
from tests.reliability.page import Page
from tests.server import UVICORN, Server
from tests.waiting import GIVE_UP_SECONDS, wait_until


@pytest.fixture(scope="module")
def other(servers, folder) -> Iterator[Server]:
    """A second process with the database of `server`, and no Redis between the two."""
    with running(servers(UVICORN).environment, UVICORN, folder / "other.log") as other:
        yield other


def status(server: Server, session_id: str) -> str:
    return server.session(session_id)["status"]


def transcript(server: Server, session_id: str) -> list[tuple[str, str]]:
    return [(entry["role"], entry["text"]) for entry in server.session(session_id)["transcript"]]


@pytest.mark.parametrize("wishes", [{}, {"voice": "Puck"}])
async def test_a_browser_that_comes_back_finds_its_tool_still_at_work(
    wishes, emulator: Emulator, server: Server, trace: Trace
):
    """Promise 7: the network was away for a moment; the tool ran on, and its result is told."""
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse(**wishes)
        await page.send("text", text="wait for books")
        await page.until("function_call")
        wait_until(lambda: trace.lines == ["begin books"], "the tool runs")
        page.socket.transport.abort()
    wait_until(lambda: status(server, session_id) == "paused", "the server has noticed")
    wait_until(lambda: not emulator.sessions, "Gemini is hung up")
    trace.release("books")
    wait_until(lambda: trace.lines == ["begin books", "end books"], "the tool has ended")
    async with Page(server, session_id) as page:
        await page.converse(**wishes)
        assert page.of_type("function_result")[0]["status"] == "ok"
        await page.until("transcription", text=" books.")
        await page.until("turn", state="complete")
    assert trace.lines == ["begin books", "end books"]
    assert [call["status"] for call in server.session(session_id)["toolCalls"]] == ["ok"]


async def test_speech_that_was_not_understood_yet_is_not_lost_with_the_socket(emulator: Emulator, server: Server):
    """Promise 7: what Gemini had heard and not answered is said again when the browser is back."""
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse()
        emulator.faults.add("delay", seconds=20, times=1)
        await page.send("text", text="hello")
        await page.until("turn", state="started")
        page.socket.transport.abort()
    wait_until(lambda: status(server, session_id) == "paused", "the server has noticed")
    async with Page(server, session_id) as page:
        assert (await page.converse())["resumed"] is True
        await page.until("turn", state="complete")
    assert transcript(server, session_id) == [("user", "hello"), ("model", "Good morning to you.")]


async def test_another_process_goes_on_with_the_conversation(emulator: Emulator, server: Server, other: Server):
    """Promise 7: by the stored handle; an unanswered question is answered there."""
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse()
        await page.ask("My favourite colour is blue")
        emulator.faults.add("delay", seconds=20, times=1)
        await page.send("text", text="What did I say before?")
        await page.until("turn", state="started")
    wait_until(lambda: status(server, session_id) == "paused", "the server has noticed")
    async with Page(other, session_id) as page:
        assert (await page.converse())["resumed"] is True
        await page.until("turn", state="complete")
        await page.ask("hello")
        # The first process learns from the database that the session is not its own any more (no Redis here).
        assert (await asyncio.to_thread(transcript, other, session_id))[:2] == [
            ("user", "My favourite colour is blue"),
            ("model", "Blue it is."),
        ]
        assert page.said(by_user=False).startswith("You said: My favourite colour is blue")


async def test_a_second_tab_takes_over_though_the_processes_cannot_speak(
    emulator: Emulator, server: Server, other: Server
):
    """Promise 8: without Redis the database fences: the older tab is told with its next write, a turn at the latest."""
    session_id = await create(server)
    async with Page(server, session_id) as first:
        await first.converse()
        async with Page(other, session_id) as second:
            await second.converse()
            await second.ask("hello")
            with suppress(ConnectionClosed):  # one of its rows may have been on its way
                await first.send("text", text="My favourite colour is blue")
            assert await first.until_closed() == 4409
            assert first.of_type("error")[-1]["code"] == "taken_over"
            await second.ask("What did I say before?")
    assert transcript(server, session_id) == [
        ("user", "hello"),
        ("model", "Good morning to you."),
        ("user", "What did I say before?"),
        ("model", "You said: hello"),
    ]


@on_each_server
async def test_a_second_tab_of_the_same_process_goes_on_in_mid_question(emulator: Emulator, server: Server):
    """Promise 8: the newest wins, and the conversation is its own with all that waits."""
    session_id = await create(server)
    async with Page(server, session_id) as first:
        await first.converse()
        emulator.faults.add("delay", seconds=20, times=1)
        await first.send("text", text="hello")
        await first.until("turn", state="started")
        async with Page(server, session_id) as second:
            assert await first.until_closed() == 4409
            await second.converse()
            await second.until("turn", state="complete")
    assert transcript(server, session_id) == [("user", "hello"), ("model", "Good morning to you.")]


async def test_a_server_that_was_killed_and_started_again_goes_on(emulator: Emulator, start):
    """Promises 1, 7 and 13: nothing final is lost, and the browser comes back to the same conversation."""
    with start(HOUSEKEEPING_SECONDS="0.5") as server:
        session_id = await create(server)
        async with Page(server, session_id) as page:
            await page.converse()
            await page.ask("hello")
            await asyncio.to_thread(server.stop, signal.SIGKILL)
        server.start()
        other_id = await create(server)
        async with Page(server, other_id) as page:  # the housekeeper starts with the first conversation
            await page.converse()
            wait_until(lambda: status(server, session_id) == "paused", "the dead process's session is free")
        async with Page(server, session_id) as page:
            assert (await page.converse())["resumed"] is True
            await page.ask("What did I say before?")
        assert transcript(server, session_id)[-1] == ("model", "You said: hello")


@on_each_server
async def test_a_server_that_stops_says_goodbye_and_keeps_all(emulator: Emulator, start):
    """Promise 11: SIGTERM in the midst of a question; the browser is told 4412, and is answered by the next server."""
    with start() as server:
        session_id = await create(server)
        async with Page(server, session_id) as page:
            await page.converse()
            await page.ask("My favourite colour is blue")
            emulator.faults.add("delay", seconds=30, times=1)
            await page.send("text", text="What did I say before?")
            await page.until("turn", state="started")
            server.process.send_signal(signal.SIGTERM)
            assert await page.until_closed() == 4412
            assert page.of_type("error")[-1]["code"] == "server_restarts"
        await asyncio.to_thread(server.process.wait, GIVE_UP_SECONDS)
        emulator.faults.clear()
        server.start()
        assert status(server, session_id) == "paused"
        assert transcript(server, session_id)[-1] == ("user", "What did I say before?")
        async with Page(server, session_id) as page:
            assert (await page.converse())["resumed"] is True
            await page.until("turn", state="complete")
            assert page.said(by_user=False) == "You said: My favourite colour is blue"
    assert "Traceback" not in server.log.read_text()


async def test_after_the_grace_period_the_conversation_is_let_go(emulator: Emulator, start, trace: Trace):
    """Tools do not run for ever for a browser that stays away; the session can still be taken up by its handle."""
    with start(RECONNECT_GRACE="0.5") as server:
        session_id = await create(server)
        async with Page(server, session_id) as page:
            await page.converse()
            await page.ask("hello")
            await page.send("text", text="wait for books")
            await page.until("function_call")
            wait_until(lambda: trace.lines == ["begin books"], "the tool runs")
        wait_until(lambda: trace.lines == ["begin books", "cancelled books"], "the tool was cancelled")
        async with Page(server, session_id) as page:
            assert (await page.converse())["resumed"] is True


async def test_a_session_that_is_deleted_while_its_browser_is_away_ends(server: Server, trace: Trace):
    """Its tools end with it, and coming back is refused in words."""
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse()
        await page.send("text", text="wait for books")
        await page.until("function_call")
        wait_until(lambda: trace.lines == ["begin books"], "the tool runs")
    async with httpx2.AsyncClient() as client:
        await client.delete(f"{server.url}/api/sessions/{session_id}")
    wait_until(lambda: trace.lines == ["begin books", "cancelled books"], "the tool was cancelled")
    async with Page(server, session_id) as page:
        assert await page.until_closed() == 4404
