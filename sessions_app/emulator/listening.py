"""What a client says in a session: audio, pictures, text, marks, and history."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .activity import BYTES_PER_SECOND, MAX_UTTERANCE, RATE
from .config import Config
from .resampling import Resampler
from .turns import Turns
from .usage import IMAGE_TOKENS
from .wire import INVALID_ARGUMENT, Refusal

if TYPE_CHECKING:
    from .server import Emulator
    from .session import Session


class Listening:
    """Turns input into turns. What it hears comes later than what it reads; both decide under `session.deciding`."""

    def __init__(self, session: Session, config: Config, emulator: Emulator, turns: Turns):
        self._session = session
        self._config = config
        self._emulator = emulator
        self._turns = turns
        self._resampler = Resampler(RATE)
        # None: the client marks activity by hand.
        self._stream = emulator.listener.stream(config.sensitivity, self._detected) if config.sensitivity else None
        self._activity: bytearray | None = None  # audio since activityStart
        self._unheard = b""  # an utterance whose understanding was cut off by more speech
        self._content: list[str] = []  # clientContent that waits for turnComplete
        self._seeding = config.seeding

    async def realtime(self, message: dict[str, Any]) -> None:
        for blob in [message.get("audio"), message.get("video"), *message.get("mediaChunks", [])]:
            if blob is not None:
                await self._blob(blob)
        if "activityStart" in message or "activityEnd" in message:
            async with self._session.deciding:
                await self._activity_mark(starts="activityStart" in message)
        if text := message.get("text"):
            async with self._session.deciding:
                self._unheard = b""
                self._seeding = False  # a history is initial: the conversation has begun
                self._remember_content()
                # A text without a word asks for the answer to what is there already, such as a history's last turn.
                said = text if _has_words(text) else self._turns.unanswered() or text
                await self._turns.start(lambda: self._turns.answer(said), interrupts=self._config.interrupts)
        if message.get("audioStreamEnd") and self._stream:
            self._emulator.listener.flush(self._stream)

    async def _blob(self, blob: dict[str, Any]) -> None:
        mime, payload = blob.get("mimeType", ""), blob.get("data", b"")
        if mime.startswith("image/"):
            count = self._session.images.get("count", 0) + 1
            self._session.images = {
                "count": count,
                "bytes": len(payload),
                "kilobytes": round(len(payload) / 1000, 1),
                "type": mime.removeprefix("image/"),
            }
            self._turns.usage.add_prompt("IMAGE", IMAGE_TOKENS)
        elif mime.startswith("audio/pcm"):
            rate = int(found[1]) if (found := re.search(r"rate=(\d{1,6})", mime)) else RATE
            await self._audio(payload, rate)
        else:
            raise Refusal(INVALID_ARGUMENT)

    async def _audio(self, pcm: bytes, rate: int) -> None:
        if not 4_000 <= rate <= 192_000:
            raise Refusal(INVALID_ARGUMENT)
        self._session.audio_received += len(pcm)
        if self._emulator.record_audio:
            self._session.recorded_audio += pcm
        if self._emulator.echo:
            await self._session.send_audio(pcm)
            return
        if rate != self._resampler.rate:
            self._resampler = Resampler(rate)
        pcm = self._resampler.feed(pcm)
        self._session.recording.heard(pcm)
        self._turns.usage.add_prompt_audio(len(pcm) / BYTES_PER_SECOND)
        if self._stream is None:
            if self._activity is not None and len(self._activity) < MAX_UTTERANCE:
                self._activity += pcm
        elif pcm:
            self._emulator.listener.feed(self._stream, pcm)

    async def _activity_mark(self, starts: bool) -> None:
        if self._stream is not None:
            raise Refusal("Explicit activity control is not supported when automatic activity detection is enabled.")
        if starts:
            self._activity = bytearray()
            await self._speech_begins()
        elif self._activity is not None:
            pcm, self._activity = bytes(self._activity), None
            await self._utterance(pcm)

    def _detected(self, name: str, utterance: bytes, seconds: float) -> None:
        if not self._session.open:
            return

        async def decide() -> None:
            async with self._session.deciding:
                if self._config.vad_signals:
                    await self._say_activity(name, seconds)
                await (self._speech_begins() if name == "start" else self._utterance(utterance))

        self._session.later(0, decide)

    async def _say_activity(self, name: str, seconds: float) -> None:
        signal, kind = ("SOS", "ACTIVITY_START") if name == "start" else ("EOS", "ACTIVITY_END")
        await self._session.send({"voiceActivityDetectionSignal": {"vadSignalType": f"VAD_SIGNAL_TYPE_{signal}"}})
        await self._session.send({"voiceActivity": {"type": kind, "audioOffset": f"{seconds:.3f}s"}})

    async def _speech_begins(self) -> None:
        self._turns.user_is_speaking = True
        if self._config.interrupts:
            await self._turns.interrupt(by_voice=True)

    async def _utterance(self, pcm: bytes) -> None:
        self._turns.user_is_speaking = False
        self._seeding = False
        if self._config.interrupts:
            self._unheard = pcm = (self._unheard + pcm)[-MAX_UTTERANCE:]

        async def turn() -> None:
            text = await self._emulator.hear(pcm, self._config.heard_language)
            self._unheard = b""
            if self._config.transcribe_input:
                words = (text or "<noise>").split()
                size = len(words) if self._config.profile.whole_transcripts else 3
                for start in range(0, len(words), size):
                    delta = (" " if start else "") + " ".join(words[start : start + size])
                    await self._session.send({"serverContent": {"inputTranscription": {"text": delta}}})
            await self._turns.answer(text)

        await self._turns.start(turn, interrupts=self._config.interrupts)

    def _remember_content(self) -> None:
        for text in self._content:
            self._turns.remember("user", text)
        self._content.clear()

    async def content(self, message: dict[str, Any]) -> None:
        for content in message.get("turns", []):
            role = content.get("role", "user")
            if role not in ("user", "model"):
                raise Refusal("Please use a valid role: user, model.")
            for part in content.get("parts", []):
                if part.get("inlineData", {}).get("mimeType", "").startswith("image/"):
                    await self._blob(part["inlineData"])
            text = " ".join(part["text"] for part in content.get("parts", []) if "text" in part)
            if role == "user" and text and not self._seeding:
                self._content.append(text)
            else:
                self._turns.remember(role, text)
        if not message.get("turnComplete"):
            return
        if self._seeding:
            self._seeding = False
            return
        asked = [index for index, text in enumerate(self._content) if _has_words(text)]
        question = self._content.pop(asked[-1]) if asked else self._turns.unanswered()
        self._remember_content()
        self._unheard = b""
        await self._turns.start(lambda: self._turns.answer(question))


def _has_words(text: str) -> bool:
    return re.search(r"\w", text) is not None
