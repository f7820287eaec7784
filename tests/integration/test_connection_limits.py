"""How many browsers may be connected, and for how long without a word; on real servers."""

import asyncio
import contextlib

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sessions_app.connection_limits import network_of
from tests.processes import call, on_each_server, running, until
from tests.server import DAPHNE, UVICORN
from tests.waiting import GIVE_UP_SECONDS

SERVERS = pytest.mark.parametrize(
    ("command", "statuses"), [(UVICORN, (429, 503)), (DAPHNE, (403, 403))], ids=["uvicorn", "daphne"]
)
# After the handshake it is our own code that counts, and closes.


@SERVERS
async def test_an_address_gets_so_many_and_no_more(environment, command, statuses, tmp_path):
    environment |= {"CONNECTIONS_PER_ADDRESS": "3"}
    with running(environment, command, tmp_path / "log") as server:
        async with contextlib.AsyncExitStack() as stack:
            open_ones = [await stack.enter_async_context(call(server)) for _ in range(3)]
            with pytest.raises(InvalidStatus) as refused:
                async with call(server):
                    pass
            assert refused.value.response.status_code == statuses[0]
            if command is UVICORN:
                assert refused.value.response.headers["retry-after"] == "60"
            for socket in open_ones:
                await until(socket, "status", status="CONNECTING")
        async with asyncio.timeout(GIVE_UP_SECONDS):  # until the server, too, knows that they have gone
            while True:
                with contextlib.suppress(InvalidStatus):
                    async with call(server) as socket:
                        await until(socket, "status", status="CONNECTING")
                        break
    assert "Traceback" not in (tmp_path / "log").read_text()


@on_each_server
async def test_300_sockets_at_a_cap_of_200(environment, command, tmp_path):
    """A hundred are told that all lines are busy, and the others live."""
    environment |= {"CONNECTIONS_PER_ADDRESS": "0", "SESSIONS_PER_PROCESS": "200"}
    with running(environment, command, tmp_path / "log") as server:
        async with contextlib.AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(call(server)) for _ in range(300)]

            async def is_busy(socket) -> bool:
                with contextlib.suppress(ConnectionClosed):
                    async for message in socket:
                        if "CONNECTING" in message:
                            return False
                return socket.close_code == 4429

            assert sum(await asyncio.gather(*map(is_busy, sockets))) == 100
            for socket in sockets[:200:50]:
                await socket.send('{"type": "ping"}')
                await until(socket, "pong")


@SERVERS
async def test_a_process_does_not_even_answer_more_than_twice_as_many(environment, command, statuses, tmp_path):
    """Sockets that were refused and do not go away."""
    environment |= {"SESSIONS_PER_PROCESS": "0"}
    with running(environment, command, tmp_path / "log") as server:
        with pytest.raises(InvalidStatus) as refused:
            async with call(server):
                pass
        assert refused.value.response.status_code == statuses[1]


@on_each_server
async def test_a_socket_that_begins_nothing_is_closed(environment, command, tmp_path):
    environment |= {"WEBSOCKET_CONNECT_TIMEOUT": "3"}
    with running(environment, command, tmp_path / "log") as server:
        async with call(server) as talking, contextlib.AsyncExitStack() as stack:
            await talking.send('{"type": "connect"}')
            await until(talking, "status", status="CONNECTED")
            failed = await stack.enter_async_context(call(server))
            await failed.send('{"type": "connect", "data": {"model": "gemini-nonsense"}}')
            await until(failed, "status", status="ERROR")
            async with call(server) as silent:  # the last one that was opened
                await until(silent, "error", code="not_started")
                await silent.wait_closed()
                assert silent.close_code == 4408
            await talking.send('{"type": "text", "data": {"text": "hello"}}')
            await until(talking, "turn", state="complete")
            await failed.send('{"type": "ping"}')
            await until(failed, "pong")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_what_counts_as_one_address(address, network):
    assert network_of(address) == network
