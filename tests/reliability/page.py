"""A voice page without a browser: a real WebSocket at a real server."""

import asyncio
import json
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.server import Server
from tests.waiting import GIVE_UP_SECONDS

ORIGIN = "http://localhost:3000"


class Page:
    """`async with Page(server, session_id) as page:`; `messages` has all that came, binary audio as bytes."""

    def __init__(self, server: Server, session_id: str = ""):
        self.url = f"ws://127.0.0.1:{server.port}/ws?sessionId={session_id}"
        self.messages: list[Any] = []
        self.read = 0

    async def __aenter__(self) -> "Page":
        self.socket = await connect(
            self.url,
            origin=ORIGIN,
            proxy=None,
            subprotocols=["gemlive.v1"],
            compression=None,
            open_timeout=GIVE_UP_SECONDS,
            max_size=None,
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.socket.close()

    async def send(self, kind: str, **data: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, "data": data} if data else {"type": kind}))

    async def speak(self, pcm: bytes, *, seconds_a_frame: float = 0.04, speed: float = 1.0) -> None:
        """In real time, or faster."""
        size = int(seconds_a_frame * 32_000)
        for start in range(0, len(pcm), size):
            await self.socket.send(pcm[start : start + size])
            await asyncio.sleep(seconds_a_frame / speed)  # a microphone's own pace

    async def until(self, kind: str, seconds: float = GIVE_UP_SECONDS, **data: Any) -> dict:
        """The next message of this type with these data; what is read on the way stays in `messages`."""
        async with asyncio.timeout(seconds):
            while True:
                message = await self.receive()
                if isinstance(message, dict) and message["type"] == kind and message["data"].items() >= data.items():
                    return message["data"]

    async def until_said(self, words: str, seconds: float = GIVE_UP_SECONDS) -> None:
        """Read until the model has said these words, in however many pieces."""
        async with asyncio.timeout(seconds):
            while words not in self.said(by_user=False):
                await self.receive()

    async def receive(self) -> Any:
        try:
            frame = await self.socket.recv()
        except ConnectionClosed:
            raise AssertionError(f"closed {self.socket.close_code}: {self.messages[-5:]}") from None
        message = frame if isinstance(frame, bytes) else {"data": {}} | json.loads(frame)
        self.messages.append(message)
        return message

    async def reconnected(self, times: int = 1, seconds: float = GIVE_UP_SECONDS) -> None:
        """Read until Gemini was connected anew so many times."""
        async with asyncio.timeout(seconds):
            while self.statuses.count("CONNECTED") <= times:
                await self.receive()

    async def until_closed(self, seconds: float = GIVE_UP_SECONDS) -> int | None:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    await self.receive()
                except AssertionError:
                    return self.socket.close_code

    async def converse(self, **options: Any) -> dict:
        await self.send("connect", **options)
        return await self.until("status", status="CONNECTED")

    async def ask(self, text: str) -> dict:
        """Type, and read until the answer is saved; the turn. An earlier one, of a tool at work, may end with it."""
        await self.send("text", text=text)
        begun = await self.until("turn", state="started")
        while (turn := await self.until("turn", state="complete"))["turnId"] < begun["turnId"]:
            pass
        return turn

    def of_type(self, kind: str) -> list[dict]:
        return [message["data"] for message in self.messages if isinstance(message, dict) and message["type"] == kind]

    def said(self, *, by_user: bool) -> str:
        return "".join(item["text"] for item in self.of_type("transcription") if item["isUser"] == by_user)

    @property
    def statuses(self) -> list[str]:
        return [item["status"] for item in self.of_type("status")]

    @property
    def audio(self) -> bytes:
        return b"".join(message for message in self.messages if isinstance(message, bytes))
