"""The writer itself, on a real SQLite file that another connection locks."""

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connection

from tests.waiting import GIVE_UP_SECONDS, wait_until
from tools_app.models import ToolCall
from tools_app.writer import DatabaseWriter, Gone, NotSaved, as_asyncio
from tools_app.writer import writer as process_writer

pytestmark = pytest.mark.django_db(transaction=True)


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Nobody else can write while this is open."""
    holder = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


@pytest.fixture(autouse=True)
def _nothing_of_others():
    """What a test before this one had told the process's own writer is written, and gone."""
    process_writer.submit(lambda: ToolCall.objects.all().delete()).result(GIVE_UP_SECONDS)


@pytest.fixture(autouse=True)
def _impatient_sqlite(monkeypatch):
    """A locked database is told at once, not after SQLite's own 20 s."""
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.05)


@pytest.fixture
def make_writer() -> Iterator:
    writers = []

    def make(**options) -> DatabaseWriter:
        writers.append(DatabaseWriter(**options))
        return writers[-1]

    yield make
    for writer in writers:
        writer.stop()


def row(name: str):
    return lambda: ToolCall.objects.create(name=name)


def names() -> list[str]:
    return list(ToolCall.objects.order_by("id").values_list("name", flat=True))


def test_writes_are_kept_in_their_order_over_an_outage(make_writer, caplog):
    writer = make_writer()
    with locked():
        writes = [writer.submit(row(f"{number:03}")) for number in range(500)]
        wait_until(lambda: "The database is away" in caplog.text, "an attempt has failed")
        assert not writes[0].done()
    for write in writes:
        assert write.result(GIVE_UP_SECONDS) is None
    assert names() == [f"{number:03}" for number in range(500)]


def test_an_outage_longer_than_patience_is_a_clear_error_and_the_next_write_succeeds(make_writer, caplog):
    """Promise 4: what waits is bounded in time; the log has a line for the outage, not one for each write."""
    writer = make_writer(patience=0.3)
    with locked(), caplog.at_level(logging.WARNING):
        writes = [writer.submit(row("lost")) for _ in range(50)]
        for write in writes:
            with pytest.raises(NotSaved, match=r"away for longer than 0\.3 seconds: database is locked"):
                write.result(GIVE_UP_SECONDS)
    writer.submit(row("kept")).result(GIVE_UP_SECONDS)
    assert names() == ["kept"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR", "WARNING"]
    assert "50 were lost" in caplog.text


def test_what_waits_is_bounded_in_number(make_writer):
    """Promise 4: beyond the bound a write fails at once, those before it are kept."""
    writer = make_writer(max_waiting=3)
    with locked():
        writes = [writer.submit(row(str(number))) for number in range(5)]
        for write in writes[3:]:
            with pytest.raises(NotSaved, match="3 writes wait for the database already"):
                write.result(0)
        assert not any(write.done() for write in writes[:3])
    for write in writes[:3]:
        write.result(GIVE_UP_SECONDS)
    writer.submit(row("later")).result(GIVE_UP_SECONDS)
    assert names() == ["0", "1", "2", "later"]


def test_a_poisoned_write_does_not_fail_its_neighbours(make_writer, caplog):
    def poison() -> None:
        ToolCall.objects.create(name="half")
        raise ValueError("a bug")

    def gone() -> None:
        raise Gone("deleted meanwhile")

    writer = make_writer()
    with locked():  # so that they wait, and are one batch
        writes = [writer.submit(write) for write in (row("first"), poison, gone, row("last"))]
    errors = [write.exception(GIVE_UP_SECONDS) for write in writes]
    assert [type(error) for error in errors] == [type(None), ValueError, Gone, type(None)]
    assert names() == ["first", "last"]
    assert "a bug" in caplog.text
    assert "deleted meanwhile" not in caplog.text


async def test_a_write_is_not_taken_back_when_its_waiter_is_cancelled(make_writer):
    writer = make_writer()
    with locked():
        write = writer.submit(row("kept"))
        waiting = asyncio.ensure_future(as_asyncio(write))
        waiting.cancel()
        await asyncio.wait({waiting})
    await asyncio.to_thread(write.result, GIVE_UP_SECONDS)
    assert await ToolCall.objects.filter(name="kept").aexists()


def test_an_error_that_nobody_awaits_does_not_warn(make_writer, caplog):
    def fail() -> None:
        raise DatabaseError("disk full")

    async def forget() -> None:
        future = as_asyncio(make_writer().submit(fail))
        await asyncio.wait({future}, timeout=GIVE_UP_SECONDS)

    asyncio.run(forget())
    assert [record.getMessage() for record in caplog.records] == ["A write could not be saved: disk full"]


def test_stopping_writes_what_waits_and_a_later_write_starts_it_again(make_writer):
    writer = make_writer()
    begun, gate = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        gate.wait(GIVE_UP_SECONDS)

    writer.submit(hold)
    assert begun.wait(GIVE_UP_SECONDS)  # so that what comes now is not written together with it
    write = writer.submit(row("at the end"))
    threading.Timer(0.2, gate.set).start()
    writer.stop(timeout=GIVE_UP_SECONDS)
    assert write.done()
    writer.submit(row("after")).result(GIVE_UP_SECONDS)
    assert names() == ["at the end", "after"]


def test_stopping_is_bounded_while_the_database_is_away(make_writer, caplog):
    writer = make_writer()
    with locked():
        write = writer.submit(row("lost"))
        writer.stop(timeout=0.3)
        with pytest.raises(NotSaved):
            write.result(GIVE_UP_SECONDS)
    assert "are lost" in caplog.text
