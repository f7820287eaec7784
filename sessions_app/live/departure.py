"""How a connection is left after goAway."""

import asyncio
from collections.abc import Callable

BEFORE_THE_END = 3.0
"""Seconds before Gemini's own deadline at which we leave, whatever goes on."""
HANDLE_PATIENCE = 1.5
"""Seconds that the handle of a turn may come after it."""


class Departure:
    """Between two turns if there is time, and with the handle of the last one if it comes.

    All by timers: after goAway Gemini may fall silent, and a receive loop would wait for ever.
    `between_turns` and `has_handle` are asked, `leave` is called once or more.
    """

    def __init__(self, *, between_turns: Callable[[], bool], has_handle: Callable[[], bool], leave: Callable[[], None]):
        self._between_turns = between_turns
        self._has_handle = has_handle
        self._leave = leave
        self._deadline: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None

    @property
    def announced(self) -> bool:
        return self._deadline is not None

    def go_away(self, seconds: float) -> None:
        """Gemini closes the connection in so many seconds."""
        self.stop()
        self._deadline = asyncio.get_running_loop().call_later(max(0.5, seconds - BEFORE_THE_END), self._leave)

    def something_happened(self) -> None:
        """Perhaps this is the moment."""
        if not self._between_turns():
            return
        if self._has_handle():
            self._leave()
        elif self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(HANDLE_PATIENCE, self._without_handle)

    def stop(self) -> None:
        """The connection has ended."""
        for timer in (self._deadline, self._patience):
            if timer:
                timer.cancel()
        self._deadline = self._patience = None

    def _without_handle(self) -> None:
        self._patience = None
        if self._between_turns():
            self._leave()
