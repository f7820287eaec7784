"""Probes of real processes: while Redis is away and comes back, while the database hangs, while the server stops."""

import contextlib
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator

import httpx2
import pytest

from sessions_app.emulator import Emulator
from tests.forms import long_form
from tests.programs import require_program
from tests.reliability.page import Page
from tests.server import DAPHNE, UVICORN, Server, client, free_port
from tests.waiting import GIVE_UP_SECONDS, wait_until


class Redis:
    """One that can be killed and started again at the same port."""

    def __init__(self, folder):
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        program = require_program("Redis (redis-server)", "redis-server")
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        """Returns when it listens."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(self._listens, "Redis listens")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def signal(self, how: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(how)
            if how is signal.SIGKILL:
                self._process.wait(GIVE_UP_SECONDS)
                self._process = None


@pytest.fixture
def redis(tmp_path) -> Iterator[Redis]:
    redis = Redis(tmp_path)
    redis.start()
    yield redis
    redis.signal(signal.SIGKILL)


def probe(server: Server, path: str) -> httpx2.Response:
    return client().get(f"http://127.0.0.1:{server.port}{path}")


def words(server: Server) -> dict[str, str]:
    return {check["name"]: check["word"] for check in probe(server, "/readyz").json()["checks"]}


def is_ready(server: Server) -> bool:
    return probe(server, "/readyz").status_code == 200


@pytest.mark.parametrize(
    ("how", "command"),
    [
        pytest.param(signal.SIGKILL, UVICORN, id="killed-uvicorn"),
        pytest.param(signal.SIGSTOP, DAPHNE, id="hangs-daphne"),
        long_form(signal.SIGKILL, DAPHNE, id="killed-daphne"),
        long_form(signal.SIGSTOP, UVICORN, id="hangs-uvicorn"),
    ],
)
async def test_without_redis_voices_go_on_and_the_process_is_not_ready(
    emulator: Emulator, start, redis: Redis, command, how
):
    """Promise 14."""
    with start(REDIS_URL=redis.url) as server:
        wait_until(lambda: is_ready(server), "it is ready")
        async with Page(server) as page:
            await page.converse()
            redis.signal(how)
            answer = probe(server, "/readyz")
            assert answer.status_code == 503
            assert max(check["ms"] for check in answer.json()["checks"]) < 3000  # by the clock of the server
            found = words(server)
            assert (found["cache"] == "ok", found["channel_layer"] == "ok") == (False, False)
            assert (found["database"], found["migrations"]) == ("ok", "ok")
            assert probe(server, "/livez").status_code == 200
            await page.ask("hello")
            if how is signal.SIGKILL:
                redis.start()
            else:
                redis.signal(signal.SIGCONT)
            wait_until(lambda: is_ready(server), "it is ready again", seconds=15)
            await page.ask("hello")


async def test_a_process_that_stops_says_so_while_it_saves(emulator: Emulator, start, tmp_path):
    """A database that somebody else writes to keeps the process for a while."""
    with start() as server:
        async with Page(server) as page:
            await page.converse()
            await page.ask("hello")
            assert words(server)["draining"] == "ok"
            with contextlib.closing(sqlite3.connect(tmp_path / "db.sqlite3", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                server.process.send_signal(signal.SIGTERM)
                found = words(server)
                while found["draining"] != "draining":
                    found = words(server)
            assert found["database"] == "ok"
