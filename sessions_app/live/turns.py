"""A turn as it grows, and a question that is said twice."""

from datetime import datetime

from .events import Utterance


class Side:
    """The transcript of one side of a turn, as it grows."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.started_at: datetime | None = None
        self.ended_at: datetime | None = None

    def add(self, text: str, now: datetime) -> None:
        self.pieces.append(text)
        self.started_at = self.started_at or now
        self.ended_at = now

    def utterance(self) -> Utterance | None:
        text = "".join(self.pieces).strip()
        if not text or self.started_at is None or self.ended_at is None:
            return None
        return Utterance(text, self.started_at, self.ended_at)


class Turn:
    def __init__(self, turn_id: int) -> None:
        self.id = turn_id
        self.user = Side()
        self.model = Side()
        self.replying = False
        self.generated = False
        self.called = False
        self.audio_bytes = 0
        self.time_to_first_audio_ms: int | None = None

    @property
    def spoke(self) -> bool:
        return bool(self.audio_bytes or self.model.pieces)


class Repetition:
    """A question that is said again on a new connection: Gemini hears it once more, the transcript has it already."""

    def __init__(self, text: str):
        self._expected = _letters(text)

    def leave_out(self, heard: str) -> str:
        """What of `heard` is new. Where it is other words than expected, nothing is left out."""
        if not self._expected:
            return heard
        letters = _letters(heard)
        if self._expected.startswith(letters):
            self._expected = self._expected[len(letters) :]
            return ""
        expected, self._expected = self._expected, ""
        if not letters.startswith(expected):
            return heard
        known = len(expected)
        for position, character in enumerate(heard):
            known -= character.isalnum()
            if known < 0:
                return heard[position:]
        return ""


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()
