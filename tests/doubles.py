"""Stand-ins for the two ends of a bridge, at its ports: what Gemini says is scripted, what the page gets is kept."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sessions_app.browser import events as page
from sessions_app.gemini import codec
from sessions_app.gemini.server_messages import ServerMessage
from sessions_app.live.bridge import Bridge
from sessions_app.live.connections import Connections
from sessions_app.live.events import TurnEnded
from sessions_app.live.limits import Backend
from sessions_app.live.ports import Caller
from tests.waiting import GIVE_UP_SECONDS


def server(**message: Any) -> ServerMessage:
    """A message of Gemini, by way of its JSON: server(serverContent={"turnComplete": True})."""
    return codec.decode(msgspec.json.encode(message))


def said(text: str) -> ServerMessage:
    return server(serverContent={"outputTranscription": {"text": text}})


def heard(text: str) -> ServerMessage:
    return server(serverContent={"inputTranscription": {"text": text}})


def spoke(pcm: bytes, **more: Any) -> ServerMessage:
    part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": pcm}}
    return server(serverContent={"modelTurn": {"parts": [part]}, **more})


GENERATED = server(serverContent={"generationComplete": True})
COMPLETE = server(serverContent={"turnComplete": True})
INTERRUPTED = server(serverContent={"interrupted": True})


def asks_for(call_id: str, name: str, **args: Any) -> ServerMessage:
    return server(toolCall={"functionCalls": [{"id": call_id, "name": name, "args": args}]})


class ScriptedGemini:
    """A connection that says what the test lets it say, and keeps what it is sent."""

    def __init__(self, *messages: ServerMessage):
        self._messages: asyncio.Queue[ServerMessage | None] = asyncio.Queue()
        for message in messages:
            self._messages.put_nowait(message)
        self.sent: list[tuple[str, Any]] = []
        self.error: BaseException | None = None
        self.closed = False
        self.refuses: BaseException | None = None
        self.takes = asyncio.Event()
        self.takes.set()

    def says(self, *messages: ServerMessage) -> None:
        for message in messages:
            self._messages.put_nowait(message)

    def hangs_up(self, error: BaseException | None = None) -> None:
        self.error = error
        self._messages.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[ServerMessage]:
        while message := await self._messages.get():
            yield message

    async def _keep(self, kind: str, value: Any) -> None:
        await self.takes.wait()
        if self.refuses:
            raise self.refuses
        self.sent.append((kind, value))

    async def send_audio(self, pcm: bytes, rate: int) -> None:
        await self._keep("audio", pcm)

    async def send_text(self, text: str) -> None:
        await self._keep("text", text)

    async def send_image(self, data: bytes, mime_type: str) -> None:
        await self._keep("image", data)

    async def send_activity_start(self) -> None:
        await self._keep("activity_start", None)

    async def send_activity_end(self) -> None:
        await self._keep("activity_end", None)

    async def send_audio_stream_end(self) -> None:
        await self._keep("audio_stream_end", None)

    async def send_tool_response(
        self, responses: list[tuple[str, str, dict, str | None]], *, will_continue: bool = False
    ) -> None:
        await self._keep("tool_part" if will_continue else "tool_response", responses)

    async def send_history(self, messages: list[tuple[str, str]], *, answer: bool) -> None:
        await self._keep("history", (messages, answer))

    async def close(self) -> None:
        self.closed = True
        self.hangs_up()


@dataclass
class KeepingBrowser:
    """Keeps what the page is sent, as the plain data of its JSON; audio as bytes."""

    received: list[Any] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, event: page.Event) -> None:
        self._keep(msgspec.json.decode(page.encode(event)))

    def send_audio(self, pcm: bytes) -> None:
        self._keep(pcm)

    def _keep(self, item: Any) -> None:
        self.received.append(item)
        self.changed.set()

    async def until(self, wanted: Callable[[Any], bool]) -> Any:
        """The first thing received that is `wanted`, waiting for it."""
        while True:
            for item in self.received:
                if wanted(item):
                    return item
            self.changed.clear()
            await self.changed.wait()

    async def until_type(self, kind: str, **data: Any) -> dict:
        return await self.until(lambda item: is_message(item, kind, **data))

    def audio(self) -> bytes:
        return b"".join(item for item in self.received if isinstance(item, bytes))

    def of_type(self, kind: str) -> list[dict]:
        return [item["data"] for item in self.received if is_message(item, kind)]


def is_message(item: Any, kind: str, **data: Any) -> bool:
    return isinstance(item, dict) and item["type"] == kind and item.get("data", {}).items() >= data.items()


@dataclass
class KeepingRecorder:
    turns: list[TurnEnded] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    heard: dict[int, int] = field(default_factory=dict)
    hold: asyncio.Event | None = None
    error: Exception | None = None

    def save_turn(self, turn: TurnEnded) -> "asyncio.Future[None]":
        async def commit() -> None:
            if self.hold:
                await self.hold.wait()
            if self.error:
                raise self.error
            self.turns.append(turn)

        return asyncio.ensure_future(commit())

    def save_heard(self, turn_id: int, ms: int) -> None:
        self.heard[turn_id] = ms

    def save_handle(self, handle: str) -> None:
        self.fields["resumption_handle"] = handle

    def reconnecting(self) -> None:
        self.fields["reconnects"] = self.fields.get("reconnects", 0) + 1

    def update(self, **fields: Any) -> None:
        self.fields |= fields


@dataclass
class Outcome:
    result: Any = None
    status: str = "ok"
    error: str | None = None
    duration_ms: int = 1

    @property
    def response(self) -> dict[str, Any]:
        return {"result": self.result} if self.status == "ok" else {"error": self.error}


class Tools:
    """Runs the functions that the test gives it; those of `approval` ask first, a parameter `caller` is filled in."""

    def __init__(self, *, approval: tuple[str, ...] = (), **functions: Callable[..., Any]):
        self._functions = functions
        self._approval = approval
        self.called: list[str] = []
        self.told: dict[str, bool] = {}

    def needs_approval(self, name: str) -> bool:
        return name in self._approval

    async def call(self, call_id: str, name: str, args: dict[str, Any], caller: Caller) -> Outcome:
        if self.needs_approval(name) and not await caller.approve():
            return Outcome(status="denied", error="The user did not agree.")
        self.called.append(call_id)
        function = self._functions[name]
        if "caller" in inspect.signature(function).parameters:
            args = {**args, "caller": caller}
        return Outcome(await function(**args))

    def delivered(self, call_id: str, delivered: bool) -> None:
        self.told[call_id] = delivered

    async def close(self) -> None:
        pass


class BridgeUnderTest:
    """A bridge between the doubles; `async with` runs it."""

    def __init__(self, *geminis: ScriptedGemini | BaseException, tools: Tools | None = None, handle: str = "", **more):
        self.handles: list[str | None] = []
        self.histories: list[bool] = []
        self._geminis = iter(geminis)
        self.browser = KeepingBrowser()
        self.recorder = KeepingRecorder()
        self.bridge = Bridge(
            browser=self.browser,
            connections=Connections(self._dial, handle=handle, delay=0.001, attempts=3),
            tools=tools or Tools(),
            recorder=self.recorder,
            backend=Backend(kind="gemini", model="m", voice="v"),
            **more,
        )

    @asynccontextmanager
    async def _dial(self, handle: str | None, history: bool) -> AsyncIterator[ScriptedGemini]:
        self.handles.append(handle)
        self.histories.append(history)
        gemini = next(self._geminis, ConnectionRefusedError("no more in the script"))
        if isinstance(gemini, BaseException):
            raise gemini
        yield gemini

    async def __aenter__(self) -> "BridgeUnderTest":
        self._timeout = asyncio.timeout(GIVE_UP_SECONDS)
        await self._timeout.__aenter__()
        self.running = asyncio.create_task(self.bridge.run())
        return self

    async def __aexit__(self, *exc_info) -> None:
        try:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)
        finally:
            await self._timeout.__aexit__(*exc_info)
