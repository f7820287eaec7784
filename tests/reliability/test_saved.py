"""Saved means saved: whatever happens to server and database, a turn that was told final is there, once, in its place.

Real processes, real databases; what is asked of a database afterwards is asked by its own driver.
"""

import asyncio
import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forms import long_form
from tests.postgresql import postgresql
from tests.processes import running
from tests.reliability.talker import Talker, calls, make_shop, saved, talking, turns
from tests.server import UVICORN

TALKERS = 3
MESSAGES = 600
"""That all talkers together are told at most before the server is killed: each has three or four turns then."""
SEED = 20261122
LOCKED = [3.0, long_form(10.0)]
"""Seconds; nothing that speaks or calls tools waits for a row for longer than two (tools_app/executor.py)."""
AWAY = [4.0, long_form(30.0)]
"""Seconds; what could not be written is tried again after two at most (tools_app/writer.py)."""
RELEASED, BACK = "the lock is released", "the database is back"


@pytest.fixture
def environment(environment):
    make_shop(environment)
    return environment


@pytest.fixture
def sqlite(environment) -> Path:
    return Path(environment["DATABASE_URL"].removeprefix("sqlite:///"))


@pytest.mark.parametrize("kills", [6, long_form(40)])
async def test_no_turn_that_was_told_final_is_lost_by_a_kill(kills, environment, sqlite, tmp_path):
    """Promise 1: SIGKILL at random moments of lively conversations; final ⊆ database, each once and in order."""
    moments = random.Random(SEED)
    everybody: list[Talker] = []
    with running(environment, UVICORN, tmp_path / "log") as server:
        for _ in range(kills):
            if server.process is None:
                await asyncio.to_thread(server.start)
            async with contextlib.AsyncExitStack() as stack:
                talkers = await asyncio.gather(*(stack.enter_async_context(talking(server)) for _ in range(TALKERS)))
                everybody += talkers
                chatting = [asyncio.create_task(chat(talker)) for talker in talkers]
                # By what was said, and not by the clock: however slow the machine is, they have said something.
                await told(talkers, moments.randint(0, MESSAGES))
                await asyncio.sleep(moments.uniform(0.0, 0.05))  # the fault's moment; nothing is waited for
                server.stop(signal.SIGKILL)
                # To the last byte that it sent.
                await asyncio.gather(*(talker.listening for talker in talkers))
                for task in chatting:
                    task.cancel()
                await asyncio.gather(*chatting, return_exceptions=True)
    finals = 0
    with contextlib.closing(sqlite3.connect(sqlite)) as database:
        for talker in everybody:
            transcript, _ = saved(database, talker.session_id)
            kept = len(transcript) // 2
            assert transcript == turns(talker.asked[:kept])
            assert kept >= len(talker.finals), f"told {len(talker.finals)} finals, {kept} turns are kept"
            finals += len(talker.finals)
    assert finals > kills  # else they were killed before they could say anything


async def told(talkers: list[Talker], messages: int) -> None:
    """Returns when all together were told so many."""
    for talker in talkers:
        await talker.until(lambda: sum(len(talker.told) for talker in talkers) >= messages)


async def chat(talker: Talker) -> None:
    for number in range(1000, 2000):
        await talker.ask(number)


@contextlib.contextmanager
def sqlite_locked(path: Path) -> Iterator[None]:
    """A write lock that another process holds."""
    program = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], timeout=90, isolation_level=None)\n"
        "connection.execute('BEGIN IMMEDIATE')\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "locked\n"
        yield
        process.stdin.close()  # it ends, and its lock with it


@contextlib.contextmanager
def table_locked(server) -> Iterator[None]:
    """Nobody else can even read the transcripts."""
    with server.connect() as connection, connection.transaction():
        connection.execute("LOCK TABLE sessions_app_transcriptentry IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.mark.parametrize("seconds", LOCKED)
async def test_a_locked_database_holds_up_no_reply(seconds, environment, sqlite, tmp_path):
    """Promise 4: another process holds SQLite's write lock; replies go on, finals wait, nothing is lost."""
    with running(environment, UVICORN, tmp_path / "log") as server:
        async with talking(server) as talker:
            await converse_while(talker, sqlite_locked(sqlite), seconds)
    with contextlib.closing(sqlite3.connect(sqlite)) as database:
        assert saved(database, talker.session_id) == (turns(talker.asked), calls(talker.asked))


@pytest.mark.parametrize("seconds", LOCKED)
async def test_a_locked_table_holds_up_no_reply(seconds, environment, tmp_path):
    """Promise 4: the same on PostgreSQL, where an administrator locks a table."""
    with postgresql() as database:
        with running(environment | {"DATABASE_URL": database.url}, UVICORN, tmp_path / "log") as server:
            async with talking(server) as talker:
                await converse_while(talker, table_locked(database), seconds)
        with database.connect() as connection:
            assert saved(connection, talker.session_id) == (turns(talker.asked), calls(talker.asked))


async def converse_while(talker: Talker, lock, seconds: float) -> None:
    await talker.ask(100)
    await talker.until(lambda: len(talker.finals) == 1)
    with lock:
        locked_at = len(talker.told)
        await ask_for(talker, seconds)
        talker.told.append(RELEASED)
    await talker.until(lambda: len(talker.finals) == len(talker.asked))
    check_that_replies_went_on(talker, locked_at, talker.told.index(RELEASED))


async def ask_for(talker: Talker, seconds: float) -> None:
    """At a person's pace, so that the conversation lasts as long as the fault does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await talker.ask(100 + len(talker.asked))
        await asyncio.sleep(0.5)


def check_that_replies_went_on(talker: Talker, start: int, end: int) -> None:
    meanwhile = range(start, end)
    audio = [place for place in talker.positions("audio") if place in meanwhile]
    replies = [place for place in talker.positions("turn", state="generated") if place in meanwhile]
    assert len(replies) == len(talker.asked) - 1
    # Each reply has its sound, before it is at its end and after the one before.
    for earlier, later in zip([start, *replies], replies, strict=False):
        assert any(earlier < place < later for place in audio)
    assert not [place for place in talker.finals if place in meanwhile]
    numbers = [talker.told[place]["data"]["turnId"] for place in talker.finals]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("seconds", AWAY)
async def test_a_database_that_is_away_loses_nothing(seconds, environment, tmp_path):
    """Promises 1, 2, 4, 15: PostgreSQL stops in mid-conversation; all is kept, once, in order, when it is back."""
    with postgresql() as database:
        with running(environment | {"DATABASE_URL": database.url}, UVICORN, tmp_path / "log") as server:
            async with talking(server) as talker:
                await talker.ask(100)
                await talker.until(lambda: len(talker.finals) == 1)
                database.stop()
                stopped_at = len(talker.told)
                await ask_for(talker, seconds)
                talker.told.append(BACK)
                await asyncio.to_thread(database.start)
                await talker.until(lambda: len(talker.finals) == len(talker.asked))
                check_that_replies_went_on(talker, stopped_at, talker.told.index(BACK))
                await talker.ask(99)
                await talker.until(lambda: len(talker.finals) == len(talker.asked))
        with database.connect() as connection:
            assert saved(connection, talker.session_id) == (turns(talker.asked), calls(talker.asked))
    assert talker.count("error") == 0
