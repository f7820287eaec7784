"""The WebSocket's handshake on both servers: every kind of Origin, with a ticket and without; who reaches Gemini."""

import asyncio
import json
import socket

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.processes import on_each_server, running, until
from tests.server import DAPHNE, UVICORN
from tests.waiting import GIVE_UP_SECONDS

from .accounts import with_ada

ALLOWED = "http://localhost:3000"
OPENS, READS_WHY, REFUSED = "opens", "4401", "403"
# Origin headers: without a ticket, with one. Both servers answer 400 to two of them, before we are asked.
ORIGINS = {
    "allowed": ([ALLOWED], READS_WHY, OPENS),
    "other port": (["http://localhost:3002"], REFUSED, OPENS),
    "other scheme": (["https://localhost:3000"], REFUSED, OPENS),
    "other host": (["http://localhost.evil.example:3000"], REFUSED, OPENS),
    "missing": ([], REFUSED, OPENS),
    "null": (["null"], REFUSED, OPENS),
    "unreadable": (["http://["], REFUSED, OPENS),
    "twice": ([ALLOWED, ALLOWED], "400", "400"),
}
UNREADABLE_FOR_DAPHNE = ("400", "400", "400")


async def outcome(url: str, origins: list[str], *protocols: str) -> str:
    """How a client of ours is received: "opens", or with which close code or status it is not."""
    headers = [("Origin", origin) for origin in origins]
    try:
        async with asyncio.timeout(GIVE_UP_SECONDS), connect(
            url, additional_headers=headers, subprotocols=protocols or None, proxy=None
        ) as connection:  # fmt: skip
            async for frame in connection:
                if json.loads(frame).get("data", {}).get("status") == "CONNECTING":
                    return OPENS
        return "closed"
    except ConnectionClosed as closed:
        return str(closed.rcvd and closed.rcvd.code)
    except InvalidStatus as refused:
        return str(refused.response.status_code)


@on_each_server
async def test_the_origin_table(environment, command, tmp_path):
    environment["GEMLIVE_ACCESS"] = "login"
    owner = with_ada(environment)
    with running(environment, command, tmp_path / "log") as server:
        received, wanted = {}, {}
        async with httpx2.AsyncClient(headers=owner, base_url=server.url) as client:
            made = (await client.post("/api/sessions")).json()
            for name, (origins, without, with_ticket) in ORIGINS.items():
                ticket = (await client.post(f"/api/sessions/{made['sessionId']}/ticket")).json()["ticket"]
                both = ("gemlive.v1", f"ticket.{ticket}")
                received[name] = (
                    await outcome(made["wsUrl"], origins),
                    await outcome(made["wsUrl"], origins, *both),
                    await outcome(made["wsUrl"], origins, *both),  # used
                )
                wanted[name] = (without, with_ticket, without)
            if command is DAPHNE:
                wanted["unreadable"] = UNREADABLE_FOR_DAPHNE
        assert received == wanted
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.fixture
def production(environment) -> dict[str, str]:
    return environment | {
        "DEBUG": "0", "SECURE_SSL_REDIRECT": "0", "SECRET_KEY": "k" * 25 + "0123456789abcdefghijklmnopqrst",
        "ALLOWED_HOSTS": "localhost,127.0.0.1", "ALLOWED_ORIGINS": ALLOWED,
    }  # fmt: skip


async def converse(url: str, *protocols: str) -> None:
    """What a client does to be heard, whether it is welcome or not."""
    async with (
        asyncio.timeout(GIVE_UP_SECONDS),
        connect(url, origin=ALLOWED, subprotocols=protocols or None, proxy=None) as connection,
    ):
        await connection.send('{"type": "connect"}')
        await until(connection, "status", status="CONNECTED")


@on_each_server
async def test_nobody_without_an_account_makes_a_production_server_dial_gemini(
    production, command, shared_emulator, tmp_path
):
    """And with one it does: so the emulator would have seen it."""
    owner = with_ada(production)
    with running(production, command, tmp_path / "log") as server:
        before = shared_emulator.dials, len(shared_emulator.tokens._tokens)
        async with httpx2.AsyncClient(base_url=server.url) as client:
            for path in ("/api/sessions", "/api/ephemeral-tokens", "/api/tools/ask_expert/call"):
                assert (await client.post(path, json={})).status_code in (401, 403)
        address = f"ws://localhost:{server.port}/ws"
        for url, *protocols in [(address,), (address, "gemlive.v1"), (f"{address}?sessionId=1", "ticket.1")]:
            with pytest.raises(ConnectionClosed, match="4401"):
                await converse(url, *protocols)
        assert (shared_emulator.dials, len(shared_emulator.tokens._tokens)) == before
        async with httpx2.AsyncClient(base_url=server.url, headers=owner) as client:
            made = (await client.post("/api/sessions")).json()
        await converse(made["wsUrl"], "gemlive.v1", f"ticket.{made['ticket']}")
        assert shared_emulator.dials == before[0] + 1


@on_each_server
async def test_a_ticket_is_used_up_for_every_process(production, command, redis, tmp_path):
    production["REDIS_URL"] = redis
    owner = with_ada(production)
    with (
        running(production, command, tmp_path / "one.log") as one,
        running(production, command, tmp_path / "two.log") as two,
    ):
        async with httpx2.AsyncClient(base_url=one.url, headers=owner) as client:
            made = (await client.post("/api/sessions")).json()
        protocols = ("gemlive.v1", f"ticket.{made['ticket']}")
        assert await outcome(made["wsUrl"], [], *protocols) == OPENS
        elsewhere = made["wsUrl"].replace(str(one.port), str(two.port))
        assert await outcome(elsewhere, [], *protocols) == REFUSED


async def test_a_cache_that_hangs_costs_a_sentence_and_a_few_seconds(production, tmp_path):
    """It takes connections and says nothing; who comes by cookie and origin does not wait for it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        production["REDIS_URL"] = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        owner = with_ada(production)
        with running(production, UVICORN, tmp_path / "log") as server:
            async with httpx2.AsyncClient(base_url=server.url, headers=owner) as client:
                made = (await client.post("/api/sessions")).json()
            with_ticket = asyncio.create_task(outcome(made["wsUrl"], [], f"ticket.{made['ticket']}"))
            assert await outcome(f"ws://localhost:{server.port}/ws", [ALLOWED]) == READS_WHY
            assert not with_ticket.done()
            assert await with_ticket == "4412"
    assert "the cache is away" in (tmp_path / "log").read_text()
