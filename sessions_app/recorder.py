"""What happened in a session → rows, through the process's writer: no conversation ever waits for the database."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import Max
from django.utils import timezone

from tools_app.writer import DatabaseWriter, Gone, as_asyncio, writer

from .live.events import TurnEnded, Utterance
from .models import LiveSession, TranscriptEntry


class SessionGone(Gone):
    """The session was deleted while it was live: there is nothing to keep any more."""


class SessionRecorder:
    """Keeps what happens in one session (a port of the bridge)."""

    def __init__(self, session_id: UUID, on_gone: Callable[[], None], writer: DatabaseWriter = writer):
        self._session_id = session_id
        self._on_gone = on_gone
        self._writer = writer
        self._entries: dict[int, int] = {}

    def save_turn(self, turn: TurnEnded) -> "asyncio.Future[None]":
        return self._submit(lambda: self._write_turn(turn))

    def save_heard(self, turn_id: int, ms: int) -> None:
        def write() -> None:
            if entry := self._entries.get(turn_id):
                TranscriptEntry.objects.filter(pk=entry, session_id=self._session_id).update(heard_ms=ms)

        self._submit(write)

    def update(self, **fields: Any) -> "asyncio.Future[None]":
        return self._submit(lambda: self._write_session(**fields))

    def _submit(self, write: Callable[[], None]) -> "asyncio.Future[None]":
        future = as_asyncio(self._writer.submit(write))
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
