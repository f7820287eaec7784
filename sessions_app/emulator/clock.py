"""What an emulator waits by, and when it says that something was."""

from __future__ import annotations

import asyncio
import datetime
import time


class Clock:
    """The real one. A test may give an emulator another: `Emulator(clock=…)`."""

    time = staticmethod(time.monotonic)
    sleep = staticmethod(asyncio.sleep)

    def now(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC)
