"""One conversation's turns: decides by the script, calls tools, speaks, and is interrupted."""

from __future__ import annotations

import asyncio
import base64
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any, Protocol

from . import speech
from .calls import Calls, Group
from .clock import Clock
from .config import Config
from .faults import Fault
from .script import Intent, Match, Script
from .speaking import Pace, cut, paced
from .templates import fill, fill_value
from .usage import Usage, text_tokens
from .wire import INVALID_ARGUMENT

logger = logging.getLogger(__name__)


class Client(Protocol):
    """What turns need of the connection."""

    number: int
    slow_audio: float  # times real time; 0: as the pace has it

    async def send(self, message: dict[str, Any]) -> None: ...
    async def send_audio(self, pcm: bytes) -> None: ...
    async def close(self, code: int, reason: str) -> None: ...
    async def reach(self, moment: str) -> dict[str, Fault]: ...
    def later(self, seconds: float, action: Callable[[], Awaitable[None]]) -> None: ...
    def resumption_update(self) -> dict[str, Any] | None: ...
    def facts(self) -> dict[str, Any]: ...


class Turns:
    """At most one turn runs, as `_task`. Its methods are called one at a time."""

    def __init__(
        self, client: Client, config: Config, script: Script, executor: Executor, pace: Pace,
        clock: Clock, history: list[dict[str, str]],
    ):  # fmt: skip
        self.tools = config.tools
        self.history = history
        self.usage = Usage(vertex=config.vertex)
        self.user_is_speaking = False
        self.count = 0
        self.calls = Calls()
        self._client = client
        self._config = config
        self._script = script
        self._executor = executor
        self._pace = pace
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._generating = False
        self._when_idle: deque[str] = deque()
        self._heard_by = 0.0  # the time at which the listener will have played everything sent
        self._last_piece = b""

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
            if not await self._fits():
                return
            self.count += 1
            await turn()
            while self._when_idle and not self.user_is_speaking:
                await self._speak(self._when_idle.popleft())
        except Exception:
            logger.exception("A turn failed")
            await self._client.close(1011, "Internal error encountered.")

    async def _fits(self) -> bool:
        """The context has room, if need be after compression; else the connection closes, as Google's does."""
        limit = self._config.profile.context_tokens
        if self._config.compression:
            trigger, target = self._config.compression
            if self.usage.context > trigger:
                self.usage.compress(target)
        elif self.usage.context > limit:
            await self._client.close(1007, INVALID_ARGUMENT)
            return False
        return True

    async def interrupt(self, *, by_voice: bool = False) -> None:
        """Cut what is being said, and withdraw blocking calls. Says so to the client if there was anything to cut.

        A voice also cuts what the listener is still hearing of a turn that has been sent completely.
        """
        generating, self._generating = self._generating, False
        await self._cancel_task()
        withdrawn = self.calls.withdraw(blocking_only=True)
        await self._say_withdrawn(withdrawn)
        if generating or withdrawn:
            await self._say_interrupted()
            await self._complete_turn()
        elif by_voice and self._clock.time() < self._heard_by:
            await self._say_interrupted()
        self._heard_by = 0.0

    async def _say_interrupted(self) -> None:
        content: dict[str, Any] = {"interrupted": True}
        if "audio_with_interrupted" in await self._client.reach("interrupted"):
            content["modelTurn"] = {"parts": [{"inlineData": _blob(self._last_piece)}]}
        await self._client.send({"serverContent": content})

    async def close(self) -> None:
        await self._cancel_task()

    async def answer(self, text: str | None) -> None:
        """A turn: reply to what the user said; None was not understood. Run it with `start`."""
        due = await self._client.reach("turn")
        if "delay" in due:
            await self._clock.sleep(due["delay"].seconds)
        match = self._script.match(text) if text else None
        facts = self._client.facts()
        self.remember("user", text or "")
        if match is None:
            await self._speak(fill(self._script.not_understood, facts) or "")
            return
        intent = match.intent
        if intent.delay:
            await self._clock.sleep(intent.delay)
        if intent.stops:
            await self._say_withdrawn(self.calls.withdraw())
        missing = [use.tool for use in intent.calls if use.tool not in self.tools]
        if intent.silent:
            await self._complete_turn()
        elif missing:
            await self._speak(fill(self._script.not_declared, {"tool": missing[0]}) or "")
        elif intent.calls:
            await self._call(match)
        else:
            await self._speak(fill(intent.reply, {**facts, **match.slots}) or "", intent, match)

    async def _call(self, match: Match) -> None:
        await self._think(match.intent)
        group = self.calls.open(match, self.tools)
        due = await self._client.reach("tool_call")
        await self._client.send(group.message)
        if "duplicate_tool_calls" in due:
            await self._client.send(group.message)
        if self._config.resumable:
            await self._client.send({"sessionResumptionUpdate": {}})  # cannot be resumed while a tool works
        if "audio_after_tool_call" in due:
            await self._client.send_audio(bytes(4_800))
        if self._config.profile.interaction_status:
            await self._speak(match.intent.filler or self._script.filler)
        elif self._config.profile.turn_ends_with_call or "turn_complete_after_tool_call" in due:
            await self._complete_turn()

    def unanswered(self) -> str | None:
        """What the user said last, if nothing was said after it."""
        last = self.history[-1] if self.history else {"role": "", "text": ""}
        return last["text"] if last["role"] == "user" else None

    async def tool_answered(self, answer: dict[str, Any]) -> None:
        """Take one function response."""
        found = self.calls.answered(answer)
        if found is None:
            return
        group, use = found
        self.usage.add_tool_use(str(answer.get("response", {})))
        if any(other is not use for other in group.waiting.values()):
            return  # the others are still at work
        await self._results_are_there(group, answer, use.scheduling)

    async def _results_are_there(self, group: Group, answer: dict[str, Any], scripted: str) -> None:
        text = group.sentence(self._client.facts())
        self.remember("tool", text)
        # Some clients put `scheduling` inside the response.
        inside = answer.get("response", {}).get("scheduling")
        scheduling = answer.get("scheduling") or (inside if isinstance(inside, str) else "") or scripted
        busy = self._generating or self.user_is_speaking or (self._task is not None and not self._task.done())
        waits = self.user_is_speaking and self._config.profile.user_first
        if group.blocking or (scheduling == "INTERRUPT" and not waits):
            await self.start(lambda: self._speak(text, group.match.intent, group.match))
        elif scheduling == "SILENT":
            if not busy:
                await self._complete_turn()
        elif busy:
            self._when_idle.append(text)
        else:
            await self.start(lambda: self._speak(text, group.match.intent, group.match))

    def remember(self, role: str, text: str) -> None:
        if text:
            self.history.append({"role": role, "text": text})
            if role != "model" or self._config.text:  # speech is counted as audio
                self.usage.add_prompt("TEXT", text_tokens(text))

    async def _say_withdrawn(self, ids: list[str]) -> None:
        if ids:
            await self._client.send({"toolCallCancellation": {"ids": ids}})

    async def _think(self, intent: Intent) -> None:
        if intent.thoughts:
            self.usage.add_thoughts(intent.thoughts)
            if self._config.thoughts:
                part = {"text": intent.thoughts, "thought": True}
                await self._client.send({"serverContent": {"modelTurn": {"parts": [part]}}})

    async def _speak(self, text: str, intent: Intent | None = None, match: Match | None = None) -> None:
        text = " ".join(text.split())
        self._generating = True
        if intent and not intent.calls:
            await self._think(intent)
        if self._config.text:
            await self._write(text)
        else:
            await self._say(text)
        if intent and match and intent.grounding and self._config.search:
            await self._client.send({"serverContent": {"groundingMetadata": _grounding(intent, match)}})
        await self._client.send({"serverContent": {"generationComplete": True}})
        if (gap := min(self._pace.playback_gap, self._heard_by - self._clock.time())) > 0:
            await self._clock.sleep(gap)
        self.remember("model", text)
        self._generating = False
        await self._complete_turn()

    async def _say(self, text: str) -> None:
        pcm = await asyncio.get_running_loop().run_in_executor(
            self._executor,
            lambda: speech.synthesise(text, self._config.voice, language=self._config.language),
        )
        chance = random.Random(f"{self._pace.seed}/{self._client.number}/{self.count}")  # noqa: S311
        pieces = cut(pcm, text, self._pace, chance)
        slow = self._client.slow_audio
        self._heard_by = max(self._heard_by, self._clock.time())
        async for piece in paced(pieces, self._pace, chance, self._clock, slow=slow):
            self._last_piece = piece.pcm
            await self._client.send_audio(piece.pcm)
            if self._pace.speed:
                self._heard_by += piece.seconds
            self.usage.add_response_audio(piece.seconds)
            if self._config.transcribe_output and piece.words:
                await self._client.send({"serverContent": {"outputTranscription": {"text": piece.words}}})
            await self._client.reach("audio")

    async def _write(self, text: str) -> None:
        words = text.split()
        for start in range(0, len(words), 5):
            delta = (" " if start else "") + " ".join(words[start : start + 5])
            await self._client.send({"serverContent": {"modelTurn": {"parts": [{"text": delta}]}}})
            await asyncio.sleep(0)
        self.usage.add_response_text(text)

    async def _complete_turn(self) -> None:
        content: dict[str, Any] = {"turnComplete": True}
        if self._config.profile.interaction_status:
            content["interactionStatus"] = "IN_PROGRESS" if self.calls or self._when_idle else "IDLE"
        await self._client.send({"serverContent": content, "usageMetadata": self.usage.take()})
        due = await self._client.reach("turn_complete")
        if "late_handle" in due:
            self._client.later(due["late_handle"].seconds, self.offer_handle)
        elif "withhold_handle" not in due:
            await self.offer_handle()

    async def offer_handle(self) -> None:
        """Send a handle that restores the conversation as it is now, if the session asked for handles."""
        if update := self._client.resumption_update():
            await self._client.send({"sessionResumptionUpdate": update})

    async def _cancel_task(self) -> None:
        task, self._task = self._task, None
        if task and not task.done():
            task.cancel()
            await asyncio.wait([task])


def _blob(pcm: bytes) -> dict[str, str]:
    return {"mimeType": f"audio/pcm;rate={speech.RATE}", "data": base64.b64encode(pcm).decode()}


def _grounding(intent: Intent, match: Match) -> dict[str, Any]:
    filled = fill_value(dict(intent.grounding), match.slots)
    return {
        "webSearchQueries": filled.get("queries", []),
        "groundingChunks": [{"web": source} for source in filled.get("sources", [])],
    }
