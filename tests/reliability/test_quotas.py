"""Quotas over real server processes: nobody gets more than he may, and what he had comes back."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator

import httpx2
import pytest

from sessions_app.emulator import Emulator
from tests.postgresql import postgresql
from tests.processes import create, on_each_server
from tests.reliability.page import Page
from tests.server import DAPHNE, UVICORN, Server
from tests.waiting import GIVE_UP_SECONDS, wait_until

SOON = {"HOUSEKEEPING_SECONDS": "1", "GEMINI_SILENCE_TIMEOUT": "8"}
"""A process looks every second at what was used, and a conversation at what it may use."""


@contextlib.contextmanager
def database(engine: str, path) -> Iterator[str]:
    if engine == "sqlite":
        yield f"sqlite:///{path / 'db.sqlite3'}"
    else:
        with postgresql() as server:
            yield server.url


async def refused_or_open(page: Page) -> bool:
    """Whether the page may begin."""
    while True:
        try:
            message = await page.receive()
        except AssertionError:
            assert page.socket.close_code == 4429
            assert page.of_type("error")[-1]["code"] == "quota_sessions"
            assert page.of_type("error")[-1]["retryAfter"] == 10
            return False
        if message["data"].get("status") == "CONNECTING":
            return True


async def open_at_once(stack: contextlib.AsyncExitStack, servers: list[Server], number: int) -> list[Page]:
    """The pages that got in, of so many that come at the same moment, to one server after the other."""
    pages = [Page(servers[turn % len(servers)]) for turn in range(number)]
    await asyncio.gather(*[stack.enter_async_context(page) for page in pages])
    opened = await asyncio.gather(*[refused_or_open(page) for page in pages])
    return [page for page, is_open in zip(pages, opened, strict=True) if is_open]


async def open_until(stack: contextlib.AsyncExitStack, servers: list[Server], number: int) -> list[Page]:
    """So many pages, which get in one after the other as soon as they may."""
    opened: list[Page] = []
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not (opened := opened + await open_at_once(stack, servers, 1))[number - 1 :]:
            await asyncio.sleep(0.1)
    return opened


@pytest.mark.parametrize(
    ("command", "engine"),
    [(UVICORN, "sqlite"), (UVICORN, "postgresql"), (DAPHNE, "sqlite")],
    ids=["uvicorn", "uvicorn and postgresql", "daphne"],
)
async def test_20_starts_at_once_with_a_quota_of_3_are_3(emulator: Emulator, start, tmp_path, engine):
    """Promise 13, too: what a killed process held is free when its lease is over (4 s here)."""
    quota = {"QUOTA_ADDRESS": "sessions=3", "HOUSEKEEPING_SECONDS": "1"}
    with database(engine, tmp_path) as url, start(url, **quota) as one, start(url, **quota) as two:
        async with contextlib.AsyncExitStack() as stack:
            opened = await open_at_once(stack, [one, two], 20)
            assert len(opened) == 3
            dials = emulator.dials
            await asyncio.gather(*[page.converse() for page in opened])
            assert emulator.dials == dials + 3

            first = opened.pop()
            await first.send("disconnect")
            assert await first.until_closed() == 1000
            opened += await open_until(stack, [one, two], 1)
            assert await open_at_once(stack, [one, two], 4) == []

            killed = [page for page in opened if str(one.port) in page.url]
            if not killed:  # all three are carried by the other one
                one, two, killed = two, one, opened
            await asyncio.to_thread(one.stop, signal.SIGKILL)
            assert await open_at_once(stack, [two], 4) == []
            assert len(await open_until(stack, [two], len(killed))) == len(killed)
            assert await open_at_once(stack, [two], 4) == []


async def test_a_quota_comes_back_with_the_end_of_a_conversation_not_with_its_lease(emulator: Emulator, start):
    """Which is 80 s here, longer than this test waits for anything."""
    with start(QUOTA_ADDRESS="sessions=1", HOUSEKEEPING_SECONDS="20", RECONNECT_GRACE="0.2") as server:
        async with contextlib.AsyncExitStack() as stack:
            [page] = await open_at_once(stack, [server], 2)
            await page.send("disconnect")
            [page] = await open_until(stack, [server], 1)
            await page.converse()
            await page.socket.close()  # lost: its grace is over soon
            [page] = await open_until(stack, [server], 1)
            await page.socket.close()  # one that has never begun
            await open_until(stack, [server], 1)


@on_each_server
async def test_used_up_tokens_end_a_conversation_and_refuse_the_next(emulator: Emulator, start):
    with start(QUOTA_ADDRESS="tokens=400", **SOON) as server:
        session_id = await create(server)
        async with Page(server, session_id) as page:
            await page.converse()
            with contextlib.suppress(AssertionError):
                for _ in range(100):
                    await page.ask("hello")
            assert await page.until_closed() == 4429
            told = page.of_type("error")[-1]
            assert told["code"] == "quota_used_up"
            assert told["message"].startswith("Today's 400 tokens are used up. You can go on in ")
            assert page.of_type("usage")[-1]["totalTokens"] >= 400
            assert page.of_type("usage")[-1]["estimatedCost"] > 0
        dials = emulator.dials
        async with Page(server, session_id) as page:
            assert await page.until_closed() == 4429
            assert 0 <= told["retryAfter"] - page.of_type("error")[-1]["retryAfter"] < 60
        assert emulator.dials == dials
        answer = httpx2.post(f"{server.url}/api/sessions")
        assert (answer.status_code, answer.json()["code"]) == (429, "quota_used_up")
        assert answer.json()["detail"] == page.of_type("error")[-1]["message"]
        assert 0 < int(answer.headers["Retry-After"]) <= told["retryAfter"]


async def test_what_is_used_is_counted_when_the_server_stops(emulator: Emulator, start):
    """Before the housekeeper has looked once."""
    with start(QUOTA_ADDRESS="tokens=1", HOUSEKEEPING_SECONDS="60") as server:
        async with Page(server) as page:
            await page.converse()
            await page.ask("hello")
            await asyncio.to_thread(server.stop)
        server.start()
        async with Page(server) as page:
            assert await page.until_closed() == 4429
            assert page.of_type("error")[-1]["code"] == "quota_used_up"


@on_each_server
async def test_the_switch_stops_new_conversations_at_once_and_running_ones_when_asked(emulator: Emulator, start):
    with start(**SOON) as server, start(**SOON) as other:
        session_id = await create(server)
        async with Page(server, session_id) as page:
            await page.converse()
            server.manage("conversations", "stop", "--sentence", "We are back at 2 pm.")
            async with Page(server) as another:
                assert await another.until_closed() == 4429
                told = another.of_type("error")[-1]
                assert (told["code"], told["message"]) == ("conversations_stopped", "We are back at 2 pm.")
                assert told["retryAfter"] == 60
            assert httpx2.post(f"{server.url}/api/sessions").status_code == 503
            await page.ask("hello")
        async with Page(other, session_id) as page:  # its browser was lost, and comes back to another process
            await page.converse()
            await page.ask("hello")
            server.manage("conversations", "stop", "--now")
            assert await page.until_closed() == 4429
            assert page.of_type("error")[-1]["code"] == "conversations_stopped"
        server.manage("conversations", "start")
        async with Page(server, session_id) as page:
            await page.converse()
        wait_until(lambda: server.session(session_id)["status"] == "paused", "it is paused")


@on_each_server
async def test_what_two_processes_count_for_one_caller_is_all_counted(emulator: Emulator, start):
    with postgresql() as database, start(database.url, **SOON) as one, start(database.url, **SOON) as two:
        async with Page(one) as here, Page(two) as there:
            for page in (here, there):
                await page.converse()
            for _ in range(10):
                await asyncio.gather(here.ask("hello"), there.ask("hello"))
        told = sum(page.of_type("usage")[-1]["totalTokens"] for page in (here, there))
        dollars = sum(page.of_type("usage")[-1]["estimatedCost"] for page in (here, there))
        with database.connect() as connection:
            counted = lambda: connection.execute(  # noqa: E731
                "SELECT tokens, micros FROM sessions_app_dailyuse"
            ).fetchall()
            wait_until(lambda: [tokens for tokens, _ in counted()] == [told], f"{told} tokens are counted")
            [(_, micros)] = counted()
        assert micros == pytest.approx(dollars * 1e6, abs=20)  # each turn is rounded
