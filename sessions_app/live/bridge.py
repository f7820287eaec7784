"""One conversation between a browser and Gemini: what each side says goes to the other, tools run beside it.

Nothing here waits on the way of the audio but the two sockets.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from ..browser import commands
from ..browser import events as page
from ..gemini.errors import CONNECTION_LOST, Failure, Remedy
from . import events
from .buffers import Uplink, UplinkFull
from .connections import Connections, ConversationFailed
from .ports import Browser, Gemini, Recorder, Send, ToolOutcome, Tools
from .protocol import Conversation

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Who answers, for the page's `CONNECTED`."""

    kind: Literal["gemini", "emulator"]
    model: str
    voice: str
    phrases: list[str] | None = None
    """What the emulator understands."""


@dataclass
class Totals:
    """Tokens of the session, over all its turns."""

    prompt: int = 0
    response: int = 0
    total: int = 0

    def add(self, usage: events.UsageReported) -> None:
        self.prompt += usage.prompt
        self.response += usage.response
        self.total += usage.total


class Bridge:
    """Runs one conversation."""

    def __init__(
        self,
        *,
        browser: Browser,
        connections: Connections,
        tools: Tools,
        recorder: Recorder,
        backend: Backend,
        conversation: Conversation | None = None,
        totals: Totals | None = None,
    ):
        self._browser = browser
        self._connections = connections
        self._tools = tools
        self._recorder = recorder
        self.backend = backend
        self._conversation = conversation or Conversation()
        self._totals = totals or Totals()
        self._uplink = Uplink()
        self._calls: dict[str, asyncio.Task[None]] = {}
        self._withdrawn: set[str] = set()
        self._tasks: asyncio.TaskGroup | None = None
        self._leaving = False

    # --- What the browser says ---------------------------------------------------------------------------------

    def hear(self, pcm: bytes, rate: int = 16_000) -> None:
        """Microphone audio, s16le mono."""
        self._uplink.put_audio(pcm, rate)

    async def obey(self, command: commands.AnyCommand) -> None:
        """Do what a command of the page wants. Raises CommandError where that cannot be."""
        match command:
            case commands.Audio():
                self.hear(commands.check_pcm(command.data.data), command.rate)
            case commands.Text():
                text = command.data.text
                self._queue(lambda gemini: gemini.send_text(text))
                await self._handle(self._conversation.user_typed(text))
            case commands.Image():
                image = command.data
                self._queue(lambda gemini: gemini.send_image(image.data, image.mime_type))
            case commands.ActivityStart():
                self._queue(lambda gemini: gemini.send_activity_start())
            case commands.ActivityEnd():
                self._conversation.user_stopped()
                self._queue(lambda gemini: gemini.send_activity_end())
            case commands.AudioEnd():
                self._queue(lambda gemini: gemini.send_audio_stream_end())
            case commands.Interrupt():
                await self._handle(self._conversation.silence())
            case commands.Played():
                self._recorder.save_heard(command.data.turn_id, round(command.data.ms))
            case commands.ToolApproval():
                raise commands.CommandError("nothing_to_approve", "No tool call waits for an approval.")

    def _queue(self, send: Send) -> None:
        try:
            self._uplink.put(send)
        except UplinkFull:
            raise commands.CommandError(
                "too_many_waiting", "Gemini is not reached just now and too much waits for it already. Try again soon."
            ) from None

    # --- What Gemini says --------------------------------------------------------------------------------------

    async def run(self) -> Failure | None:
        """Connect, converse, reconnect, until cancelled; or until Gemini cannot be had: the page then knows why."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                try:
                    return await self._connect_and_converse()
                finally:
                    self._end()
        finally:
            await self._tools.close()

    async def _connect_and_converse(self) -> Failure:
        connected = False
        try:
            async with aclosing(aiter(self._connections)) as connections:
                async for gemini in connections:
                    await self._connected(resumed=bool(self._connections.handle))
                    connected = True
                    await self._converse(gemini)
                    await self._handle(self._conversation.disconnected())
                    await self._browser.send(page.status("RECONNECTING"))
                    self._recorder.update(status="reconnecting")
        except ConversationFailed as failed:
            failure = failed.failure
        logger.warning("Conversation failed (%s): %s", failure.code, failure.detail)
        await self._handle(self._conversation.end())
        retryable = connected or failure.remedy is not Remedy.FATAL
        await self._browser.send(page.error(failure.code, failure.message, retryable=retryable))
        await self._browser.send(page.status("ERROR", failure.message))
        return failure

    async def _connected(self, *, resumed: bool) -> None:
        self._recorder.update(status="live", connected_at=datetime.now(UTC))
        backend = self.backend
        await self._browser.send(
            page.Status(
                data=page.StatusData(
                    status="CONNECTED",
                    backend=backend.kind,
                    model=backend.model,
                    voice=backend.voice,
                    resumed=resumed,
                    phrases=backend.phrases,
                )
            )
        )

    async def _converse(self, gemini: Gemini) -> None:
        """Until this connection ends. It is closed by us when Gemini says goodbye: between two turns, or in time."""
        self._leaving = False
        assert self._tasks is not None  # noqa: S101
        sender = self._tasks.create_task(self._send_uplink(gemini), name="uplink")
        deadline: asyncio.TimerHandle | None = None
        receive = self._conversation.receive
        try:
            async for message in gemini:
                for event in receive(message):
                    if type(event) is events.Audio:
                        await self._browser.send_audio(event.pcm)
                    elif type(event) is events.GoingAway:
                        self._leaving = True
                        wait = max(0.5, event.seconds - 3)
                        deadline = asyncio.get_running_loop().call_later(wait, self._close_soon, gemini)
                    else:
                        await self._handle([event])
                if self._leaving and self._conversation.between_turns and not self._calls:
                    await gemini.close()
        finally:
            if deadline:
                deadline.cancel()
            sender.cancel()

    def _close_soon(self, gemini: Gemini) -> None:
        # By a timer: after goAway Gemini may fall silent, and the receive loop would wait for ever.
        if self._tasks:
            self._tasks.create_task(gemini.close(), name="go-away")

    async def _send_uplink(self, gemini: Gemini) -> None:
        while True:
            item = await self._uplink.get()
            try:
                if isinstance(item, tuple):
                    await gemini.send_audio(*item)
                else:
                    await item(gemini)
            except CONNECTION_LOST:
                self._uplink.put_back(item)
                return  # the receive loop sees the same end
            except Exception:
                # The SDK refuses this one: sent again it would hold up everything behind it.
                logger.exception("A message to Gemini was left out")
                message = "Your last message could not be passed on to Gemini. Say it in another way."
                await self._browser.send(page.error("not_sent", message))

    async def _handle(self, happened: Iterable[events.Event]) -> None:
        send = self._browser.send
        for event in happened:
            match event:
                case events.Said(turn_id, is_user, text):
                    await send(page.transcription(turn_id, is_user=is_user, text=text))
                case events.Interrupted():
                    await send(page.INTERRUPT_AUDIO)
                case events.TurnStarted(turn_id):
                    await send(page.turn(turn_id, "started"))
                case events.Generated(turn_id, waited):
                    await send(page.turn(turn_id, "generated", waited))
                case events.TurnEnded():
                    self._save(event)
                case events.ToolCallRequested(call_id, name, args):
                    await send(page.FunctionCall(data=page.FunctionCallData(name=name, args=args, call_id=call_id)))
                    self._start_call(event)
                case events.ToolCallCancelled(call_id):
                    self._withdrawn.add(call_id)
                    if call := self._calls.pop(call_id, None):
                        call.cancel()
                case events.UsageReported():
                    await self._count(event)
                case events.HandleRenewed(handle):
                    # An empty one says "not just now": the last good handle stays the best we have.
                    if handle:
                        self._connections.handle = handle
                        self._recorder.update(resumption_handle=handle)

    # --- Turns -------------------------------------------------------------------------------------------------

    def _save(self, turn: events.TurnEnded) -> None:
        saved = self._recorder.save_turn(turn)
        if self._tasks:
            self._tasks.create_task(self._announce(turn, saved), name=f"turn {turn.turn_id}")

    async def _announce(self, turn: events.TurnEnded, saved: asyncio.Future[None]) -> None:
        """A turn is final for the page once it cannot be lost any more."""
        try:
            await saved
        except Exception:
            logger.exception("A turn could not be saved")
            message = "This part of the conversation could not be saved. Tell the people who run this service."
            await self._browser.send(page.error("not_saved", message))
            return
        for is_user in (True, False):
            await self._browser.send(page.transcription(turn.turn_id, is_user=is_user, is_final=True))
        state: page.TurnState = "interrupted" if turn.interrupted else "complete"
        await self._browser.send(page.turn(turn.turn_id, state, turn.time_to_first_audio_ms))

    async def _count(self, usage: events.UsageReported) -> None:
        totals = self._totals
        totals.add(usage)
        self._recorder.update(prompt_tokens=totals.prompt, response_tokens=totals.response, total_tokens=totals.total)
        data = page.UsageData(
            prompt_tokens=totals.prompt,
            response_tokens=totals.response,
            total_tokens=totals.total,
            by_modality=usage.by_modality,
        )
        await self._browser.send(page.Usage(data=data))

    # --- Tools -------------------------------------------------------------------------------------------------

    def _start_call(self, call: events.ToolCallRequested) -> None:
        if self._tasks:
            task = self._tasks.create_task(self._run_call(call), name=f"tool {call.name}")
            self._calls[call.call_id] = task

    async def _run_call(self, call: events.ToolCallRequested) -> None:
        """Gemini waits for the answer to every call that it has not cancelled: it gets exactly one."""
        try:
            outcome = await self._tools.call(call.call_id, call.name, call.args)
        except asyncio.CancelledError:
            # Cancelled by Gemini, who does not want an answer; the page's card should not run on.
            data = page.FunctionResultData(call_id=call.call_id, name=call.name, status="cancelled")
            await self._browser.send(page.FunctionResult(data=data))
            raise
        self._calls.pop(call.call_id, None)
        self._uplink.put(lambda gemini: self._answer(gemini, call, outcome), must=True)
        data = page.FunctionResultData(
            call_id=call.call_id,
            name=call.name,
            status=outcome.status,
            result=outcome.result,
            error=outcome.error,
            duration_ms=outcome.duration_ms,
        )
        await self._browser.send(page.FunctionResult(data=data))

    async def _answer(self, gemini: Gemini, call: events.ToolCallRequested, outcome: ToolOutcome) -> None:
        if call.call_id not in self._withdrawn:
            await gemini.send_tool_response([(call.call_id, call.name, outcome.response, None)])

    # --- The end -----------------------------------------------------------------------------------------------

    def _end(self) -> None:
        for call in self._calls.values():
            call.cancel()
        self._calls.clear()
        for event in self._conversation.end():
            if isinstance(event, events.TurnEnded):
                self._recorder.save_turn(event)
