"""Tokens: what Gemini reports → what each turn took."""

from collections import Counter
from typing import Literal

from ..gemini.server_messages import UsageMetadata
from .events import UsageReported


class Usage:
    """Reports of one connection after the other.

    Within a turn a later report contains the earlier ones. `counts` says what a report stands for: "turn" (as Gemini's
    Live models do: the prompt is the whole context, the response this turn's), or "session" (all turns of this
    connection so far; the difference is the turn's).
    """

    def __init__(self, counts: Literal["turn", "session"] = "turn"):
        self._cumulates = counts == "session"
        self._latest: Counter[str] | None = None
        self._before: Counter[str] = Counter()

    def report(self, usage: UsageMetadata) -> None:
        counted = Counter(
            prompt=usage.prompt_token_count,
            response=usage.response_token_count or usage.candidates_token_count,
            total=usage.total_token_count,
        )
        sides = (
            ("prompt", usage.prompt_tokens_details),
            ("response", usage.response_tokens_details or usage.candidates_tokens_details),
        )
        for side, details in sides:
            for detail in details:
                counted[f"{side}.{detail.modality.lower()}"] += detail.token_count
        self._latest = counted

    def take(self) -> UsageReported | None:
        """The tokens of the turn that has ended; None where nothing was reported."""
        counted, self._latest = self._latest, None
        if counted is None:
            return None
        if self._cumulates:
            # Counter's own minus leaves out what a compressed context has made smaller: less is nothing, not a credit.
            counted, self._before = counted - self._before, counted
        return UsageReported(
            counted["prompt"],
            counted["response"],
            counted["total"],
            {name: count for name, count in counted.items() if "." in name and count},
        )

    def connection_ended(self) -> None:
        """The next connection counts from nothing."""
        self._before = Counter()
