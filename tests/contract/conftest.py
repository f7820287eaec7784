"""The emulator, the real SDK as its client, and a raw WebSocket for frames that the SDK cannot produce.

Tests with the mark `conformance` say nothing that only the emulator knows: `make conformance` runs them against Google
too (see conformance.py).
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google import genai
from google.genai import types
from pytest_asyncio import is_async_test
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from sessions_app.emulator import Emulator

from .clock import HeldClock
from .conformance import Google, record_client_frames, target_of_this_run

HERE = Path(__file__).parent
MODEL = "gemini-3.8-live"
WEATHER = {
    "name": "get_weather",
    "description": "Weather in a city.",
    "parameters": {"type": "OBJECT", "properties": {"location": {"type": "STRING"}}, "required": ["location"]},
}
conformance = pytest.mark.conformance
PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


@pytest.fixture(autouse=True)
def _plain_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK honours proxies even for 127.0.0.1, and its library prints whole frames at DEBUG."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE"):
        monkeypatch.delenv(name, raising=False)
    logging.getLogger("websockets").setLevel(logging.INFO)


@pytest.fixture(autouse=True)
def _recorded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("conformance"):
        record_client_frames(request.node.nodeid, monkeypatch)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module's tests share an event loop, on which the emulators are that they share."""
    for item in items:
        if HERE in item.path.parents and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _emulator() -> AsyncIterator[Emulator | Google]:
    if google := target_of_this_run():
        yield google
        return
    async with Emulator(speed=0, record_audio=True, bad_keys=["bad"]) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def emulator(_emulator: Emulator | Google) -> Emulator | Google:
    """It speaks as fast as it can, and remembers nothing of another test."""
    if isinstance(_emulator, Emulator):
        await _emulator.start_afresh()
    return _emulator


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _steady() -> AsyncIterator[Emulator]:
    async with Emulator(speed=2, record_audio=True, clock=HeldClock()) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def steady(_steady: Emulator) -> Emulator:
    """An emulator that speaks at twice real time, by a clock that stands still until the test lets it go.

    A long reply is thus in the middle, after its first second, for as long as a test needs to interrupt it.
    """
    _steady.clock.hold()
    await _steady.start_afresh()
    return _steady


def client(
    emulator: Emulator | Google, *, key: str = "", version: str = "v1beta", slash: str = "", **ws: Any
) -> genai.Client:
    options = types.HttpOptions(
        base_url=emulator.url + slash, api_version=version, async_client_args={"ssl": emulator.ssl_context(), **ws}
    )
    return genai.Client(api_key=key or key_for(emulator), http_options=options)


def key_for(target: Emulator | Google) -> str:
    return target.key if isinstance(target, Google) else "key"


def dial(emulator: Emulator, config: dict[str, Any] | None = None, *, model: str = MODEL, **options: Any) -> Any:
    """`async with dial(emulator, {...}) as session`: a session of the SDK."""
    return client(emulator, **options).aio.live.connect(model=model, config=config)


async def turn(
    session: Any, answer: Callable[[types.FunctionCall], types.FunctionResponse] | None = None
) -> list[types.LiveServerMessage]:
    """All messages up to the end of the turn; tool calls are answered with `answer(call)`."""
    messages = []
    async for message in session.receive():
        messages.append(message)
        if message.tool_call and answer:
            for call in message.tool_call.function_calls:
                await session.send_tool_response(function_responses=answer(call))
    return messages


def spoken(messages: list[types.LiveServerMessage]) -> str:
    return "".join(
        message.server_content.output_transcription.text
        for message in messages
        if message.server_content and message.server_content.output_transcription
    )


def heard(messages: list[types.LiveServerMessage]) -> str:
    return "".join(
        message.server_content.input_transcription.text
        for message in messages
        if message.server_content and message.server_content.input_transcription
    )


def events(messages: list[types.LiveServerMessage]) -> list[str]:
    """The order of what happened, runs of audio and transcription once."""
    names: list[str] = []
    for message in messages:
        content = message.server_content
        found = [name for name in ("tool_call", "tool_call_cancellation") if getattr(message, name)]
        if content:
            found += ["audio"] * bool(message.data)
            found += [
                name for name in ("interrupted", "generation_complete", "turn_complete") if getattr(content, name)
            ]
        names += [name for name in found if not (name == "audio" and names[-1:] == ["audio"])]
    return names


class Raw:
    """A WebSocket that sends what it is told."""

    def __init__(self, websocket: ClientConnection):
        self.websocket = websocket

    async def send(self, message: Any) -> None:
        await self.websocket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        return json.loads(await self.websocket.recv())

    async def turn(self) -> list[dict[str, Any]]:
        messages = [await self.receive()]
        while not messages[-1].get("serverContent", {}).get("turnComplete"):
            messages.append(await self.receive())
        return messages

    async def closed(self) -> tuple[int | None, str]:
        """Read to the end; the close code and reason."""
        with suppress(ConnectionClosed):
            while True:
                await self.websocket.recv()
        return self.websocket.close_code, self.websocket.close_reason or ""


class raw(AbstractAsyncContextManager["Raw"]):
    """`async with raw(emulator, {...setup}) as ws`; without a setup nothing is sent."""

    def __init__(
        self, emulator: Emulator, setup: dict[str, Any] | None = None, *, path: str = PATH + "?key=k", **ws: Any
    ):
        self.setup = setup
        url = emulator.url.replace("https", "wss") + path.replace("?key=k", f"?key={key_for(emulator)}")
        self.connecting = connect(url, ssl=emulator.ssl_context(), proxy=None, max_size=None, **ws)

    async def __aenter__(self) -> Raw:
        self.connection = Raw(await self.connecting.__aenter__())
        if self.setup is not None:
            await self.connection.send({"setup": self.setup})
            assert "setupComplete" in await self.connection.receive()
        return self.connection

    async def __aexit__(self, *error: Any) -> None:
        await self.connecting.__aexit__(*error)
