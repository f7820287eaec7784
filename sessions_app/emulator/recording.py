"""What went over a session's wire, frame by frame, for tests and for files."""

from __future__ import annotations

import datetime
import wave
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from .clock import Clock

MAX_FRAMES = 10_000  # of one session, in memory


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. `seconds` since the session began; `sent` by the emulator, else received by it; `size` in bytes.

    `message` is camelCase; bytes of media are replaced by `{"bytes": size}`.
    """

    seconds: float
    sent: bool
    size: int
    message: dict[str, Any]

    @property
    def kind(self) -> str:
        """The message's key, such as "realtimeInput.audio" or "serverContent.turnComplete"."""
        return "+".join(
            f"{name}.{'+'.join(value)}" if name in ("realtimeInput", "serverContent") and value else name
            for name, value in self.message.items()
        )


def without_bytes(value: Any) -> Any:
    """A message as it is recorded. Base64 of media, in messages that were sent, counts as bytes too."""
    if isinstance(value, bytes):
        return {"bytes": len(value)}
    if isinstance(value, dict):
        if isinstance(value.get("data"), str) and "mimeType" in value:
            return {**value, "data": {"bytes": len(value["data"]) * 3 // 4 - value["data"][-2:].count("=")}}
        return {key: without_bytes(item) for key, item in value.items()}
    return [without_bytes(item) for item in value] if isinstance(value, list) else value


class Recording:
    """One session's frames; with a folder also as files: `frames.jsonl`, `heard.wav` and `spoken.wav`.

    Written as it comes, so that a killed emulator leaves what it had. Audio in both directions, 16-bit mono: what the
    client sent, brought to 16 kHz, and what was answered, 24 kHz, each without the pauses between.
    """

    def __init__(self, number: int, folder: Path | None, clock: Clock):
        # Messages are kept as JSON, in tuples of plain values: as dicts, the audio of 200 sessions would be millions
        # of objects for the garbage collector to look at again and again, and everybody would wait for it.
        self._kept: deque[tuple[float, bool, int, bytes]] = deque(maxlen=MAX_FRAMES)
        self._clock = clock
        self._began = clock.time()
        self._lines: Any = None
        self._heard: wave.Wave_write | None = None
        self._spoken: wave.Wave_write | None = None
        if folder is not None:
            now = datetime.datetime.now(datetime.UTC)
            place = folder / f"{now:%Y%m%d-%H%M%S}-session-{number:04}"
            place.mkdir(parents=True, exist_ok=True)
            self._lines = (place / "frames.jsonl").open("w", encoding="utf-8", buffering=1)
            self._heard = _wave(place / "heard.wav", 16_000)
            self._spoken = _wave(place / "spoken.wav", 24_000)

    @property
    def frames(self) -> list[Frame]:
        """All of them, oldest first (the last 10,000)."""
        decode = msgspec.json.decode
        return [Frame(seconds, sent, size, decode(message)) for seconds, sent, size, message in tuple(self._kept)]

    def seconds(self) -> float:
        """Since the session began."""
        return self._clock.time() - self._began

    def note(self, sent: bool, message: dict[str, Any], size: int) -> None:
        """Keep a message."""
        self._keep(sent, size, msgspec.json.encode(without_bytes(message)))

    def note_audio(self, sent: bool, audio_bytes: int, mime: str, size: int) -> None:
        """Keep a message that is one piece of audio."""
        self._keep(sent, size, _audio_message(sent, audio_bytes, mime))

    def _keep(self, sent: bool, size: int, message: bytes) -> None:
        seconds = self.seconds()
        self._kept.append((seconds, sent, size, message))
        if self._lines:
            head = f'{{"seconds": {seconds:.4f}, "sent": {str(sent).lower()}, "size": {size}, "message": '
            self._lines.write(head + message.decode() + "}\n")

    def heard(self, pcm: bytes) -> None:
        if self._heard:
            self._heard.writeframes(pcm)

    def spoken(self, pcm: bytes) -> None:
        if self._spoken:
            self._spoken.writeframes(pcm)

    def close(self) -> None:
        for file in (self._lines, self._heard, self._spoken):
            if file:
                file.close()
        self._lines = self._heard = self._spoken = None


@lru_cache(maxsize=256)
def _audio_message(sent: bool, audio_bytes: int, mime: str) -> bytes:
    blob = {"data": {"bytes": audio_bytes}, "mimeType": mime}
    if sent:
        return msgspec.json.encode({"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]}}})
    return msgspec.json.encode({"realtimeInput": {"audio": blob}})


def _wave(path: Path, rate: int) -> wave.Wave_write:
    file = wave.open(str(path), "wb")  # noqa: SIM115 (closed with the session)
    file.setparams((1, 2, rate, 0, "NONE", ""))
    return file
