"""The tool calls of one conversation: each runs once and has one end, whatever happens to the connections meanwhile."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from ..browser import events as page
from .approvals import Approvals, args_hash
from .buffers import Uplink
from .events import ToolCallRequested
from .ports import Gemini, ToolOutcome, Tools

logger = logging.getLogger(__name__)

LONG = 3.0
"""Seconds after which a blocking call gives way to what the user says next."""
GIVEN_WAY = "The user said something new meanwhile, so this call was cancelled. Answer what was said last."
UNSENDABLE = "The tool has finished, but its result could not be passed on. Say so."
_key = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True, kw_only=True)
class CallRules:
    """How the model takes calls. `gives_way`: it does not itself withdraw a blocking call when the user goes on."""

    is_blocking: Callable[[str], bool] = lambda name: True
    scheduling: Callable[[str], str | None] = lambda name: None
    gives_way: bool = False


@dataclass(eq=False)
class _Call:
    """`connection`: the number of the one that may be answered; `ids`: Gemini's for it, more than one if it asked
    again after a loss, the first of them the page's. `parts`: how many pieces of the result came before its end;
    `parts_told`: how many of them this connection knows."""

    name: str
    args: dict[str, Any]
    connection: int
    ids: list[str]
    started: float
    task: "asyncio.Task[None] | None" = None
    outcome: ToolOutcome | None = None
    gave_way: bool = False
    answered: bool = False
    approval: "asyncio.Future[bool] | None" = None
    parts: int = 0
    parts_told: int = 0

    @property
    def key(self) -> tuple[str, bytes]:
        return self.name, _key(self.args)


class Calls:
    """Starts, cancels and answers. Answers go out by `uplink`, what the page shows by `show`."""

    def __init__(self, tools: Tools, uplink: Uplink, show: Callable[[page.Event], None], rules: CallRules):
        self._tools = tools
        self._uplink = uplink
        self._show = show
        self._rules = rules
        self._by_id: dict[str, _Call] = {}
        self._of_question: list[_Call] = []
        self._asked_before: dict[tuple[str, bytes], _Call] = {}
        self._connection = 0
        self.approvals = Approvals()

    @property
    def pending(self) -> bool:
        """Gemini waits for an answer."""
        return bool(self._by_id)

    def start(self, request: ToolCallRequested, tasks: asyncio.TaskGroup) -> None:
        call = _Call(request.name, request.args, self._connection, [request.call_id], _now())
        if before := self._asked_before.pop(call.key, None):
            # The question was said again on a new connection: the tool has run, or still runs, for it.
            before.ids.append(request.call_id)
            before.connection = self._connection
            before.answered = False
            self._by_id[request.call_id] = before
            self._of_question.append(before)
            if before.outcome:
                self._answer(before)
            return
        self._by_id[request.call_id] = call
        self._of_question.append(call)
        if self._tools.needs_approval(call.name):
            call.approval = self.approvals.expect(request.call_id, args_hash(call.name, call.args))
        self._show_call(call)
        call.task = tasks.create_task(self._run(call), name=f"tool {call.name}")

    def ask_again(self) -> None:
        """Another page is here: what waits for a click has to be shown to it."""
        for call in set(self._by_id.values()) | set(self._asked_before.values()):
            if self.approvals.waits(call.ids[0]):
                self._show_call(call)

    def withdraw(self, call_id: str) -> None:
        """Gemini does not want an answer any more."""
        if call := self._by_id.pop(call_id, None):
            self._forget(call)
            if call.task:
                call.task.cancel()

    def user_goes_on(self) -> None:
        """The user says something new: a blocking call that runs long is cancelled, where the model does not do it."""
        if not self._rules.gives_way:
            return
        for call in set(self._by_id.values()):
            if call.task and not call.outcome and self._rules.is_blocking(call.name) and _now() - call.started > LONG:
                call.gave_way = True
                self._forget(call)
                call.task.cancel()

    def answered(self) -> None:
        """The turn has ended: what was called for it will not be asked for again."""
        for call in self._asked_before.values():
            if call.outcome:
                self._tools.delivered(call.ids[0], False)
        self._of_question.clear()
        self._asked_before.clear()

    def connection_lost(self, *, repeated: bool) -> None:
        """`repeated`: the question that is not answered yet will be said again."""
        self._connection += 1
        for call in self._by_id.values():
            call.parts_told = 0
        self._asked_before = {call.key: call for call in self._of_question} if repeated else {}
        self._of_question = []
        for call_id, call in list(self._by_id.items()):
            if self._asked_before.get(call.key) is call:
                del self._by_id[call_id]  # the new connection gives it a new one
            elif call.outcome:
                self._answer(call)  # it may have been on its way

    def end(self) -> None:
        for call in [*self._by_id.values(), *self._asked_before.values()]:
            if call.task:
                call.task.cancel()

    async def _run(self, call: _Call) -> None:
        first = call.ids[0]
        try:
            outcome = await self._tools.call(first, call.name, call.args, _Caller(call, self.tell_part))
        except asyncio.CancelledError:
            data = page.FunctionResultData(call_id=first, name=call.name, status="cancelled")
            self._show(page.FunctionResult(data=data))
            if not call.gave_way:
                raise
            # Cancelled by us, not by Gemini: it waits for an answer.
            if task := asyncio.current_task():
                task.uncancel()
            call.outcome = _GaveWay()
        else:
            call.outcome = outcome
            data = page.FunctionResultData(
                call_id=first,
                name=call.name,
                status=outcome.status,
                result=outcome.result,
                error=outcome.error,
                duration_ms=outcome.duration_ms,
            )
            self._show(page.FunctionResult(data=data))
        finally:
            if call.approval:
                call.approval.cancel()
        self._answer(call)

    def _show_call(self, call: _Call) -> None:
        asks = call.approval is not None and not call.approval.done()
        data = page.FunctionCallData(
            name=call.name,
            args=call.args,
            call_id=call.ids[0],
            needs_approval=asks,
            args_hash=args_hash(call.name, call.args) if asks else msgspec.UNSET,
        )
        self._show(page.FunctionCall(data=data))

    def tell_part(self, call: _Call, *, text: str | None = None, part: Any = None) -> None:
        """Tell the page what comes before the end of a call; and the model, if it does not wait for that end."""
        data = page.ToolProgressData(call_id=call.ids[0], name=call.name, text=text, part=part)
        self._show(page.ToolProgress(data=data))
        if text is None:
            call.parts += 1
        if not self._rules.is_blocking(call.name):
            response = {"progress": text} if text is not None else part if isinstance(part, dict) else {"result": part}
            send = partial(self._send_part, call=call, response=response, counts=text is None)
            self._uplink.put(send, kind="once", must=True)

    async def _send_part(self, gemini: Gemini, *, call: _Call, response: dict[str, Any], counts: bool) -> None:
        call_id = call.ids[-1]
        if self._by_id.get(call_id) is not call or call.connection != self._connection:
            return  # the whole result comes at the end
        await self._send_response(gemini, call_id, call.name, response, will_continue=True)
        call.parts_told += counts

    def _answer(self, call: _Call) -> None:
        self._uplink.put(lambda gemini: self._send_answer(gemini, call), kind="once", must=True)

    async def _send_answer(self, gemini: Gemini, call: _Call) -> None:
        """Exactly one for each call that is alive: not for one that was withdrawn, and to the connection that asked."""
        call_id, outcome = call.ids[-1], call.outcome
        if call.answered or outcome is None or self._asked_before.get(call.key) is call:
            return
        if call_id not in self._by_id:
            self._tools.delivered(call.ids[0], False)
            return
        if call.connection == self._connection:
            await self._send_end(gemini, call_id, call, outcome)
        else:
            # Google's resumed session does nothing with an answer to a call that it has not made
            # (https://github.com/pipecat-ai/pipecat/pull/5497): the result is told in words.
            await gemini.send_text(_in_words(call, outcome))
        call.answered = True
        self._by_id.pop(call_id, None)
        self._tools.delivered(call.ids[0], True)

    def _forget(self, call: _Call) -> None:
        """Should the question be said again, this call runs anew."""
        if call in self._of_question:
            self._of_question.remove(call)

    async def _send_end(self, gemini: Gemini, call_id: str, call: _Call, outcome: ToolOutcome) -> None:
        if outcome.status == "ok" and call.parts and call.parts_told == call.parts:
            # It knows all of it: an empty answer ends the stream, and is not to be spoken of
            # (https://ai.google.dev/api/caching#FunctionResponse).
            end = {"truncated": True} if outcome.response.get("truncated") else {}
            await gemini.send_tool_response([(call_id, call.name, end, "SILENT")])
        else:
            await self._send_response(gemini, call_id, call.name, outcome.response)

    async def _send_response(
        self, gemini: Gemini, call_id: str, name: str, response: dict[str, Any], *, will_continue: bool = False
    ) -> None:
        scheduling = self._rules.scheduling(name)
        try:
            await gemini.send_tool_response([(call_id, name, response, scheduling)], will_continue=will_continue)
        except (TypeError, ValueError):
            # The SDK refuses this result, and Gemini would wait for it for ever.
            logger.exception("The result of %s cannot be sent", name)
            await gemini.send_tool_response([(call_id, name, {"error": UNSENDABLE}, scheduling)])


@dataclass(frozen=True)
class _Caller:
    """What a running tool sees of its call."""

    call: _Call
    tell: Callable[..., None]

    async def approve(self) -> bool:
        return self.call.approval is not None and await self.call.approval

    def progress(self, text: str) -> None:
        self.tell(self.call, text=text)

    def part(self, value: Any) -> None:
        self.tell(self.call, part=value)


class _GaveWay:
    status = "cancelled"
    result: Any = None
    error: str | None = GIVEN_WAY
    duration_ms = 0
    response: dict[str, Any] = {"error": GIVEN_WAY}


def _in_words(call: _Call, outcome: ToolOutcome) -> str:
    args, response = msgspec.json.encode(call.args).decode(), msgspec.json.encode(outcome.response).decode()
    return f"(The call {call.name}({args}) has finished after the connection was renewed. Its result: {response})"


def _now() -> float:
    return asyncio.get_running_loop().time()
