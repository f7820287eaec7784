"""Probes of real processes: while Redis is away and comes back, while the database hangs, while the server stops."""

import contextlib
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator

import httpx2
import pytest

from sessions_app.emulator import Emulator
from tests.processes import on_each_server, running
from tests.programs import require_program
from tests.reliability.page import Page
from tests.server import UVICORN, Server, free_port
from tests.waiting import wait_until


class Redis:
    """One that can be killed and started again at the same port."""

    def __init__(self, folder):
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        program = require_program("Redis (redis-server)", "redis-server")
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)

    def signal(self, how: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(how)
            if how is signal.SIGKILL:
                self._process.wait(10)
                self._process = None


@pytest.fixture
def redis(tmp_path) -> Iterator[Redis]:
    redis = Redis(tmp_path)
    redis.start()
    yield redis
    redis.signal(signal.SIGKILL)


def probe(server: Server, path: str) -> httpx2.Response:
    return httpx2.get(f"http://127.0.0.1:{server.port}{path}", timeout=10)


def words(server: Server) -> dict[str, str]:
    return {check["name"]: check["word"] for check in probe(server, "/readyz").json()["checks"]}


def is_ready(server: Server) -> bool:
    return probe(server, "/readyz").status_code == 200


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hangs"])
@on_each_server
async def test_without_redis_voices_go_on_and_the_process_is_not_ready(
    emulator: Emulator, module_environment, redis: Redis, command, how, tmp_path
):
    """Promise 14."""
    database = {"DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"}
    with running(module_environment | database | {"REDIS_URL": redis.url}, command, tmp_path / "log") as server:
        wait_until(lambda: is_ready(server), "it is ready")
        async with Page(server) as page:
            await page.converse()
            redis.signal(how)
            began = time.monotonic()
            answer = probe(server, "/readyz")
            assert answer.status_code == 503
            assert time.monotonic() - began < 3.0
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


async def test_a_process_that_stops_says_so_while_it_saves(emulator: Emulator, module_environment, tmp_path):
    """A database that somebody else writes to keeps the process for a while."""
    database = tmp_path / "db.sqlite3"
    with running(module_environment | {"DATABASE_URL": f"sqlite:///{database}"}, UVICORN, tmp_path / "log") as server:
        async with Page(server) as page:
            await page.converse()
            await page.ask("hello")
            assert words(server)["draining"] == "ok"
            with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                server.process.send_signal(signal.SIGTERM)
                found = words(server)
                while found["draining"] != "draining":
                    found = words(server)
            assert found["database"] == "ok"
