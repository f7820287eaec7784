"""What happened → rows, in batches, on a thread of its own: no conversation ever waits for the database."""

import asyncio
import atexit
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DatabaseError, OperationalError, close_old_connections, connection, transaction
from django.db.models import Max
from django.utils import timezone
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from .live.events import TurnEnded, Utterance
from .models import LiveSession, TranscriptEntry

logger = logging.getLogger(__name__)

MAX_WAITING = 10_000
"""Writes that may wait for the database, in one process."""
LONGEST_BATCH = 200
PATIENCE = 60.0
"""Seconds for which a write is tried again while the database is away."""


@dataclass
class _Write:
    apply: Callable[[], None]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[None]"

    def done(self, error: Exception | None = None) -> None:
        def settle() -> None:
            if not self.future.done():
                if error:
                    self.future.set_exception(error)
                else:
                    self.future.set_result(None)

        try:
            self.loop.call_soon_threadsafe(settle)
        except RuntimeError:
            logger.debug("The event loop ended before its write")


class RecorderThread:
    """One writer for a process. Writes are applied in order; those that wait are committed together."""

    def __init__(self) -> None:
        self._queue: queue.Queue[_Write | None] = queue.Queue(MAX_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, apply: Callable[[], None]) -> "asyncio.Future[None]":
        """The future is done after the commit; it fails with queue.Full, or with the database's error."""
        loop = asyncio.get_running_loop()
        write = _Write(apply, loop, loop.create_future())
        # Nobody has to wait for it: an error that is not awaited stands in the log.
        write.future.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._start()
        try:
            self._queue.put_nowait(write)
        except queue.Full as error:
            write.future.set_exception(error)
        return write.future

    def stop(self, timeout: float = 10.0) -> None:
        """Write what waits, then end the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread:
            self._queue.put(None)
            thread.join(timeout)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        running = True
        while running:
            batch = [self._queue.get()]
            while len(batch) < LONGEST_BATCH:
                try:
                    batch.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            if None in batch:
                running = False
            self._commit([write for write in batch if write is not None])
        connection.close()

    def _commit(self, batch: list[_Write]) -> None:
        try:
            self._apply(batch)
        except OperationalError as error:
            logger.exception("The database was away for too long: %d writes are lost", len(batch))
            for write in batch:
                write.done(error)
        except Exception:
            # One of them is the culprit: alone, each gets the error that is its own.
            for write in batch:
                try:
                    self._apply([write])
                except Exception as error:
                    if not isinstance(error, SessionGone):
                        logger.exception("A write was lost")
                    write.done(error)
                else:
                    write.done()
        else:
            for write in batch:
                write.done()
        finally:
            close_old_connections()

    def _apply(self, batch: list[_Write]) -> None:
        for attempt in Retrying(
            retry=retry_if_exception_type(OperationalError),
            wait=wait_random_exponential(0.1, max=5),
            stop=stop_after_delay(PATIENCE),
            reraise=True,
        ):
            with attempt:
                try:
                    with transaction.atomic():
                        for write in batch:
                            write.apply()
                except OperationalError:
                    connection.close()  # it may be the connection that is broken
                    raise


class SessionGone(DatabaseError):
    """The session was deleted while it was live: there is nothing to keep any more."""


recorder_thread = RecorderThread()
atexit.register(recorder_thread.stop)


class SessionRecorder:
    """Keeps what happens in one session (a port of the bridge)."""

    def __init__(self, session_id: UUID, on_gone: Callable[[], None], thread: RecorderThread = recorder_thread):
        self._session_id = session_id
        self._on_gone = on_gone
        self._thread = thread
        self._entries: dict[int, int] = {}

    def save_turn(self, turn: TurnEnded) -> "asyncio.Future[None]":
        return self._submit(lambda: self._write_turn(turn))

    def save_heard(self, turn_id: int, ms: int) -> None:
        def write() -> None:
            if entry := self._entries.get(turn_id):
                TranscriptEntry.objects.filter(pk=entry).update(heard_ms=ms)

        self._submit(write)

    def update(self, **fields: Any) -> "asyncio.Future[None]":
        return self._submit(lambda: self._write_session(**fields))

    def _submit(self, write: Callable[[], None]) -> "asyncio.Future[None]":
        future = self._thread.submit(write)
        future.add_done_callback(self._notice_gone)
        return future

    def _notice_gone(self, future: "asyncio.Future[None]") -> None:
        if not future.cancelled() and isinstance(future.exception(), SessionGone):
            self._on_gone()

    def _write_session(self, **fields: Any) -> None:
        if not LiveSession.objects.filter(pk=self._session_id).update(last_activity_at=timezone.now(), **fields):
            raise SessionGone(f"session {self._session_id} was deleted")

    def _write_turn(self, turn: TurnEnded) -> None:
        self._write_session()  # first: it locks the row, so that no two writers take one sequence
        entries = TranscriptEntry.objects.filter(session_id=self._session_id)
        sequence = (entries.aggregate(last=Max("sequence"))["last"] or 0) + 1
        if turn.user:
            self._entry(turn.user, TranscriptEntry.Role.USER, sequence)
            sequence += 1
        if turn.model:
            entry = self._entry(
                turn.model,
                TranscriptEntry.Role.MODEL,
                sequence,
                interrupted=turn.interrupted,
                time_to_first_audio_ms=turn.time_to_first_audio_ms,
            )
            self._entries[turn.turn_id] = entry.pk

    def _entry(self, said: Utterance, role: str, sequence: int, **fields: Any) -> TranscriptEntry:
        return TranscriptEntry.objects.create(
            session_id=self._session_id,
            sequence=sequence,
            role=role,
            text=said.text,
            started_at=said.started_at,
            ended_at=said.ended_at,
            **fields,
        )
