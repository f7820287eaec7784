"""One connection to the emulator: reads the client's frames and keeps what it received."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from . import hearing, wire
from .profiles import profile_for
from .turns import Turns
from .usage import IMAGE_TOKENS
from .wire import INVALID_ARGUMENT, Refusal

if TYPE_CHECKING:
    from .server import Emulator


class Session:
    """What one client said, and the conversation with it.

    Public for tests: `setup` (camelCase), `version`, `received` (counts by kind, such as "realtimeInput.audio"),
    `audio_received` (bytes, as they came), `recorded_audio` and `sent_audio` (PCM, only with `record_audio`),
    `images` (count, and bytes and type of the last), `history`.
    """

    def __init__(self, emulator: Emulator, websocket: ServerConnection, version: str, key: str):
        self.websocket = websocket
        self.version = version
        self.setup: dict[str, Any] = {}
        self.received: Counter[str] = Counter()
        self.audio_received = 0
        self.recorded_audio = bytearray()
        self.sent_audio = bytearray()
        self.images: dict[str, Any] = {}
        self.history: list[dict[str, str]] = []
        self._emulator = emulator
        self._key = key
        self._resampler = hearing.Resampler(hearing.RATE)
        self._detector: hearing.ActivityDetector | None = None  # None: the client marks activity by hand
        self._activity: bytearray | None = None  # audio since activityStart
        self._unheard = b""  # an utterance whose understanding was cut off by more speech
        self._content: list[str] = []  # clientContent that waits for turnComplete
        self._seeding = False
        self._interrupts = True

    @property
    def open(self) -> bool:
        return self.websocket.state is State.OPEN

    async def run(self) -> None:
        """Serve the connection until it closes. Never raises for what a client sends."""
        turns: Turns | None = None
        try:
            async for frame in self.websocket:
                kind, message = self._parse(frame)
                if turns is None:
                    turns = await self._begin(kind, message)
                else:
                    await self._handle(turns, kind, message)
        except Refusal as refusal:
            await self.websocket.close(refusal.code, refusal.reason)
        except ConnectionClosed:
            pass
        finally:
            if turns:
                await turns.close()

    async def send(self, message: dict[str, Any]) -> None:
        """Send one server message. A connection that is gone is no error: reading notices it."""
        if self._emulator.record_audio:
            for part in message.get("serverContent", {}).get("modelTurn", {}).get("parts", ()):
                if "inlineData" in part:
                    self.sent_audio += wire.data(part["inlineData"]["data"], "")
        with suppress(ConnectionClosed):
            await self.websocket.send(wire.encode(message))

    async def fail(self, reason: str) -> None:
        await self.websocket.close(1011, wire.shorten(reason))

    def _parse(self, frame: str | bytes) -> tuple[str, dict[str, Any]]:
        kind, message = wire.parse(frame)
        self._emulator.note_received(self, kind, message)
        return kind, message

    async def _begin(self, kind: str, setup: dict[str, Any]) -> Turns:
        if kind != "setup":
            raise Refusal("The first message of a session must be setup.")
        if not self._key:
            raise Refusal("Method doesn't allow unregistered callers. Please use API Key to call this API.", code=1008)
        if self._key in self._emulator.bad_keys:
            raise Refusal("API key not valid. Please pass a valid API key.")
        profile = profile_for(setup, self.version)
        self.setup = setup
        config = setup.get("realtimeInputConfig", {})
        detection = config.get("automaticActivityDetection", {})
        if not detection.get("disabled"):
            self._detector = self._new_detector(detection)
        self._interrupts = config.get("activityHandling") != "NO_INTERRUPTION"
        self._seeding = setup.get("historyConfig", {}).get("initialHistoryInClientContent", False)
        resumption = setup.get("sessionResumption")
        handle = (resumption or {}).get("handle")
        if handle:
            self.history = self._emulator.handles.restore(handle)
        speech_config = setup.get("generationConfig", {}).get("speechConfig", {})
        turns = Turns(
            send=self.send,
            fail=self.fail,
            script=self._emulator.script,
            tools=_declared_tools(setup.get("tools", []), profile.behavior),
            executor=self._emulator.speech_executor,
            faults=self._emulator.faults,
            pace=self._emulator.pace,
            voice=speech_config.get("voiceConfig", {}).get("prebuiltVoiceConfig", {}).get("voiceName", ""),
            transcribe="outputAudioTranscription" in setup,
            history=self.history,
            facts=self._facts,
            new_handle=None if resumption is None else lambda: self._emulator.handles.issue(self),
        )
        if not self._emulator.faults.withhold_setup_complete:
            await self.send({"setupComplete": {}})
            if handle:
                await turns.offer_handle()
        return turns

    def _new_detector(self, detection: dict[str, Any]) -> hearing.ActivityDetector:
        given: dict[str, Any] = {}
        if "silenceDurationMs" in detection:
            given["silence_ms"] = min(max(detection["silenceDurationMs"], 100), 10_000)
        if "prefixPaddingMs" in detection:
            given["start_ms"] = min(max(detection["prefixPaddingMs"], 20), 1_000)
        return hearing.ActivityDetector(**given)

    async def _handle(self, turns: Turns, kind: str, message: dict[str, Any]) -> None:
        if kind == "realtimeInput":
            await self._realtime_input(turns, message)
        elif kind == "clientContent":
            await self._client_content(turns, message)
        elif kind == "toolResponse":
            for answer in message.get("functionResponses", []):
                await turns.tool_answered(answer)
        elif kind == "setup":
            raise Refusal("setup must be the first message and only the first message.")

    async def _realtime_input(self, turns: Turns, message: dict[str, Any]) -> None:
        for blob in [message.get("audio"), message.get("video"), *message.get("mediaChunks", [])]:
            if blob is not None:
                await self._blob(turns, blob)
        if "activityStart" in message or "activityEnd" in message:
            await self._activity_mark(turns, starts="activityStart" in message)
        if text := message.get("text"):
            self._unheard = b""
            await turns.start(lambda: turns.answer(text), interrupts=self._interrupts)
        if message.get("audioStreamEnd") and self._detector and (pcm := self._detector.flush()):
            await self._utterance(turns, pcm)

    async def _blob(self, turns: Turns, blob: dict[str, Any]) -> None:
        mime, payload = blob.get("mimeType", ""), blob.get("data", b"")
        if mime.startswith("image/"):
            count = self.images.get("count", 0) + 1
            self.images = {"count": count, "bytes": len(payload), "kilobytes": round(len(payload) / 1000, 1),
                           "type": mime.removeprefix("image/")}  # fmt: skip
            turns.usage.add_prompt("IMAGE", IMAGE_TOKENS)
        elif mime.startswith("audio/pcm"):
            rate = int(found[1]) if (found := re.search(r"rate=(\d{1,6})", mime)) else hearing.RATE
            await self._audio(turns, payload, rate)
        else:
            raise Refusal(INVALID_ARGUMENT)

    async def _audio(self, turns: Turns, pcm: bytes, rate: int) -> None:
        if not 4_000 <= rate <= 192_000:
            raise Refusal(INVALID_ARGUMENT)
        self.audio_received += len(pcm)
        if self._emulator.record_audio:
            self.recorded_audio += pcm
        if rate != self._resampler.rate:
            self._resampler = hearing.Resampler(rate)
        pcm = self._resampler.feed(pcm)
        turns.usage.add_prompt_audio(len(pcm) / hearing.BYTES_PER_SECOND)
        if self._detector is None:
            if self._activity is not None and len(self._activity) < hearing.MAX_UTTERANCE:
                self._activity += pcm
            return
        for event, utterance in self._detector.feed(pcm):
            if event == "start":
                await self._speech_begins(turns)
            else:
                await self._utterance(turns, utterance or b"")

    async def _activity_mark(self, turns: Turns, starts: bool) -> None:
        if self._detector is not None:
            raise Refusal("Explicit activity control is not supported when automatic activity detection is enabled.")
        if starts:
            self._activity = bytearray()
            await self._speech_begins(turns)
        elif self._activity is not None:
            pcm, self._activity = bytes(self._activity), None
            await self._utterance(turns, pcm)

    async def _speech_begins(self, turns: Turns) -> None:
        turns.user_is_speaking = True
        if self._interrupts:
            await turns.interrupt(by_voice=True)

    async def _utterance(self, turns: Turns, pcm: bytes) -> None:
        turns.user_is_speaking = False
        if self._interrupts:
            self._unheard = pcm = (self._unheard + pcm)[-hearing.MAX_UTTERANCE :]

        async def turn() -> None:
            text = await self._emulator.hear(pcm)
            self._unheard = b""
            if "inputAudioTranscription" in self.setup:
                await self.send({"serverContent": {"inputTranscription": {"text": text or "<noise>"}}})
            await turns.answer(text)

        await turns.start(turn, interrupts=self._interrupts)

    async def _client_content(self, turns: Turns, message: dict[str, Any]) -> None:
        for content in message.get("turns", []):
            role = content.get("role", "user")
            for part in content.get("parts", []):
                if "inlineData" in part and part["inlineData"].get("mimeType", "").startswith("image/"):
                    await self._blob(turns, part["inlineData"])
            text = " ".join(part["text"] for part in content.get("parts", []) if "text" in part)
            if role == "user" and text and not self._seeding:
                self._content.append(text)
            else:
                turns.remember(role, text)
        if not message.get("turnComplete"):
            return
        said, self._content = self._content, []
        if self._seeding:
            self._seeding = False
            return
        for earlier in said[:-1]:
            turns.remember("user", earlier)
        text = said[-1] if said else None
        self._unheard = b""
        await turns.start(lambda: turns.answer(text))

    def _facts(self) -> dict[str, Any]:
        asked = [entry["text"] for entry in self.history if entry["role"] == "user"]
        return {"images": self.images, "previous": asked[-1] if asked else None}


def _declared_tools(tools: list[dict[str, Any]], default_behavior: str) -> dict[str, str]:
    declared = {}
    for tool in tools:
        for function in tool.get("functionDeclarations", []):
            if not re.fullmatch(r"[A-Za-z_][\w.:-]{0,127}", function.get("name", "")):
                raise Refusal(INVALID_ARGUMENT)
            if function["name"] in declared:
                raise Refusal(f"Duplicate function declaration found: {function['name']}")
            behavior = function.get("behavior", "")
            declared[function["name"]] = behavior if "BLOCKING" in behavior else default_behavior
    return declared


class Handles:
    """Session handles and the histories they restore."""

    MAX = 10_000

    def __init__(self) -> None:
        self._saved: dict[str, tuple[Session, list[dict[str, str]]]] = {}

    def issue(self, session: Session) -> str:
        handle = secrets.token_urlsafe(24)
        self._saved[handle] = (session, list(session.history))
        while len(self._saved) > self.MAX:
            del self._saved[next(iter(self._saved))]
        return handle

    def restore(self, handle: str) -> list[dict[str, str]]:
        """The history at the time the handle was issued. Raises `Refusal`."""
        if handle not in self._saved:
            raise Refusal("BidiGenerateContent session not found", code=1008)
        session, history = self._saved[handle]
        if session.open:
            raise Refusal("Internal error encountered.", code=1011)
        return list(history)
