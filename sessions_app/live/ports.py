"""What a bridge needs of the world, as it sees it. `wiring.py` gives it the real parts, tests their own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from ..browser.events import Event as BrowserEvent
from ..gemini.server_messages import ServerMessage
from .events import TurnEnded


class Browser(Protocol):
    """The page. Sending to one that has left does nothing: its leaving is told elsewhere."""

    async def send(self, event: BrowserEvent) -> None: ...
    async def send_audio(self, pcm: bytes) -> None: ...


class Gemini(Protocol):
    """One open connection; iterate for its messages until it ends, then `error` says why."""

    error: BaseException | None

    def __aiter__(self) -> AsyncIterator[ServerMessage]: ...
    async def send_audio(self, pcm: bytes, rate: int) -> None: ...
    async def send_text(self, text: str) -> None: ...
    async def send_image(self, data: bytes, mime_type: str) -> None: ...
    async def send_activity_start(self) -> None: ...
    async def send_activity_end(self) -> None: ...
    async def send_audio_stream_end(self) -> None: ...
    async def send_tool_response(self, responses: list[tuple[str, str, dict[str, Any], str | None]]) -> None: ...
    async def close(self) -> None: ...


Dial = Callable[[str | None], AbstractAsyncContextManager[Gemini]]
"""Opens a connection, resuming a handle where there is one."""

Send = Callable[[Gemini], Awaitable[None]]
"""A message that waits for a connection."""


class Recorder(Protocol):
    """Keeps what happened; never makes the conversation wait."""

    def save_turn(self, turn: TurnEnded) -> "asyncio.Future[None]":
        """The future is done once the turn is committed, or fails with the database's error."""
        ...

    def save_heard(self, turn_id: int, ms: int) -> None: ...
    def update(self, **fields: Any) -> None:
        """Set fields of the session."""
        ...


class ToolOutcome(Protocol):
    status: str
    result: Any
    error: str | None
    duration_ms: int

    @property
    def response(self) -> dict[str, Any]: ...


class Tools(Protocol):
    async def call(self, call_id: str, name: str, args: dict[str, Any]) -> ToolOutcome:
        """Run a tool to its one outcome. Raises CancelledError, always, when it is cancelled, and nothing else."""
        ...

    async def close(self) -> None:
        """Wait, not for long, until all calls are recorded."""
        ...
