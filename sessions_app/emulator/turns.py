"""One conversation's turns: decides by the script, calls tools, speaks, and is interrupted."""

from __future__ import annotations

import asyncio
import base64
import logging
import math
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from . import speech
from .faults import Faults
from .script import Match, Script, describe, fill
from .usage import Usage

logger = logging.getLogger(__name__)

CHUNK_SECONDS = 0.2
BURST_SECONDS = 1.0  # sent at once, before the pace begins


@dataclass
class Pace:
    """How fast replies are sent: `speed` times real time after a first burst; 0 is all at once, to nobody who listens.
    `playback_gap`: for how many seconds at most `turnComplete` waits for the listener, who is assumed to play the audio
    as it comes."""

    speed: float = 3.0
    playback_gap: float = 0.0


@dataclass(frozen=True)
class Call:
    """A tool call that waits for its answer."""

    match: Match
    blocking: bool


@dataclass
class Turns:
    """At most one turn runs, as `_task`. All methods are called from the session's one reading task."""

    send: Callable[[dict[str, Any]], Awaitable[None]]
    fail: Callable[[str], Awaitable[None]]  # close the connection with 1011 and this reason
    script: Script
    tools: dict[str, str]  # declared function → its behaviour
    executor: Executor
    faults: Faults
    pace: Pace
    voice: str = ""
    transcribe: bool = False  # outputAudioTranscription is configured
    history: list[dict[str, str]] = field(default_factory=list)
    facts: Callable[[], dict[str, Any]] = dict  # what replies may mention beside slots and results
    new_handle: Callable[[], str] | None = None  # sessionResumption is configured
    user_is_speaking: bool = False
    usage: Usage = field(default_factory=Usage)

    def __post_init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._generating = False
        self._calls: dict[str, Call] = {}
        self._when_idle: deque[str] = deque()
        self._heard_by = 0.0  # loop time at which the listener will have played everything sent

    async def start(self, turn: Callable[[], Awaitable[None]], *, interrupts: bool = True) -> None:
        """Run `turn` as the next turn; the present one is interrupted, or (`interrupts=False`) ends first."""
        if interrupts:
            await self.interrupt()
        before = self._task if self._task and not self._task.done() else None
        self._task = asyncio.create_task(self._run(turn, before))

    async def _run(self, turn: Callable[[], Awaitable[None]], before: asyncio.Task[None] | None) -> None:
        try:
            if before:
                await asyncio.wait([before])
            await turn()
            while self._when_idle and not self.user_is_speaking:
                await self._speak(self._when_idle.popleft())
        except Exception:
            logger.exception("A turn failed")
            await self.fail("Internal error encountered.")

    async def interrupt(self, *, by_voice: bool = False) -> None:
        """Cut what is being said, and withdraw blocking calls. Says so to the client if there was anything to cut.

        A voice also cuts what the listener is still hearing of a turn that has been sent completely.
        """
        withdrawn = [call_id for call_id, call in self._calls.items() if call.blocking]
        generating, self._generating = self._generating, False
        await self._cancel_task()
        await self._withdraw(withdrawn)
        if generating or withdrawn:
            await self.send({"serverContent": {"interrupted": True}})
            await self._complete_turn()
        elif by_voice and asyncio.get_running_loop().time() < self._heard_by:
            await self.send({"serverContent": {"interrupted": True}})
        self._heard_by = 0.0

    async def close(self) -> None:
        await self._cancel_task()

    async def answer(self, text: str | None) -> None:
        """A turn: reply to what the user said; None was not understood. Run it with `start`."""
        if self.faults.silent:
            return
        match = self.script.match(text) if text else None
        facts = self.facts()
        self.remember("user", text or "")
        if match is None:
            await self._speak(fill(self.script.not_understood, facts) or "")
            return
        intent = match.intent
        if intent.stops:
            await self._withdraw(list(self._calls))
        if not intent.tool:
            await self._speak(fill(intent.reply, {**facts, **match.slots}) or "")
        elif intent.tool not in self.tools:
            await self._speak(fill(self.script.not_declared, {"tool": intent.tool}) or "")
        else:
            await self._call(match)

    async def tool_answered(self, answer: dict[str, Any]) -> None:
        """Take one function response. Answers to unknown and withdrawn calls are ignored, as Google does."""
        call_id = answer.get("id", "")
        call = self._calls.get(call_id)
        if call is None:
            return
        if not answer.get("willContinue"):
            del self._calls[call_id]
        response = answer.get("response", {})
        text = self._render(call.match, response)
        self.remember("tool", text)
        # Some clients put `scheduling` inside the response.
        scheduling = answer.get("scheduling") or response.get("scheduling") or call.match.intent.scheduling
        busy = self._generating or self.user_is_speaking or (self._task is not None and not self._task.done())
        if call.blocking or scheduling == "INTERRUPT":
            await self.start(lambda: self._speak(text))
        elif scheduling == "SILENT":
            if not busy:
                await self._complete_turn()
        elif busy:
            self._when_idle.append(text)
        else:
            await self.start(lambda: self._speak(text))

    def remember(self, role: str, text: str) -> None:
        if text:
            self.history.append({"role": role, "text": text})
            self.usage.add_prompt("TEXT", math.ceil(len(text) / 4))

    async def _call(self, match: Match) -> None:
        call_id = f"function-call-{secrets.randbelow(10**18)}"
        name = match.intent.tool
        self._calls[call_id] = Call(match, blocking=self.tools[name] == "BLOCKING")
        frame = {"toolCall": {"functionCalls": [{"name": name, "args": match.arguments(), "id": call_id}]}}
        await self.send(frame)
        if self.faults.duplicate_tool_calls:
            await self.send(frame)

    def _render(self, match: Match, response: dict[str, Any]) -> str:
        """The tool's result as a sentence. A result is the response itself, or its `result` or `output` member."""
        for key in ("result", "output"):
            if isinstance(response.get(key), dict):
                response = response[key]
        if isinstance(response.get("error"), str):
            return response["error"]
        values = {**self.facts(), **match.arguments(), **match.slots, **response}
        return fill(match.intent.reply, values) or describe(response)

    async def _withdraw(self, ids: list[str]) -> None:
        for call_id in ids:
            del self._calls[call_id]
        if ids:
            await self.send({"toolCallCancellation": {"ids": ids}})

    async def _speak(self, text: str) -> None:
        loop = asyncio.get_running_loop()
        text = " ".join(text.split())
        self._generating = True
        pcm = await loop.run_in_executor(self.executor, speech.synthesise, text, self.voice)
        size = int(CHUNK_SECONDS * speech.RATE) * 2
        count = math.ceil(len(pcm) / size)
        words, said = text.split(), 0
        began = loop.time()
        self._heard_by = max(self._heard_by, began)
        for index in range(count):
            chunk = pcm[index * size : (index + 1) * size]
            blob = {"mimeType": f"audio/pcm;rate={speech.RATE}", "data": base64.b64encode(chunk).decode()}
            await self.send({"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]}}})
            seconds = len(chunk) / speech.BYTES_PER_SECOND
            if self.pace.speed:
                self._heard_by += seconds
            self.usage.add_response_audio(seconds)
            upto = math.ceil(len(words) * (index + 1) / count)
            if self.transcribe and upto > said:
                delta = (" " if said else "") + " ".join(words[said:upto])
                await self.send({"serverContent": {"outputTranscription": {"text": delta}}})
            said = upto
            if self.pace.speed:
                due = began + ((index + 1) * CHUNK_SECONDS - BURST_SECONDS) / self.pace.speed
                await asyncio.sleep(max(0.0, due - loop.time()))
            else:
                await asyncio.sleep(0)  # let an interruption in
        await self.send({"serverContent": {"generationComplete": True}})
        if gap := min(self.pace.playback_gap, self._heard_by - loop.time()):
            await asyncio.sleep(max(0.0, gap))
        self.remember("model", text)
        self._generating = False
        await self._complete_turn()

    async def _complete_turn(self) -> None:
        await self.send({"serverContent": {"turnComplete": True}, "usageMetadata": self.usage.take()})
        await self.offer_handle()

    async def offer_handle(self) -> None:
        """Send a handle that restores the conversation as it is now, if the session asked for handles."""
        if self.new_handle and self.faults.resumption:
            await self.send({"sessionResumptionUpdate": {"newHandle": self.new_handle(), "resumable": True}})

    async def _cancel_task(self) -> None:
        task, self._task = self._task, None
        if task and not task.done():
            task.cancel()
            await asyncio.wait([task])
