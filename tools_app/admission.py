"""May this call run? Permission, rate and approval; each "no" is a sentence that the model can speak."""

import asyncio
import logging
import time
from typing import Any, Protocol

from django.conf import settings
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache

from .context import ToolContext
from .definition import ToolDefinition
from .exceptions import CallRefused
from .running import in_database

logger = logging.getLogger(__name__)

# Counts while the shared cache is away: for this process alone.
_own_counts = LocMemCache("tool-rates", {})


class Caller(Protocol):
    """Who made a call, and hears of it while it runs. Its methods are called in the conversation's event loop."""

    async def approve(self) -> bool:
        """Whether a person agrees to this call with these arguments; waits until somebody has decided."""
        ...

    def progress(self, text: str) -> None: ...
    def part(self, value: Any) -> None:
        """A piece of the result, in JSON's own types, before its end."""
        ...


class Nobody:
    """A call that nobody watches: who must agree, is not there. `agrees`: the caller himself is that person."""

    def __init__(self, *, agrees: bool = False):
        self.agrees = agrees

    async def approve(self) -> bool:
        return self.agrees

    def progress(self, text: str) -> None: ...
    def part(self, value: Any) -> None: ...


async def admit(tool: ToolDefinition, context: ToolContext, caller: Caller) -> None:
    """Return when the call may run.

    Raises:
        CallRefused: denied.
    """
    if tool.permission and not await in_database(lambda: context.user.has_perm(tool.permission)):
        raise CallRefused("denied", f"This user has no permission to use {tool.name}; an administrator can give it.")
    if tool.allowance:
        calls, seconds = tool.allowance
        wait = await in_database(lambda: _seconds_to_wait(tool.name, context, calls, seconds))
        if wait:
            raise CallRefused(
                "denied", f"{tool.name} was called {calls} times already; it can be called again in {wait} seconds."
            )
    if tool.approval:
        await _ask(tool, caller)


async def _ask(tool: ToolDefinition, caller: Caller) -> None:
    seconds = settings.TOOLS_APPROVAL_TIMEOUT
    try:
        async with asyncio.timeout(seconds):
            agreed = await caller.approve()
    except TimeoutError:
        sentence = f"Nobody agreed to {tool.name} within {seconds:g} seconds, so it was not done."
        raise CallRefused("denied", sentence) from None
    if not agreed:
        raise CallRefused("denied", f"The user did not agree to {tool.name}, so it was not done.")


def _seconds_to_wait(name: str, context: ToolContext, calls: int, seconds: int) -> int:
    """0 if this call is within the rate. Counted by the clock's own periods, in the cache that all processes share."""
    who = f"user-{context.user_id}" if context.user_id is not None else f"session-{context.session_id}"
    period, passed = divmod(time.time(), seconds)
    key = f"tool-rate:{name}:{who}:{int(period)}"
    try:
        count = _count(cache, key, seconds)
    except Exception as error:  # whatever a backend raises: no call fails with the cache
        logger.warning("The cache is away, so %s is counted by process: %s", name, error)
        count = _count(_own_counts, key, seconds)
    return max(1, round(seconds - passed)) if count > calls else 0


def _count(where: Any, key: str, seconds: int) -> int:
    where.add(key, 0, seconds)
    try:
        return where.incr(key)
    except ValueError:  # it has just expired
        return 1
