"""Runs a model's tool calls: validate, permit, run, time out, cancel, bound, record. A tool can harm only itself."""

import asyncio
import logging
import secrets
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings

from .admission import Caller, Nobody, admit
from .context import ToolContext
from .definition import ToolDefinition
from .exceptions import CallRefused, ToolError
from .recorder import CallRecord
from .registry import registry
from .running import Progress, run
from .signals import call_ended
from .writer import as_asyncio

logger = logging.getLogger(__name__)

# What a cancelled tool may take for its own cleaning up, and what a cancelled call waits for its row.
GRACE_SECONDS = 1.0
RECORD_SECONDS = 2.0
SENTENCE_LENGTH = 1000
AT_ONCE = 16
"""Calls of one conversation that run at the same time; more wait, so that no conversation takes everybody's threads."""


@dataclass(frozen=True)
class ToolOutcome:
    """How a call ended. `result` is JSON when `status` is "ok"; else `error` is a sentence for model and page.

    `duration_ms` is the tool's own time: without that of the person who was asked.
    """

    status: str
    result: Any
    error: str | None
    duration_ms: int

    @property
    def response(self) -> dict[str, Any]:
        """What Gemini gets as `functionResponse.response`, which must be an object."""
        if self.status != "ok":
            return {"error": self.error}
        return self.result if isinstance(self.result, dict) else {"result": self.result}


class ToolExecutor:
    """The tools of one conversation.

    `allowed` names the tools that this session may call, None means all; it is checked at every call, whatever the
    model was told. `session_id` None: calls outside a conversation, recorded without a session.
    `knows_sensitive`: a sensitive tool has run in the session before, so the model may know what is not for strangers.
    """

    def __init__(
        self,
        *,
        session_id: UUID | None,
        user_id: int | None,
        allowed: list[str] | None,
        knows_sensitive: bool = False,
    ):
        self.session_id = session_id
        self.user_id = user_id
        self.allowed = None if allowed is None else frozenset(allowed)
        self._knows_sensitive = knows_sensitive
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._writes: set[Future] = set()
        self._undelivered: dict[str, CallRecord] = {}

    def declarations(self) -> list[dict[str, Any]]:
        """`{"name", "description", "parameters"}` of every tool that this session and its user may call.

        It reads a database, and some descriptions do (the SQL tool's tables): call it in a thread from a coroutine.
        """
        tools = [tool for tool in registry.all(wait=True) if self._allows(tool.name)]
        context = self._context("")
        return [tool.declaration() for tool in tools if not tool.permission or context.user.has_perm(tool.permission)]

    def needs_approval(self, name: str) -> bool:
        """Whether a person will be asked before this tool runs."""
        tool = registry.get(name)
        return tool is not None and self._allows(name) and self._wants_approval(tool)

    async def call(self, call_id: str, name: str, args: Any, caller: Caller | None = None) -> ToolOutcome:
        """Run one call to its end. Never raises; a cancellation is passed on when the row has its final status.

        `caller` is asked for approval and hears of progress; without one nobody agrees to what needs an approval.
        """
        record = CallRecord(self.session_id, call_id, name, args)
        self._undelivered[call_id] = record
        self._remember(record.start())
        try:
            status, result, error = "ok", await self._run(record, caller or Nobody()), None
        except CallRefused as refused:
            status, result, error = refused.status, None, _sentence(refused)
        except asyncio.CancelledError:
            write = self._finish(record, "cancelled", None, "The call was cancelled.")[1]
            await asyncio.wait({as_asyncio(write)}, timeout=RECORD_SECONDS)
            raise
        return self._finish(record, status, result, error)[0]

    def delivered(self, call_id: str, delivered: bool) -> None:
        """Keep whether the model got the answer of this call. Never waits; said once, later words are ignored."""
        if record := self._undelivered.pop(call_id, None):
            self._remember(record.delivered(delivered))

    async def close(self, timeout: float = RECORD_SECONDS) -> None:
        """Wait, at most `timeout` seconds, until the rows of all calls are written."""
        if writes := {as_asyncio(write) for write in list(self._writes)}:
            await asyncio.wait(writes, timeout=timeout)

    def _allows(self, name: str) -> bool:
        return self.allowed is None or name in self.allowed

    def _wants_approval(self, tool: ToolDefinition) -> bool:
        return tool.approval or (tool.outside and self._knows_sensitive)

    def _context(self, call_id: str, **more: Any) -> ToolContext:
        return ToolContext(session_id=self.session_id, user_id=self.user_id, call_id=call_id, **more)

    async def _run(self, record: CallRecord, caller: Caller) -> Any:
        tool = self._find(record.name)
        approval = self._wants_approval(tool)  # now: what is known only later cannot be in these arguments
        context = self._context(record.call_id, progress=Progress(caller.progress))
        try:
            call = tool.bind(record.args, context)
            await admit(tool, context, caller, approval=approval)
            async with self._at_once:
                self._knows_sensitive |= tool.sensitive
                record.started = time.monotonic()
                value, truncated = await _bounded(tool, call, record, caller)
        except ToolError as error:
            raise CallRefused("error", str(error)) from None
        except CallRefused:
            raise
        except Exception as error:
            raise CallRefused("error", _surprise(tool, error)) from error
        if not truncated:
            return value
        return {**value, "truncated": True} if isinstance(value, dict) else {"result": value, "truncated": True}

    def _find(self, name: Any) -> ToolDefinition:
        tool = registry.get(name) if isinstance(name, str) else None
        if tool is None:
            known = ", ".join(tool.name for tool in registry.all() if self._allows(tool.name)) or "none"
            raise CallRefused("error", f"There is no tool called {str(name)[:80]!r}; the tools are: {known}.")
        if not self._allows(tool.name):
            raise CallRefused("denied", f"The tool {name} is not allowed in this conversation.")
        return tool

    def _finish(self, record: CallRecord, status: str, result: Any, error: str | None) -> tuple[ToolOutcome, Future]:
        seconds = time.monotonic() - record.started
        call_ended.send(ToolExecutor, name=record.name, status=status, seconds=seconds)
        outcome = ToolOutcome(status, result, error, round(seconds * 1000))
        write = record.finish(status=status, result=result, error=error, duration_ms=outcome.duration_ms)
        return outcome, self._remember(write)

    def _remember(self, write: Future) -> Future:
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)
        return write


async def _bounded(tool: ToolDefinition, call: Any, record: CallRecord, caller: Caller) -> tuple[Any, bool]:
    """The tool's result, in a task of its own, so that one that ignores its cancellation is left behind."""
    seconds = tool.timeout or settings.TOOLS_TIMEOUT
    running = run(tool, call, part=caller.part, ended=record.tool_ended)
    task = asyncio.create_task(running, name=f"tool {tool.name}")
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        record.cancelled()
        await _stop(task, tool)
        raise
    if not done:
        await _stop(task, tool)
        raise CallRefused("timeout", f"{tool.name} did not finish within {seconds:g} seconds; try again later.")
    if task.cancelled():
        raise RuntimeError(f"{tool.name} cancelled itself")
    return task.result()


async def _stop(task: asyncio.Task, tool: ToolDefinition) -> None:
    task.cancel()
    # Nobody waits for what it may still raise.
    task.add_done_callback(lambda task: task.cancelled() or task.exception())
    await asyncio.wait({task}, timeout=GRACE_SECONDS)
    if not task.done():
        logger.warning("Tool %s (%s) ignores its cancellation and was left behind", tool.name, tool.where)


def _surprise(tool: ToolDefinition, error: Exception) -> str:
    """The trace goes to the log, a number to find it by to the model and the page."""
    incident = secrets.token_hex(4)
    logger.error("Tool %s (%s) failed; incident %s", tool.name, tool.where, incident, exc_info=error)
    return f"{tool.name} failed unexpectedly. Tell the user that it did not work; the incident number is {incident}."


def _sentence(error: Exception) -> str:
    return str(error)[:SENTENCE_LENGTH] or "The tool failed without saying why."
