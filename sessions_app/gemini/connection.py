"""One connection to Gemini Live, opened by the google-genai SDK.

The SDK dials, authenticates and sends the setup; typed text, images, marks and tool answers go through its public
methods. Audio, 25 frames a second in each direction, goes by its socket with our codec: the SDK's pydantic models
would cost more than everything else together. Without that private socket the public methods carry audio too.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from google import genai
from google.genai import types
from google.genai.errors import APIError
from google.genai.live import AsyncSession
from websockets.exceptions import ConnectionClosed

from . import codec
from .errors import CONNECTION_ERRORS
from .server_messages import ServerMessage
from .setup import LiveSetup

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GeminiEndpoint:
    """Where Gemini Live is, and how to dial it."""

    api_key: str = field(repr=False)
    base_url: str = ""
    ca_file: str = ""
    api_version: str = "v1beta"
    connect_timeout: float = 15.0
    """Seconds until `setupComplete`; the SDK itself would wait for ever."""

    def client(self) -> genai.Client:
        """The SDK's client; it may serve every conversation of a process.

        Raises:
            OSError: `ca_file` cannot be read.
        """
        websocket_options: dict[str, Any] = {
            # Gemini's pongs may take 30 s; the SDK's 20 s would kill healthy sessions. A dead peer is still found.
            "ping_interval": 30,
            "ping_timeout": 90,
            "max_size": 16 * 2**20,
            # Never stop reading: pongs would wait behind audio. The bridge drains at once.
            "max_queue": None,
            # Base64 of noise does not shrink; deflate only takes time.
            "compression": None,
            "close_timeout": 2,
        }
        if self.ca_file:
            websocket_options["ssl"] = ssl.create_default_context(cafile=self.ca_file)
        options = types.HttpOptions(
            api_version=self.api_version,
            base_url=self.base_url or None,
            async_client_args=websocket_options,
        )
        return genai.Client(api_key=self.api_key, http_options=options)


class GeminiConnection:
    """Iterate for its messages; iteration ends with the connection, and `error` then says why."""

    def __init__(self, session: AsyncSession, *, history_first: bool = False):
        self._session = session
        self._history_first = history_first
        # Private in the SDK: a release without it makes us slower, not broken.
        self._socket = getattr(session, "_ws", None)
        self.error: BaseException | None = None

    async def __aiter__(self) -> AsyncIterator[ServerMessage]:
        try:
            if self._socket is None:
                while True:
                    # The SDK's iterator ends with each turn.
                    async for model in self._session.receive():
                        yield codec.decode(model.model_dump_json(by_alias=True, exclude_none=True))
            else:
                receive = self._socket.recv
                while True:
                    frame = await receive(decode=False)
                    try:
                        message = codec.decode(frame)
                    except msgspec.DecodeError as error:
                        # One message that we cannot read is no reason to lose a conversation.
                        logger.warning("Left out a message of Gemini (%d bytes): %s", len(frame), error)
                        continue
                    if status := message.error or (message if message.code else None):
                        APIError.raise_error(status.code or 0, {"message": status.message}, None)
                    yield message
        except CONNECTION_ERRORS as error:
            self.error = without_frames(error)

    async def send_audio(self, pcm: bytes, rate: int = 16_000) -> None:
        if self._socket is None:
            blob = types.Blob(data=pcm, mime_type=f"audio/pcm;rate={rate}")
            await self._session.send_realtime_input(audio=blob)
        else:
            await self._socket.send(codec.encode_audio(pcm, rate))

    async def send_text(self, text: str) -> None:
        await self._session.send_realtime_input(text=text)

    async def send_image(self, data: bytes, mime_type: str) -> None:
        await self._session.send_realtime_input(video=types.Blob(data=data, mime_type=mime_type))

    async def send_activity_start(self) -> None:
        await self._session.send_realtime_input(activity_start=types.ActivityStart())

    async def send_activity_end(self) -> None:
        await self._session.send_realtime_input(activity_end=types.ActivityEnd())

    async def send_audio_stream_end(self) -> None:
        await self._session.send_realtime_input(audio_stream_end=True)

    async def send_tool_response(
        self, responses: Sequence[tuple[str, str, dict[str, Any], str | None]], *, will_continue: bool = False
    ) -> None:
        """Answer tool calls: (call id, tool's name, response, scheduling) each.

        `scheduling` says when the model speaks of the answer to a non-blocking call: "INTERRUPT", "WHEN_IDLE" or
        "SILENT" (https://ai.google.dev/api/caching#FunctionResponse); None leaves it to the model.
        `will_continue`: the calls are not at their end; more answers come, which only non-blocking calls may have.
        """
        await self._session.send_tool_response(
            function_responses=[
                types.FunctionResponse(
                    id=call_id,
                    name=name,
                    response=response,
                    scheduling=types.FunctionResponseScheduling(scheduling) if scheduling else None,
                    will_continue=True if will_continue else None,
                )
                for call_id, name, response, scheduling in responses
            ]
        )

    async def send_history(self, messages: Sequence[tuple[str, str]], *, answer: bool) -> None:
        """Tell what was said before: (role, text) each. `answer`: the last one is a question that waits."""
        messages = list(messages)
        question = messages.pop()[1] if answer and self._history_first else None
        if messages:
            turns: list[types.Content | types.ContentDict] = [
                types.Content(role=role, parts=[types.Part(text=text)]) for role, text in messages
            ]
            # An initial history is complete and never answered; other content is answered when it is complete.
            await self._session.send_client_content(turns=turns, turn_complete=self._history_first or answer)
        if question:
            await self.send_text(question)

    async def close(self) -> None:
        with suppress(*CONNECTION_ERRORS):
            await self._session.close()


def without_frames(error: BaseException) -> BaseException:
    """The error and its causes, without the frames that hold on to the connection: 256 KB of TLS buffers each, which
    the garbage collector, who counts objects and not bytes, would leave lying for minutes."""
    link: BaseException | None = error
    while link:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error


class NoSetupComplete(ConnectionError):
    """Gemini answered the setup with something else than `setupComplete`."""


@asynccontextmanager
async def connect(
    client: genai.Client, setup: LiveSetup, *, handle: str | None, timeout: float, history: bool = False
) -> AsyncIterator[GeminiConnection]:
    """Dial, set up, and resume `handle` where there is one. `history`: `send_history` is called before all else.

    Raises:
        CONNECTION_ERRORS: see `errors.explain`; TimeoutError after `timeout` seconds without `setupComplete`.
    """
    dialling = client.aio.live.connect(model=setup.model, config=setup.config(handle, history=history))
    async with asyncio.timeout(timeout):
        session = await dialling.__aenter__()
    try:
        if session.setup_complete is None:
            raise NoSetupComplete("no setupComplete came first")
        yield GeminiConnection(session, history_first=history and setup.history_first)
    finally:
        # Not with the body's exception: the SDK would close with 1011 instead of 1000.
        with suppress(ConnectionClosed):
            await dialling.__aexit__(None, None, None)
