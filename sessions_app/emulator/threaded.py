"""An emulator on a thread of its own, for programs and tests that have no event loop, or another one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .server import Emulator


@contextmanager
def emulator_in_thread(**options: Any) -> Iterator[Emulator]:
    """Run an emulator on an event loop of its own, in a thread. Options are those of `Emulator`."""
    ready: threading.Event = threading.Event()
    emulator = Emulator(**options)
    failure: list[BaseException] = []
    stop: list[Callable[[], None]] = []

    async def main() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with emulator:
            stop.append(lambda: loop.call_soon_threadsafe(stopped.set))
            ready.set()
            await stopped.wait()

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failure.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="gemini-emulator", daemon=True)
    thread.start()
    ready.wait()
    if failure:
        raise failure[0]
    try:
        yield emulator
    finally:
        stop[0]()
        thread.join()
    if failure:
        raise failure[0]
