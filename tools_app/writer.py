"""Rows are written on a thread of their own, in order and in batches: nothing that speaks ever waits for the database.

One writer for a process, so that whatever happened first is written first, whoever tells it.
"""

import asyncio
import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice

from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connection, transaction
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from .signals import writes_ended

logger = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds that a write waits for a database that is away: a restart or a failover takes less than half of it."""
MAX_WAITING = 10_000
"""Writes that may wait: a minute of 100 busy conversations; with a few KB each they take some 50 MB at most."""
LONGEST_BATCH = 200
LONGEST_PAUSE = 2.0
"""Seconds between two attempts: one process that knocks is no burden to a server that comes back."""

GATHER_SECONDS = 0.02
"""That a write waits for others, to be committed with them: less work, and none at the moment that matters."""

AWAY = (OperationalError, InterfaceError)


class NotSaved(DatabaseError):
    """The write is lost: the database was away for too long, or too much waits for it already."""


class Gone(DatabaseError):
    """Raised by a write whose subject was deleted: there is nothing to keep, and nothing for the log."""


@dataclass
class _Write:
    apply: Callable[[], None]
    future: "Future[None]" = field(default_factory=Future)
    asked_at: float = field(default_factory=time.monotonic)


class DatabaseWriter:
    """Applies writes in order; those that wait are committed together.

    Args:
        patience: seconds that a write is tried again while the database is away.
        max_waiting: writes that may wait, those at work included.
    """

    def __init__(self, *, patience: float = PATIENCE, max_waiting: int = MAX_WAITING):
        self._patience = patience
        self._max_waiting = max_waiting
        self._waiting: deque[_Write] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stop_at: float | None = None
        self._lost = 0

    def submit(self, apply: Callable[[], None]) -> "Future[None]":
        """Have `apply` write by the ORM; never waits, and may be called from any thread.

        `apply` runs in a transaction and again if that fails: it must bear both. The future is done after the commit.
        It fails with NotSaved, or with the error that `apply` itself raised; cancelling it has no effect.
        """
        write = _Write(apply)
        write.future.set_running_or_notify_cancel()  # else whoever is cancelled while he waits would take it back
        with self._changed:
            accepted = len(self._waiting) < self._max_waiting
            if accepted:
                self._waiting.append(write)
                self._start()
                self._changed.notify()
        if not accepted:
            self._lose([write], f"{self._max_waiting} writes wait for the database already")
        return write.future

    @property
    def waiting(self) -> int:
        """Writes that are not committed yet."""
        return len(self._waiting)

    def stop(self, timeout: float = 10.0) -> None:
        """Write what waits, then end the thread; what is not written within `timeout` seconds is lost."""
        with self._changed:
            thread = self._thread
            self._stop_at = time.monotonic() + timeout
            self._changed.notify()
        if thread:
            thread.join(timeout)
            if thread.is_alive():
                logger.error("The database takes no writes at the end: %d are lost", len(self._waiting))

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._stop_at = None
            self._thread = threading.Thread(target=self._run, name="database-writer", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        patiently = Retrying(
            retry=retry_if_exception_type(AWAY),
            wait=wait_random_exponential(0.1, max=LONGEST_PAUSE),
            before_sleep=self._after_failure,
        )
        while self._has_work():
            patiently(self._write_some)

    def _has_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stop_at)
            if not self._waiting:
                self._thread = None
                return False
            # Not at once: what is at work when it asks is a voice or a tool, and the interpreter runs one thread.
            self._changed.wait_for(lambda: self._stop_at, timeout=GATHER_SECONDS)
            return True

    def _write_some(self) -> None:
        with self._changed:
            batch = list(islice(self._waiting, LONGEST_BATCH))
        try:
            if batch:
                self._commit(batch)
        finally:
            close_old_connections()

    def _commit(self, batch: list[_Write]) -> None:
        try:
            with transaction.atomic():
                for write in batch:
                    write.apply()
        except AWAY:
            connection.close()  # it may be the connection that is broken
            raise
        except Exception as error:
            if len(batch) > 1:
                # One of them is the culprit: alone, each gets the error that is its own.
                for write in batch:
                    self._commit([write])
                return
            self._take(1)
            _log(error)
            batch[0].future.set_exception(error)
        else:
            self._take(len(batch))
            if self._lost:
                logger.warning("The database takes writes again; %d were lost", self._lost)
                self._lost = 0
            for write in batch:
                write.future.set_result(None)
            now = time.monotonic()
            writes_ended.send(DatabaseWriter, saved=[now - write.asked_at for write in batch], lost=0)

    def _after_failure(self, attempt: RetryCallState) -> None:
        error = attempt.outcome and attempt.outcome.exception()
        if attempt.attempt_number == 1:
            logger.warning("The database is away; writes wait for it: %s", error)
        now = time.monotonic()
        latest = now if self._stop_at and now >= self._stop_at else now - self._patience
        with self._changed:
            old = self._take(sum(write.asked_at <= latest for write in self._waiting))
        if old:
            self._lose(old, f"The database was away for longer than {self._patience:g} seconds: {error}")

    def _take(self, count: int) -> list[_Write]:
        with self._changed:
            return [self._waiting.popleft() for _ in range(count)]

    def _lose(self, writes: list[_Write], reason: str) -> None:
        """The log has one line for the first and one when it is over, not one for each."""
        if not self._lost:
            logger.error("Writes are lost from now on. %s", reason)
        self._lost += len(writes)
        writes_ended.send(DatabaseWriter, saved=[], lost=len(writes))
        for write in writes:
            write.future.set_exception(NotSaved(reason))


def _log(error: Exception) -> None:
    if not isinstance(error, Gone):
        # A database's error says all by itself; any other is a bug of ours.
        logger.error("A write could not be saved: %s", error, exc_info=not isinstance(error, DatabaseError))


def as_asyncio(write: "Future[None]") -> "asyncio.Future[None]":
    """The write's future for the running event loop. Nobody has to await it: errors stand in the log."""
    future = asyncio.wrap_future(write)
    future.add_done_callback(lambda future: future.cancelled() or future.exception())
    return future


writer = DatabaseWriter()
atexit.register(writer.stop)
