"""May this call run? Permission, rate and approval; each "no" is a sentence that the model can speak."""

import asyncio
import logging
import time
from typing import Any, Protocol

from django.conf import settings
from django.core.cache.backends.locmem import LocMemCache

from .caching import ask_cache
from .context import ToolContext
from .definition import ToolDefinition
from .exceptions import CallRefused
from .running import in_database

logger = logging.getLogger(__name__)

PERMISSION_SECONDS = 10.0
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


async def admit(tool: ToolDefinition, context: ToolContext, caller: Caller, *, approval: bool) -> None:
    """Return when the call may run. `approval`: a person has to agree to it.

    Raises:
        CallRefused: denied, or it could not be found out in time.
    """
    if tool.permission and not await _has_permission(tool, context):
        raise CallRefused("denied", f"This user has no permission to use {tool.name}; an administrator can give it.")
    if tool.allowance and (wait := await _seconds_to_wait(tool.name, context, *tool.allowance)):
        raise CallRefused(
            "denied",
            f"{tool.name} was called {tool.allowance[0]} times already; it can be called again in {wait} seconds.",
        )
    if approval:
        await _ask(tool, caller)


async def _has_permission(tool: ToolDefinition, context: ToolContext) -> bool:
    try:
        async with asyncio.timeout(PERMISSION_SECONDS):
            return await in_database(lambda: context.user.has_perm(tool.permission))
    except TimeoutError:
        raise CallRefused(
            "timeout", f"Whether this user may use {tool.name} could not be found out in time; try again later."
        ) from None


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


async def _seconds_to_wait(name: str, context: ToolContext, calls: int, seconds: int) -> int:
    """0 if this call is within the rate. Counted by the clock's own periods, in the cache that all processes share."""
    who = f"user-{context.user_id}" if context.user_id is not None else f"session-{context.session_id}"
    period, passed = divmod(time.time(), seconds)
    key = f"tool-rate:{name}:{who}:{int(period)}"
    try:
        count = await ask_cache(lambda cache: _count(cache, key, seconds))
    except Exception as error:  # whatever a backend raises: no call fails with the cache
        logger.warning("The cache is away, so %s is counted by process: %s", name, type(error).__name__)
        count = _count(_own_counts, key, seconds)
    return max(1, round(seconds - passed)) if count > calls else 0


def _count(where: Any, key: str, seconds: int) -> int:
    where.add(key, 0, seconds)
    try:
        return where.incr(key)
    except ValueError:  # it has just expired
        return 1
