"""One connection to the emulator: reads the client's frames, keeps what went over the wire, and can go wrong."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from . import wire
from .activity import BYTES_PER_SECOND
from .config import Config, declared_tools
from .connection import Connection
from .listening import Listening
from .proto import shorten
from .recording import Frame, Recording
from .strikes import Strikes
from .turns import Turns
from .wire import Refusal

if TYPE_CHECKING:
    from .server import Credential, Emulator

logger = logging.getLogger(__name__)


class Session:
    """What one client said, and the conversation with it.

    Public for tests: `number` (1 is the first), `setup` (camelCase), `api` ("gemini" or "vertex"), `version`, `frames`
    (all that went over the wire, with times) and `messages`, `received` (counts by kind, such as
    "realtimeInput.audio"), `audio_received` (bytes, as they came), `recorded_audio` and `sent_audio` (PCM, only with
    `record_audio`), `images` (count, and bytes and type of the last), `history`.
    """

    def __init__(self, emulator: Emulator, websocket: Connection, number: int, credential: Credential):
        self.websocket = websocket
        self.number = number
        self.api, self.version = credential.api, credential.version
        self.setup: dict[str, Any] = {}
        self.received: Counter[str] = Counter()
        self.audio_received = 0
        self.recorded_audio = bytearray()
        self.sent_audio = bytearray()
        self.images: dict[str, Any] = {}
        self.history: list[dict[str, str]] = []
        self.slow_audio = 0.0
        self.turns: Turns | None = None
        self.deciding = asyncio.Lock()  # what the client sends and what is heard decide about turns, one at a time
        self._config: Config
        self.recording = Recording(number, emulator.record, emulator.clock)
        self._emulator = emulator
        self._credential = credential
        self.strikes = Strikes(self, emulator.faults)
        self.reach = self.strikes.reach
        self.silent = False
        self._consumed = 0  # messages of the client
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: Listening

    # For tests.

    @property
    def open(self) -> bool:
        return self.websocket.state is State.OPEN

    @property
    def frames(self) -> list[Frame]:
        """Every message in both directions, in order (the last 10,000)."""
        return self.recording.frames

    def messages(self, kind: str) -> list[Any]:
        """The client's messages of one kind, such as "toolResponse", in order."""
        return [frame.message[kind] for frame in self.frames if not frame.sent and kind in frame.message]

    def describe(self) -> dict[str, Any]:
        """For `GET /_emulator/sessions`."""
        return {
            "session": self.number, "open": self.open, "api": self.api, "version": self.version,
            "seconds": round(self.recording.seconds(), 3), "setup": self.setup,
            "received": dict(self.received), "audioSeconds": round(self.audio_received / BYTES_PER_SECOND, 3),
            "turns": self.turns.count if self.turns else 0, "pendingCalls": self.turns.calls.ids if self.turns else [],
            "closeCode": self.websocket.close_code, "closeReason": self.websocket.close_reason,
        }  # fmt: skip

    # The connection.

    async def run(self) -> None:
        """Serve the connection until it closes. Never raises for what a client sends."""
        try:
            while True:
                frame = await self.websocket.recv(decode=False)
                try:
                    await self._take(frame)
                except Refusal as refusal:
                    await self.close(refusal.code, refusal.reason)
                    return  # what the client had sent meanwhile is not read any more
        except ConnectionClosed:
            pass
        finally:
            for task in self._tasks:
                task.cancel()
            if self.turns:
                await self.turns.close()
            self.recording.close()

    async def send(self, message: dict[str, Any]) -> None:
        """Send one server message. A connection that is gone is no error: reading notices it."""
        if not self.silent and await self._send(frame := wire.encode(message)):
            self.recording.note(True, message, len(frame))

    async def send_audio(self, pcm: bytes) -> None:
        """Send a piece of speech: s16le mono, 24 kHz."""
        if self.silent:
            return
        if self._emulator.record_audio:
            self.sent_audio += pcm
        self.recording.spoken(pcm)
        frame = wire.audio(pcm)
        if await self._send(frame):
            self.recording.note_audio(True, len(pcm), "audio/pcm;rate=24000", len(frame))

    async def _send(self, frame: bytes) -> bool:
        try:
            await self.websocket.send_frame(frame)
        except ConnectionClosed:
            return False
        return True

    async def close(self, code: int, reason: str) -> None:
        await self.websocket.close(code, shorten(reason))

    def abort(self) -> None:
        """Cut the TCP stream, without a close frame."""
        self.websocket.transport.abort()

    async def _take(self, frame: bytes) -> None:
        kind, message = wire.parse(frame)
        self._consumed += 1
        self.received.update([f"{kind}.{name}" for name in message] if kind == "realtimeInput" else [kind])
        self._note_received(kind, message, len(frame))
        if self.turns is None:
            await self._begin(kind, message)
            return
        await self.reach("input")
        if kind == "realtimeInput":
            await self._listening.realtime(message)
            return
        async with self.deciding:
            if kind == "clientContent":
                await self._listening.content(message)
            elif kind == "toolResponse":
                await self.reach("tool_response")
                for answer in message.get("functionResponses", []):
                    await self.turns.tool_answered(answer)
            elif kind == "contextUpdate":
                if "tools" in message:
                    self.turns.tools = declared_tools(message["tools"].get("tools", []), self._config.profile)
            else:
                raise Refusal("setup must be the first message and only the first message.")

    def _note_received(self, kind: str, message: dict[str, Any], size: int) -> None:
        audio = message.get("audio")
        if audio is None or len(message) > 1:
            self.recording.note(False, {kind: message}, size)
        else:
            self.recording.note_audio(False, len(audio.get("data", b"")), audio.get("mimeType", ""), size)

    async def _begin(self, kind: str, setup: dict[str, Any]) -> None:
        if kind != "setup":
            raise Refusal("The first message of a session must be setup.")
        self.setup = setup = self._emulator.admit(self._credential, setup)
        config = self._config = Config.read(setup, self.api, self.version)
        if config.handle:
            self.history = self._emulator.handles.restore(config.handle)
        due = await self.reach("setup")
        self.turns = Turns(
            self,
            config,
            self._emulator.script,
            self._emulator.speech_executor,
            self._emulator.pace,
            self._emulator.clock,
            self.history,
        )
        self._listening = Listening(self, config, self._emulator, self.turns)
        if "withhold_setup_complete" not in due:
            complete = {"sessionId": secrets.token_hex(16)} if config.vertex else {}
            await self.send({"setupComplete": complete})
            if config.handle:
                await self.turns.offer_handle()
        await self.reach("ready")

    def resumption_update(self) -> dict[str, Any] | None:
        if not self._config.resumable:
            return None
        update: dict[str, Any] = {"newHandle": self._emulator.handles.issue(self), "resumable": True}
        if self._config.transparent:
            update["lastConsumedClientMessageIndex"] = str(self._consumed - 1)
        return update

    def facts(self) -> dict[str, Any]:
        """What replies may mention beside slots and results."""
        asked = [entry["text"] for entry in self.history if entry["role"] == "user"]
        return {"images": self.images, "previous": asked[-1] if asked else None}

    def later(self, seconds: float, action: Callable[[], Awaitable[None]]) -> None:
        """Do something beside what runs now, as long as the connection lives."""

        async def wait() -> None:
            await self._emulator.clock.sleep(seconds)
            try:
                await action()
            except Refusal as refusal:
                await self.close(refusal.code, refusal.reason)

        task = asyncio.get_running_loop().create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("A session failed", exc_info=error)
