"""Real server processes: uvicorn, Daphne and `manage.py runserver`; two processes and a Redis between them."""

import asyncio
import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.programs import require_program
from tests.server import DAPHNE, UVICORN, Server, free_port

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def environment(tmp_path, shared_emulator) -> dict[str, str]:
    return {
        "DEBUG": "1",
        "PORT": "3001",
        "GEMINI_API_KEY": "test",
        "GEMINI_BASE_URL": shared_emulator.url,
        "GEMINI_CA_FILE": str(shared_emulator.ca_file),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "DEMO_DATABASE_URL": f"sqlite:///{tmp_path / 'shop.sqlite3'}",
        "REDIS_URL": "",
        "SECRET_KEY": "",
        "ALLOWED_HOSTS": "",
        "ALLOWED_ORIGINS": "http://localhost:3000",
    }


@contextlib.contextmanager
def running(environment: dict[str, str], command: list[str], log: Path) -> Iterator[Server]:
    server = Server(free_port(), environment, log, command)
    server.manage("migrate", "--verbosity=0")
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.asynccontextmanager
async def call(server: Server, session_id: str = "", origin: str | None = "http://localhost:3000"):
    url = f"ws://127.0.0.1:{server.port}/ws?sessionId={session_id}"
    async with asyncio.timeout(30), connect(url, origin=origin, proxy=None) as socket:
        yield socket


async def until(socket, kind: str, **data) -> dict:
    async for frame in socket:
        message = json.loads(frame)
        if message["type"] == kind and message.get("data", {}).items() >= data.items():
            return message
    raise AssertionError(f"closed {socket.close_code} {socket.close_reason} before {kind} {data}")


async def create(server: Server) -> str:
    async with httpx2.AsyncClient() as client:
        answer = await client.post(f"http://127.0.0.1:{server.port}/api/sessions")
        return answer.json()["sessionId"]


@pytest.mark.parametrize("command", [UVICORN, DAPHNE], ids=["uvicorn", "daphne"])
async def test_a_conversation_over_a_real_server(environment, command, tmp_path):
    with running(environment, command, tmp_path / "log") as server:
        session_id = await create(server)
        async with call(server, session_id) as socket:
            await until(socket, "status", status="CONNECTING")
            await socket.send('{"type": "connect"}')
            await until(socket, "status", status="CONNECTED")
            await socket.send(json.dumps({"type": "text", "data": {"text": "hello"}}))
            audio = await until(socket, "audio")
            assert len(base64.b64decode(audio["data"]["audio"])) % 2 == 0
            await until(socket, "turn", state="complete")
            await socket.send("not json")
            await until(socket, "error", code="not_json")
            await socket.send(b"\x00")
            await until(socket, "error", code="odd_audio")
            await socket.send('{"type": "disconnect"}')
            await socket.wait_closed()
            assert socket.close_code == 1000
        wait_until(lambda: server.session(session_id)["status"] == "ended", "the end is recorded")
        session = server.session(session_id)
        assert [entry["role"] for entry in session["transcript"]] == ["user", "model"]
        async with call(server, session_id) as socket:
            await until(socket, "error", code="session_ended")
            await socket.wait_closed()
            assert socket.close_code == 4410
        for origin in (None, "null", "http://[", "http://localhost:3002", "https://localhost:3000"):
            with pytest.raises(InvalidStatus) as refused:
                async with call(server, origin=origin):
                    pass
            # Daphne itself answers 400 to one that cannot be read.
            assert refused.value.response.status_code in ((403, 400) if origin == "http://[" else (403,))
        # A frame over the limit ends its own socket and nobody else's.
        async with call(server) as victim, call(server) as socket:
            await until(victim, "status")
            with contextlib.suppress(ConnectionClosed):
                await socket.send("x" * (2 * 2**20))
            await socket.wait_closed()
            assert socket.close_code in (1009, 1006)  # Daphne drops it without a word
            await victim.send('{"type": "ping"}')
            await until(victim, "pong")
    assert "Traceback" not in (tmp_path / "log").read_text()


async def test_a_turn_that_was_told_final_survives_a_kill(environment, tmp_path):
    with running(environment, UVICORN, tmp_path / "log") as server:
        session_id = await create(server)
        async with call(server, session_id) as socket:
            await socket.send('{"type": "connect"}')
            await until(socket, "status", status="CONNECTED")
            await socket.send(json.dumps({"type": "text", "data": {"text": "hello"}}))
            await until(socket, "transcription", isUser=False, isFinal=True)
            server.stop(signal.SIGKILL)
        server.start()
        assert [entry["role"] for entry in server.session(session_id)["transcript"]] == ["user", "model"]
        # and the conversation goes on by its handle
        async with call(server, session_id) as socket:
            await socket.send('{"type": "connect"}')
            await until(socket, "status", status="CONNECTED")


async def test_a_database_that_cannot_be_used_is_told_in_words(environment, tmp_path):
    server = Server(free_port(), environment, tmp_path / "log")  # never migrated: it has no tables
    server.start()
    try:
        async with httpx2.AsyncClient() as client:
            answer = await client.post(f"http://127.0.0.1:{server.port}/api/sessions")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        async with call(server) as socket:
            await until(socket, "error", code="database_unavailable")
            await socket.wait_closed()
            assert socket.close_code == 4412
    finally:
        server.stop()


@pytest.fixture
def redis(tmp_path) -> Iterator[str]:
    program = require_program("Redis (redis-server)", "redis-server")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


async def test_two_processes_know_of_each_other_through_redis(environment, redis, tmp_path):
    environment |= {"REDIS_URL": redis}
    with (
        running(environment, UVICORN, tmp_path / "one.log") as one,
        running(environment, UVICORN, tmp_path / "two.log") as two,
    ):
        session_id = await create(one)
        async with call(one, session_id) as first:
            await first.send('{"type": "connect"}')
            await until(first, "status", status="CONNECTED")
            async with call(two, session_id) as second:
                await until(first, "error", code="taken_over")
                await first.wait_closed()
                assert first.close_code == 4409
                await second.send('{"type": "connect"}')
                await until(second, "status", status="CONNECTED")
                async with httpx2.AsyncClient() as client:
                    await client.delete(f"http://127.0.0.1:{one.port}/api/sessions/{session_id}")
                await until(second, "error", code="session_ended")
                await second.wait_closed()
                assert second.close_code == 4410


async def test_a_conversation_does_not_need_redis(environment, tmp_path):
    """Words from elsewhere are lost with it, the voice is not."""
    environment |= {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    with running(environment, UVICORN, tmp_path / "log") as server:
        async with call(server) as socket:
            await socket.send('{"type": "connect"}')
            await until(socket, "status", status="CONNECTED")
            await socket.send(json.dumps({"type": "text", "data": {"text": "hello"}}))
            await until(socket, "turn", state="complete")


def test_runserver_starts_the_emulator_says_so_and_takes_it_along(environment, tmp_path):
    """Also when it is killed: the emulator ends with its parent."""
    port, emulator_port = free_port(), free_port()
    environment = os.environ | environment | {
        "DJANGO_SETTINGS_MODULE": "gemlive_project.settings",
        "GEMINI_API_KEY": "", "GEMINI_BASE_URL": "", "GEMINI_CA_FILE": "",
        "PORT": str(port), "EMULATOR_PORT": str(emulator_port), "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    log = tmp_path / "log"
    command = [sys.executable, "manage.py", "runserver", "--noreload"]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: answers(port), "the server answers")
        assert "GEMINI_API_KEY is not set: an emulator answers" in log.read_text()
        children = psutil.Process(process.pid).children()
        assert [child for child in children if "sessions_app.emulator" in " ".join(child.cmdline())]
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: not any(child.is_running() for child in children), "the emulator has ended")


def answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://localhost:{port}/health").status_code == 200
    except httpx2.TransportError:
        return False


def wait_until(condition, what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"Not within {seconds} s: {what}"
        time.sleep(0.05)
