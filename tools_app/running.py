"""Where a tool's code runs: plain functions in threads, async ones in the tools' own loop, none among the voices."""

import asyncio
import contextlib
import inspect
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
from django.db import close_old_connections

from .definition import ToolDefinition
from .loop import ToolLoop
from .results import MAX_BYTES, to_json
from .threads import ToolThreads

THREADS = ToolThreads()
LOOP = ToolLoop()
MAX_PARTS = 100
PROGRESS_SECONDS = 0.5
PROGRESS_LENGTH = 200

Json = tuple[Any, bool]
"""A result in JSON's own types, and whether something of it was cut off."""


async def run(tool: ToolDefinition, call: Callable[[], Any], *, part: Callable[[Any], None], ended: Any) -> Json:
    """Make the call. `part` is told the pieces of a stream, in this loop; `ended` is called in whichever thread the
    tool's code has come to its end, except when it obeyed its cancellation.

    The result is made JSON where the tool runs: a value may be lazy, and take its time.
    """
    if tool.streams:
        tell = _from_other_threads(part)
        return await _in_loop(lambda: _collect(call(), tell), ended)
    if tool.is_async:
        return await _in_loop(lambda: _awaited(call()), ended)
    value = await THREADS.run(lambda: _in_thread(call, ended))
    # A plain function may return a coroutine, as a lambda around an async function does.
    return await _in_loop(lambda: _awaited(value), ended) if inspect.isawaitable(value) else value


async def in_database(question: Callable[[], Any]) -> Any:
    """The answer to a question of ours that needs the ORM or the cache."""
    return await THREADS.run(lambda: _with_database(question))


class Progress:
    """`ToolContext.progress`: to the conversation's loop from any thread, and never a flood."""

    def __init__(self, tell: Callable[[str], None]):
        self._tell = _from_other_threads(tell)
        self._last = 0.0

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if now - self._last >= PROGRESS_SECONDS:
            self._last = now
            self._tell(str(text)[:PROGRESS_LENGTH])


async def _in_loop(call: Callable[[], Any], ended: Callable[[], None]) -> Any:
    try:
        result = await LOOP.run(call)
    except asyncio.CancelledError:
        raise
    except BaseException:
        ended()
        raise
    ended()
    return result


async def _awaited(value: Any) -> Json:
    return to_json(await value)


async def _collect(stream: AsyncIterator[Any], part: Callable[[Any], None]) -> Json:
    """All that an async generator yields, as a list, told piece by piece."""
    parts: list[Any] = []
    left = MAX_BYTES
    async with contextlib.aclosing(stream):  # type: ignore[type-var]  an async generator has aclose()
        async for value in stream:
            if left <= 0 or len(parts) == MAX_PARTS:
                return parts, True
            piece, truncated = to_json(value, left)
            parts.append(piece)
            part(piece)
            if truncated:
                return parts, True
            left -= len(msgspec.json.encode(piece))
            await asyncio.sleep(0)  # one that never waits by itself keeps the loop from nobody
    return parts, False


def _in_thread(call: Callable[[], Any], ended: Callable[[], None]) -> Any:
    try:
        return _with_database(lambda: _jsonable(call()))
    except (SystemExit, KeyboardInterrupt) as error:
        # In the task that waits for it, it would stop the event loop, and with it every conversation.
        raise RuntimeError(f"it raised {type(error).__name__}") from error
    finally:
        ended()


def _jsonable(value: Any) -> Any:
    return value if inspect.isawaitable(value) else to_json(value)


def _with_database(call: Callable[[], Any]) -> Any:
    """Django's own habit around a request: a thread takes no broken connection, and leaves none open."""
    close_old_connections()
    try:
        return call()
    finally:
        close_old_connections()


def _from_other_threads(tell: Callable[[Any], None]) -> Callable[[Any], None]:
    loop = asyncio.get_running_loop()

    def hand_over(value: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the conversation's loop is closed
            loop.call_soon_threadsafe(tell, value)

    return hand_over
