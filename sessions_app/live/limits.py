"""What a conversation may take, and what it has taken."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from .events import UsageReported


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Who answers, for the page's `CONNECTED`."""

    kind: Literal["gemini", "emulator"]
    model: str
    voice: str
    phrases: list[str] | None = None
    """What the emulator understands."""


@dataclass
class Totals:
    """Tokens of the session, over all its turns."""

    prompt: int = 0
    response: int = 0
    total: int = 0
    by_modality: Counter[str] = field(default_factory=Counter)

    def add(self, usage: UsageReported) -> None:
        self.prompt += usage.prompt
        self.response += usage.response
        self.total += usage.total
        self.by_modality.update(usage.by_modality)


@dataclass(frozen=True)
class Over:
    """A limit was reached. `lives`: the session may go on with a new `connect`, perhaps after `retry_after` seconds."""

    code: Literal["idle", "too_long", "quota_used_up", "conversations_stopped"]
    message: str
    lives: bool
    retry_after: int | None = None


class Unmetered:
    """Counts nothing, and ends nothing."""

    def begin(self) -> None: ...
    def rest(self) -> None: ...
    def end(self) -> None: ...
    def count(self, usage: UsageReported) -> None: ...

    def cost(self, totals: Totals) -> float | None:
        return None

    def over(self) -> Over | None:
        return None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """In seconds. `idle`: without a turn; `longest`: in all; `silence`: of Gemini, while something is expected."""

    idle: float = 600.0
    longest: float = 3600.0
    silence: float = 30.0

    @property
    def look_every(self) -> float:
        return max(0.02, min(5.0, self.idle / 8, self.longest / 8, self.silence / 8))

    def over(self, *, idle: float, lasted: float) -> Over | None:
        if lasted > self.longest:
            return Over("too_long", f"A conversation lasts at most {minutes(self.longest)}. Start a new one.", False)
        if idle > self.idle:
            message = f"Nothing was said for {minutes(self.idle)}: the conversation was paused. Press Start to go on."
            return Over("idle", message, True)
        return None


def minutes(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes"
