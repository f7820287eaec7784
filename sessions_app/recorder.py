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
from django.db.models import F, Max, OuterRef, Subquery
from django.db.models.functions import Coalesce
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
                    if not isinstance(error, SessionLost):
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


class SessionLost(DatabaseError):
    """The session was deleted while it was live ("end"), or is carried by another socket now ("takeover")."""

    def __init__(self, word: str):
        super().__init__(word)
        self.word = word


recorder_thread = RecorderThread()
atexit.register(recorder_thread.stop)


class SessionRecorder:
    """Keeps what happens in one session (a port of the bridge), as long as `generation` is the session's newest.

    `on_lost` is told once it is not ("takeover"), or when the session is gone ("end").
    """

    def __init__(
        self,
        session_id: UUID,
        generation: int,
        on_lost: Callable[[str], None],
        thread: RecorderThread = recorder_thread,
    ):
        self._session_id = session_id
        self.generation = generation
        self._on_lost = on_lost
        self._thread = thread
        self._entries: dict[int, int] = {}
        self._heard: dict[int, int] = {}
        self._latest: asyncio.Future[None] | None = None

    def save_turn(self, turn: TurnEnded) -> "asyncio.Future[None]":
        return self._submit(lambda: self._write_turn(turn))

    def save_heard(self, turn_id: int, ms: int) -> "asyncio.Future[None]":
        return self._submit(lambda: self._write_heard(turn_id, ms))

    def save_handle(self, handle: str) -> "asyncio.Future[None]":
        """The handle stands for the turns whose writes were submitted before."""
        known = TranscriptEntry.objects.filter(session=OuterRef("pk")).order_by("-sequence").values("sequence")[:1]
        sequence = Coalesce(Subquery(known), 0)
        return self._submit(lambda: self._write_session(resumption_handle=handle, handle_sequence=sequence))

    def reconnecting(self) -> "asyncio.Future[None]":
        fields = {"status": LiveSession.Status.RECONNECTING, "reconnects": F("reconnects") + 1}
        return self._submit(lambda: self._write_session(**fields))

    def update(self, **fields: Any) -> "asyncio.Future[None]":
        return self._submit(lambda: self._write_session(**fields))

    async def flush(self, timeout: float = 5.0) -> None:
        """Wait until all that was submitted is committed, or given up."""
        if self._latest:
            await asyncio.wait({self._latest}, timeout=timeout)

    def _submit(self, write: Callable[[], None]) -> "asyncio.Future[None]":
        future = self._latest = self._thread.submit(write)
        future.add_done_callback(self._notice_loss)
        return future

    def _notice_loss(self, future: "asyncio.Future[None]") -> None:
        if not future.cancelled() and isinstance(error := future.exception(), SessionLost):
            self._on_lost(error.word)

    def _write_session(self, **fields: Any) -> None:
        sessions = LiveSession.objects.filter(pk=self._session_id)
        if not sessions.filter(generation=self.generation).update(last_activity_at=timezone.now(), **fields):
            raise SessionLost("takeover" if sessions.exists() else "end")

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
                audio_ms=turn.audio_ms,
                heard_ms=self._heard.pop(turn.turn_id, None),
            )
            self._entries[turn.turn_id] = entry.pk

    def _write_heard(self, turn_id: int, ms: int) -> None:
        if entry := self._entries.get(turn_id):
            TranscriptEntry.objects.filter(pk=entry).update(heard_ms=ms)
        else:  # heard to its end before Gemini said that it is over
            self._heard[turn_id] = ms

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
