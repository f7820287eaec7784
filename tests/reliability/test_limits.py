"""Time, number and memory: what a conversation, a client and a dead process may cost."""

import asyncio
import contextlib
import json
import signal
import socket
import sqlite3
from pathlib import Path

import psutil
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from sessions_app.emulator import Emulator
from tests.processes import create, on_each_server
from tests.reliability.page import ORIGIN, Page
from tests.server import Server
from tests.waiting import GIVE_UP_SECONDS, wait_until


@on_each_server
async def test_an_idle_conversation_pauses_and_goes_on_when_somebody_speaks_again(emulator: Emulator, start):
    """A microphone that sends silence is no activity. The session is free at once, without a housekeeper."""
    with start(SESSION_IDLE_TIMEOUT="3", HOUSEKEEPING_SECONDS="0") as server:
        session_id = await create(server)
        async with Page(server, session_id) as page:
            await page.converse()
            await page.ask("hello")
            microphone = asyncio.create_task(page.speak(bytes(600 * 32_000)))
            assert await page.until_closed() == 4408
            await asyncio.gather(microphone, return_exceptions=True)
            assert page.of_type("error")[-1]["code"] == "idle"
        wait_until(lambda: server.session(session_id)["status"] == "paused", "it is paused")
        async with Page(server, session_id) as page:
            assert (await page.converse())["resumed"] is True


@on_each_server
async def test_a_conversation_lasts_no_longer_than_it_may(emulator: Emulator, start):
    with start(SESSION_LONGEST="3") as server:
        session_id = await create(server)
        async with Page(server, session_id) as page:
            await page.converse()
            await page.ask("hello")
            assert await page.until_closed() == 4410
            assert page.of_type("error")[-1]["code"] == "too_long"
        wait_until(lambda: server.session(session_id)["status"] == "ended", "it has ended")
        assert "at most" in server.session(session_id)["endReason"]


@on_each_server
async def test_a_process_carries_so_many_and_no_more(emulator: Emulator, start):
    """The next one is told to try again, and Gemini is not dialled for it."""
    with start(SESSIONS_PER_PROCESS="2") as server:
        async with Page(server) as one, Page(server) as two:
            await one.converse()
            await two.converse()
            dials = emulator.dials
            async with Page(server) as three:
                assert await three.until_closed() == 4429
                assert three.of_type("error")[-1]["code"] == "too_many_sessions"
            assert emulator.dials == dials
            await one.ask("hello")
        async with Page(server) as four:
            await four.converse()


def status_when_tidied(server: Server, session_id: str) -> str:
    server.manage("expire_sessions")
    return server.session(session_id)["status"]


async def test_unused_sessions_expire_by_themselves_and_by_command(emulator: Emulator, start):
    with start(SESSION_EXPIRY_MINUTES="0.03", HOUSEKEEPING_SECONDS="0.5") as server:
        unused = await create(server)
        async with Page(server) as page:  # the housekeeper starts with the first conversation
            await page.converse()
            wait_until(lambda: server.session(unused)["status"] == "ended", "it has expired")
            assert server.session(unused)["endReason"].startswith("expired")
            await page.ask("hello")  # one that is carried does not
        async with Page(server, unused) as page:
            assert await page.until_closed() == 4410
        server.environment["HOUSEKEEPING_SECONDS"] = "0.1"
        again = await create(server)
        wait_until(lambda: status_when_tidied(server, again) == "ended", "it has expired")


@on_each_server
async def test_the_sessions_of_a_killed_process_are_free_soon(emulator: Emulator, start, trace):
    """Promise 13: another process notices that it gives no sign of life; its tool calls get their end."""
    with start(HOUSEKEEPING_SECONDS="0.5") as server:
        session_id = await create(server)
        async with Page(server, session_id) as page:
            await page.converse()
            await page.ask("hello")
            await page.send("text", text="wait for books")
            await page.until("function_call")
            running_calls = lambda: [call["status"] for call in server.session(session_id)["toolCalls"]]  # noqa: E731
            wait_until(lambda: running_calls() == ["running"], "the tool runs, and its row is written")
            await asyncio.to_thread(server.stop, signal.SIGKILL)
        server.start()
        assert server.session(session_id)["status"] == "live"
        wait_until(lambda: status_when_tidied(server, session_id) == "paused", "it is free")
        assert [call["status"] for call in server.session(session_id)["toolCalls"]] == ["cancelled"]


@on_each_server
async def test_a_flood_ends_its_own_socket_and_nobody_elses(emulator: Emulator, server: Server):
    """Promise 10: a hundred thousand frames as fast as they go."""
    async with Page(server) as victim, Page(server) as hostile:
        await victim.converse()
        await hostile.converse()
        before = psutil.Process(server.process.pid).memory_info().rss
        with contextlib.suppress(ConnectionClosed):
            for _ in range(100_000):
                await hostile.socket.send(bytes(640))
        assert await hostile.until_closed() == 4429
        assert hostile.of_type("error")[-1]["code"] == "too_fast"
        await victim.ask("hello")
        assert psutil.Process(server.process.pid).memory_info().rss - before < 4 * 2**20


@on_each_server
def test_a_flood_waits_where_the_application_is_busy(server: Server):
    """Promise 10: somebody holds the database, so that no session can be opened; the kernel holds the frames back."""
    process = psutil.Process(server.process.pid)
    frames = (b"\x82\xfe\x02\x80" + bytes(4) + bytes(640)) * 100  # binary, masked with zeros
    with contextlib.closing(sqlite3.connect(server.environment["DATABASE_URL"].removeprefix("sqlite:///"))) as database:
        database.execute("BEGIN IMMEDIATE")
        with socket.create_connection(("127.0.0.1", server.port), timeout=GIVE_UP_SECONDS) as client:
            client.sendall(
                b"GET /ws HTTP/1.1\r\nHost: localhost\r\nOrigin: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" % ORIGIN.encode()
            )
            assert client.recv(1000).startswith(b"HTTP/1.1 101 ")
            before = process.memory_info().rss
            client.settimeout(1)
            with contextlib.suppress(TimeoutError):
                for _ in range(1000):
                    client.sendall(frames)
            assert process.memory_info().rss - before < 4 * 2**20


@contextlib.asynccontextmanager
async def never_reads(server: Server):
    """A client that asks for one story after the other, and listens to none."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", server.port))
    url = f"ws://127.0.0.1:{server.port}/ws"
    socket_ = await connect(
        url, sock=raw, origin=ORIGIN, proxy=None, subprotocols=["gemlive.v1"], compression=None, max_queue=1,
        ping_interval=None, close_timeout=0.1,
    )  # fmt: skip

    async def ask() -> None:
        with contextlib.suppress(ConnectionClosed):
            await socket_.send('{"type": "connect"}')
            while True:  # the kernel, too, takes some before it says that nobody reads
                await asyncio.sleep(0.1)  # or each would interrupt the one before
                await socket_.send(json.dumps({"type": "text", "data": {"text": "tell me a long story"}}))

    asking = asyncio.create_task(ask())
    try:
        yield
    finally:
        asking.cancel()
        socket_.transport.abort()


def unread_bytes(server: Server) -> int:
    """That the kernel keeps for clients of the server (Linux, proc_pid_net(5): tx_queue of /proc/net/tcp)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[4].partition(":")[0], 16) for row in rows if row[1].endswith(f":{server.port:04X}"))


@on_each_server
async def test_a_client_that_never_reads_is_cut_off_and_costs_little(emulator: Emulator, server: Server):
    """Promise 10: what it does not read waits up to a bound; then its connections end, to Gemini too."""
    await asyncio.gather(*[talk_alone(server) for _ in range(4)])  # whoever reads costs something, too
    async with Page(server) as page:
        await page.converse()
        await page.ask("tell me a long story")
        process = psutil.Process(server.process.pid)
        sockets = len(process.net_connections())
        for count in (1, 3):  # the first takes what any other can use after it
            before = process.memory_info().rss
            async with contextlib.AsyncExitStack() as stack:
                for _ in range(count):
                    await stack.enter_async_context(never_reads(server))
                # Not in this thread: the page that looks on has pings to answer meanwhile.
                cut_off = lambda: len(process.net_connections()) <= sockets  # noqa: E731
                await asyncio.to_thread(wait_until, cut_off, "they are cut off")
        assert process.memory_info().rss - before < 3 * 3 * 2**20
        await page.ask("hello")


@on_each_server
async def test_a_server_stops_in_time_though_a_client_never_reads(emulator: Emulator, start):
    """Promise 11."""
    with start() as server:
        async with never_reads(server):
            await asyncio.to_thread(wait_until, lambda: unread_bytes(server), "the kernel keeps what it does not read")
            server.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(server.process.wait, 15)


async def test_nothing_is_left_of_conversations_that_are_over(emulator: Emulator, server: Server):
    """Promise 17: sockets, threads and files are as many as before."""
    process = psutil.Process(server.process.pid)

    async def talk() -> None:
        async with Page(server) as page:
            await page.converse()
            await page.ask("hello")
            emulator.abort_all()
            await page.reconnected()
            await page.ask("hello")
            await page.send("disconnect")
            await page.until_closed()

    await talk()
    await asyncio.gather(*[talk_alone(server) for _ in range(8)])  # threads come up to their bound
    before = (process.num_fds(), len(process.net_connections()))
    for _ in range(5):
        await talk()
    await asyncio.gather(*[talk_alone(server) for _ in range(8)])
    wait_until(lambda: process.num_fds() <= before[0], f"files are as before: {before}")
    wait_until(lambda: len(process.net_connections()) <= before[1], "sockets are as before")


async def talk_alone(server: Server) -> None:
    async with Page(server) as page:
        await page.converse()
        await page.ask("hello")
        await page.send("disconnect")
        await page.until_closed()
