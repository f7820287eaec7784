"""Session handles and the histories that they restore."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from .clock import Clock
from .wire import Refusal

if TYPE_CHECKING:
    from .session import Session


class Handles:
    """All that were issued and hold: for two hours."""

    MAX = 10_000
    LIFETIME = 7_200.0  # seconds, https://ai.google.dev/gemini-api/docs/live-session

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._saved: dict[str, tuple[float, Session, list[dict[str, str]]]] = {}

    def issue(self, session: Session) -> str:
        handle = secrets.token_urlsafe(24)
        self._saved[handle] = (self._clock.time(), session, list(session.history))
        while len(self._saved) > self.MAX:
            del self._saved[next(iter(self._saved))]
        return handle

    def restore(self, handle: str) -> list[dict[str, str]]:
        """The history at the time the handle was issued. Raises `Refusal`."""
        issued, session, history = self._saved.get(handle, (-self.LIFETIME, None, []))
        if session is None or self._clock.time() - issued >= self.LIFETIME:
            raise Refusal("BidiGenerateContent session not found", code=1008)
        if session.open:
            raise Refusal("Internal error encountered.", code=1011)
        return list(history)
