"""What others have told us, kept for a while in Django's cache. A cache that is away costs speed and nothing else."""

import asyncio
import functools
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from django.core.cache import DEFAULT_CACHE_ALIAS, BaseCache, caches

from .threads import ToolThreads

logger = logging.getLogger(__name__)

# Seconds that a cache may take before we do without it.
PATIENCE = 1.0
# Of their own: a Redis that swallows packets must not hold the threads of tools.
THREADS = ToolThreads(limit=8, max_abandoned=16)
_making: dict[tuple[asyncio.AbstractEventLoop, str], asyncio.Task] = {}


async def remembered(what: list[Any], seconds: float, make: Callable[[], Awaitable[Any]]) -> Any:
    """`make()`, or what it gave not longer than `seconds` ago for the same `what`, which JSON must hold.

    Many who ask at once in one process wait for one `make()`. Its exceptions go to all of them and are not kept.
    """
    key = f"tools:{hashlib.sha256(json.dumps(what).encode()).hexdigest()}"
    place = (asyncio.get_running_loop(), key)
    task = _making.get(place)
    if task is None:
        task = _making[place] = asyncio.create_task(_look_up_or_make(key, seconds, make))
        task.add_done_callback(lambda done: (_making.pop(place), done.cancelled() or done.exception()))
    # One who is cancelled does not take it from the others.
    return await asyncio.shield(task)


async def _look_up_or_make(key: str, seconds: float, make: Callable[[], Awaitable[Any]]) -> Any:
    if (found := await _ask(lambda cache: cache.get(key))) is not None:
        return found
    value = await make()
    await _ask(lambda cache: cache.set(key, value, seconds))
    return value


@functools.cache
def shared_cache() -> BaseCache:
    """Django's cache for all threads: both backends can be shared. `caches` would make one, with connections of its
    own, for each thread. May block: call it from a thread."""
    return caches.create_connection(DEFAULT_CACHE_ALIAS)


async def ask_cache(function: Callable[[BaseCache], Any]) -> Any:
    """What the cache answers within PATIENCE seconds. Raises whatever it raises, and TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        return await THREADS.run(lambda: function(shared_cache()))


async def _ask(function: Callable[[BaseCache], Any]) -> Any:
    try:
        return await ask_cache(function)
    except Exception as error:
        logger.warning("The cache does not answer (%s); going on without it", type(error).__name__)
        return None
