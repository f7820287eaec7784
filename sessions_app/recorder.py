"""What happened in a session → rows, through the process's writer: no conversation ever waits for the database."""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import F, Max, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from tools_app.privacy import redact
from tools_app.writer import DatabaseWriter, Gone, as_asyncio, writer

from . import metrics
from .live.events import TurnEnded, Utterance
from .models import LiveSession, TranscriptEntry

# A tab of this very process may have raised the generation a moment ago, and says so in the next one.
SAID_SO = 0.05


class SessionLost(Gone):
    """The session was deleted while it was live ("end"), or is carried by another socket now ("takeover")."""

    def __init__(self, word: str):
        super().__init__(word)
        self.word = word


class SessionRecorder:
    """Keeps what happens in one session (a port of the bridge), as long as `generation` is the session's newest.

    `on_lost` is told once it is not ("takeover"), or when the session is gone ("end").
    """

    def __init__(
        self,
        session_id: UUID,
        generation: int,
        on_lost: Callable[[str], None],
        writer: DatabaseWriter = writer,
    ):
        self._session_id = session_id
        self.generation = generation
        self._on_lost = on_lost
        self._writer = writer
        self._entries: dict[int, int] = {}
        self._heard: dict[int, int] = {}
        self._latest: asyncio.Future[None] | None = None
        self.status: str = LiveSession.Status.CREATED
        """As it was told last; the row has it soon."""
        self._asked_at: float | None = None

    def save_turn(self, turn: TurnEnded) -> "asyncio.Future[None]":
        metrics.TURNS.labels("yes" if turn.interrupted else "no").inc()
        if turn.time_to_first_audio_ms is not None:
            metrics.FIRST_AUDIO.observe(turn.time_to_first_audio_ms / 1000)
        return self._submit(lambda: self._write_turn(turn))

    def save_heard(self, turn_id: int, ms: int) -> "asyncio.Future[None]":
        return self._submit(lambda: self._write_heard(turn_id, ms))

    def save_handle(self, handle: str) -> "asyncio.Future[None]":
        """The handle stands for the turns whose writes were submitted before."""
        known = TranscriptEntry.objects.filter(session=OuterRef("pk")).order_by("-sequence").values("sequence")[:1]
        sequence = Coalesce(Subquery(known), 0)
        return self._submit(lambda: self._write_session(resumption_handle=handle, handle_sequence=sequence))

    def reconnecting(self) -> "asyncio.Future[None]":
        metrics.RECONNECTS.inc()
        return self.update(status=LiveSession.Status.RECONNECTING, reconnects=F("reconnects") + 1)

    def update(self, **fields: Any) -> "asyncio.Future[None]":
        if status := fields.get("status"):
            self._status_changes(status)
        return self._submit(lambda: self._write_session(**fields))

    async def flush(self, timeout: float = 5.0) -> None:
        """Wait until all that was submitted is committed, or given up."""
        if self._latest:
            await asyncio.wait({self._latest}, timeout=timeout)

    def _status_changes(self, status: str) -> None:
        self.status = status
        if status == LiveSession.Status.CONNECTING:
            self._asked_at = time.monotonic()
        elif status == LiveSession.Status.LIVE and self._asked_at is not None:
            metrics.OPENING.observe(time.monotonic() - self._asked_at)
            self._asked_at = None

    def _submit(self, write: Callable[[], None]) -> "asyncio.Future[None]":
        future = self._latest = as_asyncio(self._writer.submit(write))
        future.add_done_callback(self._notice_loss)
        return future

    def _notice_loss(self, future: "asyncio.Future[None]") -> None:
        if not future.cancelled() and isinstance(error := future.exception(), SessionLost):
            self._on_lost(error.word)

    def _write_session(self, **fields: Any) -> None:
        sessions = LiveSession.objects.filter(pk=self._session_id)
        for pause in (0, SAID_SO):
            time.sleep(pause)
            if sessions.filter(generation=self.generation).update(last_activity_at=timezone.now(), **fields):
                return
            if not sessions.exists():
                raise SessionLost("end")
        raise SessionLost("takeover")

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
                heard_ms=self._heard.get(turn.turn_id),
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
            text=redact(said.text, role),
            started_at=said.started_at,
            ended_at=said.ended_at,
            **fields,
        )
