"""Looks at a conversation every few seconds: is Gemini still there, is the user, is it time to end?"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from .limits import Limits, Over, Unmetered
from .ports import Meter


class Watched(Protocol):
    """What is asked of the conversation, and told to it."""

    @property
    def awaited(self) -> bool:
        """Gemini owes something, and is connected."""
        ...

    def connect_anew(self) -> None: ...
    def give_up_waiting(self) -> None: ...
    def tell_dropped_audio(self) -> None: ...


class Watch:
    """`user_active`, `gemini_spoke` (a message came) and `gemini_answered` (it was of use) are told to it."""

    def __init__(self, limits: Limits, watched: Watched, meter: Meter | None = None):
        self._limits = limits
        self._meter = meter or Unmetered()
        self._watched = watched
        self._active_at = 0.0
        self._heard_at = 0.0
        self._tried_anew = False

    def user_active(self) -> None:
        self._active_at = asyncio.get_running_loop().time()

    def gemini_spoke(self, now: float) -> None:
        self._heard_at = now

    def gemini_answered(self) -> None:
        self._tried_anew = False

    async def run(self, end: Callable[[Over], None]) -> None:
        """Until a limit is reached: then `end` is called."""
        clock = asyncio.get_running_loop().time
        began = self._active_at = clock()
        limits = self._limits
        while True:
            await asyncio.sleep(limits.look_every)
            now = clock()
            if over := limits.over(idle=now - self._active_at, lasted=now - began) or self._meter.over():
                end(over)
                return
            if not self._watched.awaited:
                self._heard_at = now  # its time to answer begins with the question, not with its last word before
            elif now - self._heard_at > limits.silence:
                self._heard_at = now
                self._silent()
            self._watched.tell_dropped_audio()

    def _silent(self) -> None:
        # Another connection may help, once; a question that is not answered by two will not be by a third.
        if self._tried_anew:
            self._watched.give_up_waiting()
        else:
            self._tried_anew = True
            self._watched.connect_anew()
