"""What happens in a conversation, as the bridge handles it. Plain immutable facts; audio is s16le mono at 24 kHz."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec


class Audio(msgspec.Struct, frozen=True, gc=False):
    """A piece of the reply (a msgspec struct: it comes 25 times a second and costs a tenth of a frozen dataclass)."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of one side's transcript."""

    turn_id: int
    is_user: bool
    text: str


@dataclass(frozen=True, slots=True)
class TurnStarted:
    turn_id: int


@dataclass(frozen=True, slots=True)
class ReplyStarted:
    """Gemini has understood the question: what was sent before belongs to it. Told again when an answer is first
    heard after a tool: what was said meanwhile belongs to it, too."""

    turn_id: int


@dataclass(frozen=True, slots=True)
class Generated:
    """No more audio comes for this turn."""

    turn_id: int
    time_to_first_audio_ms: int | None


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The user spoke over the reply: what is not played yet must not be heard."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one side said in a turn."""

    text: str
    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """`audio_ms`: length of the reply's audio. `answered`: nothing more is to come; false where a tool is still at
    work, and where the connection took the rest of the reply with it (`lost`)."""

    turn_id: int
    user: Utterance | None
    model: Utterance | None
    interrupted: bool
    time_to_first_audio_ms: int | None
    audio_ms: int = 0
    answered: bool = True
    lost: bool = False


@dataclass(frozen=True, slots=True)
class ToolCallRequested:
    call_id: str
    name: str
    args: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCallCancelled:
    call_id: str


@dataclass(frozen=True, slots=True)
class UsageReported:
    """Tokens of one turn; `by_modality` such as {"prompt.audio": 120}."""

    prompt: int
    response: int
    total: int
    by_modality: dict[str, int]


@dataclass(frozen=True, slots=True)
class HandleRenewed:
    """With this handle a later connection goes on where this one stands; empty: it cannot be resumed now."""

    handle: str


@dataclass(frozen=True, slots=True)
class GoingAway:
    """Gemini closes this connection soon."""

    seconds: float


Event = (
    Audio | Said | TurnStarted | ReplyStarted | Generated | Interrupted | TurnEnded | ToolCallRequested
    | ToolCallCancelled | UsageReported | HandleRenewed | GoingAway
)  # fmt: skip
