"""The event loop of async tools: on a thread of its own, so that one that blocks it by mistake silences nobody.

All async tools share one loop, because what a module keeps (an HTTP client, a connection pool) belongs to the loop in
which it was made. Should a tool block that loop, calls that have not begun are moved to a new one.
"""

import asyncio
import contextvars
import logging
import queue
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.db import connections

from .exceptions import ToolError

logger = logging.getLogger(__name__)

STUCK_SECONDS = 2.0
"""A call that has not even begun after so long stands behind one that blocks the loop."""


class ToolLoop:
    """Runs coroutines in the tools' loop; when more than `max_blocked` loops are blocked, no more are made."""

    def __init__(self, *, stuck_seconds: float = STUCK_SECONDS, max_blocked: int = 8):
        self._stuck_seconds = stuck_seconds
        self._max_blocked = max_blocked
        self._lock = threading.Lock()
        self._current: _Loop | None = None
        self._blocked: set[_Loop] = set()

    async def run(self, function: Callable[[], Awaitable[Any]]) -> Any:
        """The result or exception of `await function()`. A cancellation is passed on, and the end waited for."""
        job = _Job(function)
        result = asyncio.wrap_future(job.result)
        home = self._start(job)
        while not result.done():
            try:
                await asyncio.wait({result}, timeout=None if job.home else self._stuck_seconds)
            except asyncio.CancelledError:
                if not job.cancel():
                    raise
            else:
                if job.home is None:
                    self._give_up(home)
                    home = self._start(job)
        return result.result()

    def _start(self, job: "_Job") -> "_Loop":
        with self._lock:
            if self._current is None:
                if len(self._blocked) > self._max_blocked:
                    raise ToolError("Too many earlier tool calls are still hanging; try again in a few minutes.")
                self._current = _Loop(self._is_back)
            home = self._current
        home.call_soon_threadsafe(job.begin, home)
        return home

    def _give_up(self, home: "_Loop") -> None:
        with self._lock:
            if self._current is not home:
                return
            self._current = None
            self._blocked.add(home)
        logger.error(
            "An async tool blocks the event loop of all async tools: let it await, or make it a plain function.\n%s",
            home.stack(),
        )
        home.call_soon_threadsafe(home.retire)

    def _is_back(self, home: "_Loop") -> None:
        with self._lock:
            self._blocked.discard(home)


class _Loop:
    """A loop on a daemon thread: one that is blocked for good does not keep the server from stopping."""

    def __init__(self, is_back: Callable[["_Loop"], None]):
        self._is_back = is_back
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="async tools", daemon=True)
        self._thread.start()
        self.call_soon_threadsafe = self._loop.call_soon_threadsafe

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def stack(self) -> str:
        """What the thread is doing."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        return "".join(traceback.format_stack(frame)[-8:]) if frame else ""

    def retire(self) -> None:
        """It is not blocked any more: end with the last of its tasks."""
        self._is_back(self)
        if tasks := asyncio.all_tasks(self._loop):
            next(iter(tasks)).add_done_callback(lambda task: self.retire())
        else:
            self._loop.stop()


class _Job:
    """One call, on its way to a loop. It begins once, in the loop that comes to it first."""

    def __init__(self, function: Callable[[], Awaitable[Any]]):
        self.result: Future = Future()
        self.home: _Loop | None = None
        self._function = function
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._task: asyncio.Task[Any] | None = None

    def begin(self, home: _Loop) -> None:
        with self._lock:
            if self.home or self.result.cancelled():
                return
            self.home = home
            self._task = asyncio.get_running_loop().create_task(self._run(), context=self._context)
        self._task.add_done_callback(self._ended)

    def cancel(self) -> bool:
        """Whether it had begun: then its task is cancelled, and `result` tells when that has ended."""
        with self._lock:
            if self._task is None:
                self.result.cancel()
                return False
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)
            return True

    async def _run(self) -> Any:
        # The ORM's async methods go to Django's one shared thread, unless they are told of another.
        thread = _DatabaseThread()
        try:
            async with ThreadSensitiveContext(executor=thread):
                return await self._function()
        except (SystemExit, KeyboardInterrupt) as error:
            # In a task it would stop the event loop, and with it every other tool.
            raise RuntimeError(f"it raised {type(error).__name__}") from error
        finally:
            thread.shutdown(wait=False)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        if task.cancelled():
            self.result.cancel()
        elif error := task.exception():
            self.result.set_exception(error)
        else:
            self.result.set_result(task.result())


class _DatabaseThread(Executor):
    """One thread for one call's `sync_to_async`, made when it is needed; a daemon, unlike ThreadPoolExecutor's."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        future: Future = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(*args, **kwargs))
                except BaseException as error:  # SystemExit too: it is the tool's, not the server's
                    future.set_exception(error)

        self._work.put(work)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tool database", daemon=True)
            self._thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._work.put(None)

    def _run(self) -> None:
        try:
            for work in iter(self._work.get, None):
                work()
        finally:
            connections.close_all()
