"""An event loop whose time a test does not have to wait for."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _Selector(selectors.DefaultSelector):
    """Never waits for a moment: says how long it would have waited."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if not (ready := super().select(0)):
            self.passed += timeout
        return ready


class TimelessLoop(asyncio.SelectorEventLoop):
    """Time stands still while something runs, and goes straight to the next timer when nothing does.

    For code without threads and sockets: the loop does not see that these are at work.
    """

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.passed


def run_timeless(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=TimelessLoop) as runner:
        runner.run(main)
