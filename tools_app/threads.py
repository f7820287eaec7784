"""Threads for plain (not async) tools: bounded, and a hanging one costs only itself.

`ThreadPoolExecutor` would keep the place of a tool that never returns, and would wait for it when the server stops.
Here a call that is given up frees its place for the next, and the threads are daemons.
"""

import asyncio
import contextlib
import contextvars
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from .exceptions import ToolError

NICENESS = 10
"""Of tools' threads: a tenth of the processor time of a thread with the usual 0, when both want it."""


class ToolThreads:
    """At most `limit` calls at work; more wait their turn. At most `max_abandoned` given-up ones may still hang."""

    def __init__(self, limit: int = 64, max_abandoned: int = 64):
        self.limit = limit
        self.max_abandoned = max_abandoned
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], None]] = deque()
        self._running: set[Future] = set()
        self._abandoned: set[Future] = set()

    async def run(self, function: Callable[[], Any]) -> Any:
        """The function's result or exception. When this is cancelled, a call that waits never starts."""
        future: Future = Future()
        context = contextvars.copy_context()

        def work() -> None:
            _stand_back()
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(context.run(function))
            except StopIteration as error:  # which an asyncio future cannot hold
                future.set_exception(RuntimeError(f"StopIteration: {error}"))
            except BaseException as error:  # SystemExit too: it is the tool's, not the server's
                future.set_exception(error)
            finally:
                self._leave(future)

        with self._lock:
            if len(self._abandoned) >= self.max_abandoned:
                raise ToolError("Too many earlier tool calls are still hanging; try again in a few minutes.")
            self._waiting.append(lambda: self._start(future, work))
            self._fill()
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self._give_up(future)
            raise

    def _start(self, future: Future, work: Callable[[], None]) -> None:
        if not future.cancelled():
            self._running.add(future)
            threading.Thread(target=work, name="tool", daemon=True).start()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self.limit:
            self._waiting.popleft()()

    def _leave(self, future: Future) -> None:
        with self._lock:
            self._running.discard(future)
            self._abandoned.discard(future)
            self._fill()

    def _give_up(self, future: Future) -> None:
        future.cancel()
        with self._lock, contextlib.suppress(KeyError):
            self._running.remove(future)
            if not future.done():
                self._abandoned.add(future)
            self._fill()


def _stand_back() -> None:
    """Let this thread have the processor only when no voice wants it; Linux knows a priority of each thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
