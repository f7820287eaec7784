"""What a bridge needs of the world, as it sees it. `wiring.py` gives it the real parts, tests their own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from ..browser.events import Event as BrowserEvent
from ..gemini.server_messages import ServerMessage
from .events import TurnEnded, UsageReported
from .limits import Over, Totals


class Browser(Protocol):
    """The page. It never makes the conversation wait; its leaving, and its being too slow, are told elsewhere.

    An `audio {interrupt: true}` overtakes the audio that has not left yet, which then never leaves.
    """

    def send(self, event: BrowserEvent) -> None: ...
    def send_audio(self, pcm: bytes) -> None: ...


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
    async def send_tool_response(
        self, responses: Sequence[tuple[str, str, dict[str, Any], str | None]], *, will_continue: bool = False
    ) -> None:
        """(call id, name, response, scheduling) each. `will_continue`: more is to come for these calls."""
        ...

    async def send_history(self, messages: Sequence[tuple[str, str]], *, answer: bool) -> None:
        """Tell what was said before: (role, text) each. `answer`: the last message is a question that waits."""
        ...

    async def close(self) -> None: ...


Dial = Callable[[str | None, bool], AbstractAsyncContextManager[Gemini]]
"""Opens a connection: resuming a handle where there is one; else perhaps with a history, which is told first."""

Send = Callable[[Gemini], Awaitable[None]]
"""A message that waits for a connection."""


class Recorder(Protocol):
    """Keeps what happened; never makes the conversation wait."""

    def save_turn(self, turn: TurnEnded) -> "asyncio.Future[None]":
        """The future is done once the turn is committed, or fails with the database's error."""
        ...

    def save_heard(self, turn_id: int, ms: int) -> object: ...
    def save_handle(self, handle: str) -> object:
        """Keep Gemini's handle, which stands for the turns that were saved before."""
        ...

    def update(self, **fields: Any) -> object:
        """Set fields of the session."""
        ...

    def reconnecting(self) -> object:
        """The session needs another connection to Gemini."""
        ...


class Meter(Protocol):
    """Counts what a conversation uses; never makes it wait."""

    def begin(self) -> None:
        """Its time is counted from now on."""
        ...

    def rest(self) -> None:
        """Its time is not counted until the next `begin`."""
        ...

    def end(self) -> None: ...
    def count(self, usage: UsageReported) -> None: ...
    def cost(self, totals: Totals) -> float | None:
        """US dollars; None where the model's price is not known."""
        ...

    def over(self) -> Over | None:
        """Whether the conversation has to end, and why."""
        ...


class ToolOutcome(Protocol):
    status: str
    result: Any
    error: str | None
    duration_ms: int

    @property
    def response(self) -> dict[str, Any]: ...


class Caller(Protocol):
    """Who made a call, and hears of it while it runs."""

    async def approve(self) -> bool:
        """Whether a person agrees to the call; waits for him."""
        ...

    def progress(self, text: str) -> None: ...
    def part(self, value: Any) -> None: ...


class Tools(Protocol):
    def needs_approval(self, name: str) -> bool:
        """Whether a person will be asked before this tool runs."""
        ...

    async def call(self, call_id: str, name: str, args: dict[str, Any], caller: Caller) -> ToolOutcome:
        """Run a tool to its one outcome. Raises CancelledError, always, when it is cancelled, and nothing else."""
        ...

    def delivered(self, call_id: str, delivered: bool) -> None:
        """Record whether the model got the answer of this call."""
        ...

    async def close(self) -> None:
        """Wait, not for long, until all calls are recorded."""
        ...
