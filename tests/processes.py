"""What tests of real server processes share: servers, callers at their WebSocket, Redis and PostgreSQL processes."""

import asyncio
import contextlib
import functools
import json
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest
from websockets.asyncio.client import connect

from sessions_app.emulator import Emulator
from tests.server import DAPHNE, UVICORN, Server, free_port
from tests.waiting import GIVE_UP_SECONDS

on_each_server = pytest.mark.parametrize("command", [UVICORN, DAPHNE], ids=["uvicorn", "daphne"])
"""For tests of what depends on the server: sockets, frames, bodies, signals, processes."""


def environment_of(folder: Path, emulator: Emulator) -> dict[str, str]:
    """Of a server with a database of its own in this folder, which dials the emulator."""
    return {
        "DEBUG": "1",
        "PORT": "3001",
        "GEMINI_API_KEY": "test",
        "GEMINI_BASE_URL": emulator.url,
        "GEMINI_CA_FILE": str(emulator.ca_file),
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "DEMO_DATABASE_URL": f"sqlite:///{folder / 'shop.sqlite3'}",
        "REDIS_URL": "",
        "GEMLIVE_ACCESS": "",
        "SECRET_KEY": "",
        "ALLOWED_HOSTS": "",
        "ALLOWED_ORIGINS": "http://localhost:3000",
    }


def migrate(server: Server) -> None:
    """Its database, if nobody has done it; an SQLite file that is not there yet is a copy of one that was migrated."""
    environ = server.environ()
    kind, _, file = environ["DATABASE_URL"].partition(":///")
    if kind == "sqlite" and not Path(file).exists():
        Path(file).write_bytes(_migrated(environ["DJANGO_SETTINGS_MODULE"]))
    elif not _is_migrated(environ["DATABASE_URL"]):
        server.manage("migrate", "--verbosity=0")


def _is_migrated(url: str) -> bool:
    kind, _, file = url.partition(":///")
    if kind == "sqlite":
        with contextlib.closing(sqlite3.connect(file)) as database:
            return bool(database.execute("SELECT 1 FROM sqlite_master WHERE name = 'django_migrations'").fetchall())
    with psycopg.connect(url) as database:
        return database.execute("SELECT to_regclass('django_migrations')").fetchone() != (None,)


@functools.cache
def _migrated(settings: str) -> bytes:
    """The file of a new database: the migrations take as long as the start of a server."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "db.sqlite3"
        environment = {"DATABASE_URL": f"sqlite:///{file}", "DJANGO_SETTINGS_MODULE": settings}
        environment |= {"DEBUG": "1", "REDIS_URL": "", "GEMINI_API_KEY": "test"}
        Server(0, environment, file.with_suffix(".log"), forked=True).manage("migrate", "--verbosity=0")
        return file.read_bytes()


@contextlib.contextmanager
def running(environment: dict[str, str], command: list[str], log: Path) -> Iterator[Server]:
    """A server that starts at once, with its database; it is stopped at the end."""
    server = Server(free_port(), environment, log, command, forked=True)
    migrate(server)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.asynccontextmanager
async def call(
    server: Server,
    session_id: str = "",
    origin: str | None = "http://localhost:3000",
    seconds: float | None = GIVE_UP_SECONDS,
):
    """A socket, for at most so many seconds; None: however long."""
    url = f"ws://127.0.0.1:{server.port}/ws?sessionId={session_id}"
    async with asyncio.timeout(seconds), connect(url, origin=origin, proxy=None) as socket:
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
