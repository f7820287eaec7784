"""Real server processes: uvicorn, Daphne and `manage.py runserver`; two processes and a Redis between them."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.processes import call, create, environment_of, on_each_server, running, until
from tests.server import DAPHNE, UVICORN, Server, free_port
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", params=[UVICORN, DAPHNE], ids=["uvicorn", "daphne"])
def server(request, shared_emulator, tmp_path_factory) -> Iterator[Server]:
    """For tests that neither stop it nor need another environment."""
    folder = tmp_path_factory.mktemp("server")
    with running(environment_of(folder, shared_emulator), request.param, folder / "log") as server:
        yield server
    assert "Traceback" not in (folder / "log").read_text()


async def test_a_conversation_over_a_real_server(server):
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
    # Many frames that cannot be read end a socket.
    async with call(server) as socket:
        for _ in range(20):
            await socket.send("not json")
        await until(socket, "error", code="too_many_bad_frames")
        await socket.wait_closed()
        assert socket.close_code == 4400
    # A frame over the limit ends its own socket and nobody else's.
    async with call(server) as victim, call(server) as socket:
        await until(victim, "status")
        with contextlib.suppress(ConnectionClosed):
            await socket.send("x" * (2 * 2**20))
        await socket.wait_closed()
        assert socket.close_code in (1009, 1006)  # Daphne drops it without a word
        await victim.send('{"type": "ping"}')
        await until(victim, "pong")


def test_every_answer_names_the_policy(server):
    for path in ("/", "/admin/login/", "/health", "/api/tools", "/static/css/voice.css"):
        headers = httpx2.get(server.url + path).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
        assert set(policy.values()) == {"'self'", "'none'"}, path
        assert {name for name, value in policy.items() if value == "'none'"} == {
            "default-src", "base-uri", "frame-ancestors",
        }  # fmt: skip
        assert headers["Permissions-Policy"] == "microphone=(self), camera=(self), display-capture=(self)"


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
    server = Server(free_port(), environment, tmp_path / "log", forked=True)  # never migrated: it has no tables
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


@on_each_server
async def test_two_processes_know_of_each_other_through_redis(environment, command, redis, tmp_path):
    environment |= {"REDIS_URL": redis, "API_RATE_SESSIONS": "4/h"}
    with (
        running(environment, command, tmp_path / "one.log") as one,
        running(environment, command, tmp_path / "two.log") as two,
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
        # What is asked of both is counted together: one was made above.
        answers = [httpx2.post(f"{server.url}/api/sessions") for server in (two, one, two, one, two)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert answers[-1].json()["code"] == "throttled"


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
