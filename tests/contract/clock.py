"""A clock that a test moves: an emulator that goes by it waits for nothing but the test."""

from __future__ import annotations

import asyncio
import datetime
import heapq
import itertools

from sessions_app.emulator import Clock

BEGAN = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


class HeldClock(Clock):
    """Stands still until `let_go`, and then goes straight to the next moment that somebody waits for."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._held = True
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def time(self) -> float:  # type: ignore[override]
        return self.seconds

    def now(self) -> datetime.datetime:
        return BEGAN + datetime.timedelta(seconds=self.seconds)

    async def sleep(self, seconds: float) -> None:  # type: ignore[override]
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        due = loop.create_future()
        heapq.heappush(self._waiting, (self.seconds + seconds, next(self._numbers), due))
        if not self._held:
            loop.call_soon(self._go_on)
        await due

    def hold(self) -> None:
        self._held = True

    def let_go(self) -> None:
        self._held = False
        for _ in self._waiting:
            asyncio.get_running_loop().call_soon(self._go_on)

    def advance(self, seconds: float) -> None:
        """Let so much time pass, for those who do not wait."""
        self.seconds += seconds

    def _go_on(self) -> None:
        """To the moment of the one who is due first."""
        while self._waiting and not self._held:
            moment, _, due = heapq.heappop(self._waiting)
            if not due.done():  # else it was cancelled
                self.seconds = max(self.seconds, moment)
                due.set_result(None)
                return
