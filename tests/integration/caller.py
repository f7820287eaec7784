"""A client of `/ws`, over Channels' communicator and the project's whole ASGI application."""

import asyncio
import base64
import json
from typing import Any

from channels.testing import WebsocketCommunicator

from gemlive_project.asgi import application
from tests.waiting import GIVE_UP_SECONDS

ORIGIN = "http://localhost:3000"


class Caller:
    """`async with Caller(session_id)`: connected to the server, not yet to Gemini."""

    def __init__(
        self,
        session_id: str | None = None,
        *,
        path: str = "/ws",
        origin: str | None = ORIGIN,
        binary: bool = False,
        ticket: str = "",
        cookie: str = "",
    ):
        """`ticket` goes as a subprotocol; `cookie` is the value of Django's session cookie."""
        headers = [(b"origin", origin.encode())] if origin is not None else []
        if cookie:
            headers.append((b"cookie", f"sessionid={cookie}".encode()))
        query = f"?sessionId={session_id}" if session_id is not None else ""
        subprotocols = ["gemlive.v1"] * binary + [f"ticket.{ticket}"] * bool(ticket)
        self.socket = WebsocketCommunicator(application, path + query, headers, subprotocols)
        self.messages: list[Any] = []
        self.audio = b""
        self.close_code: int | None = None

    async def __aenter__(self) -> "Caller":
        accepted, self.subprotocol = await self.socket.connect(timeout=GIVE_UP_SECONDS)
        assert accepted
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.socket.disconnect(timeout=GIVE_UP_SECONDS)

    async def send(self, kind: str, **data: Any) -> None:
        await self.socket.send_to(text_data=json.dumps({"type": kind, "data": data} if data else {"type": kind}))

    async def receive(self) -> dict | bytes | None:
        """The next message; None when the server has closed."""
        output = await self.socket.receive_output(timeout=GIVE_UP_SECONDS)
        if output["type"] == "websocket.close":
            self.close_code = output.get("code")
            return None
        if (pcm := output.get("bytes")) is not None:
            self.audio += pcm
            self.messages.append(pcm)
            return pcm
        message = json.loads(output["text"])
        if message["type"] == "audio" and "audio" in message["data"]:
            self.audio += base64.b64decode(message["data"]["audio"])
        self.messages.append(message)
        return message

    async def until(self, kind: str, **data: Any) -> dict:
        """Read until a message of this type with these data comes."""
        while (message := await self.receive()) is not None:
            if (
                isinstance(message, dict)
                and message["type"] == kind
                and message.get("data", {}).items() >= data.items()
            ):
                return message
        raise AssertionError(f"The server closed ({self.close_code}) before {kind} {data}")

    async def until_closed(self) -> int | None:
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while await self.receive() is not None:
                pass
        return self.close_code

    async def converse(self, **options: Any) -> dict:
        """Connect to Gemini; returns the data of CONNECTED."""
        await self.send("connect", **options)
        return (await self.until("status", status="CONNECTED"))["data"]

    async def ask(self, text: str) -> None:
        """Type, and read until the turn is saved."""
        await self.send("text", text=text)
        await self.until("turn", state="complete")

    def said(self, *, by_user: bool) -> str:
        return "".join(
            message["data"]["text"]
            for message in self.messages
            if isinstance(message, dict) and message["type"] == "transcription" and message["data"]["isUser"] == by_user
        )

    def of_type(self, kind: str) -> list[dict]:
        return [message["data"] for message in self.messages if isinstance(message, dict) and message["type"] == kind]
