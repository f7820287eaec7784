"""The emulator's ears: when somebody speaks (energy), and what was said (pocketsphinx with the script's grammar).

pocketsphinx's free dictation is far too weak to be useful, but with a grammar of known phrases it is reliable. Speech
that is in no phrase is caught by a loop over all phones that competes with the phrases in the same search.
Measured figures: docs/emulator.md.
"""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
import soxr
from pocketsphinx import Decoder, get_model_path

from .script import Script, ScriptError

RATE = 16_000  # Hz, what Gemini Live hears
BYTES_PER_SECOND = RATE * 2
FRAME = RATE // 50  # samples in 20 ms
MAX_UTTERANCE = 30 * BYTES_PER_SECOND  # bytes

# The chance of going on with one more phone of unknown speech. Lower hears more and mishears more.
UNKNOWN_SPEECH_WEIGHT = 1e-13
PIECE = BYTES_PER_SECOND // 10
# Digital silence, which synthetic speech has and microphones have not, spoils the recogniser's features.
ROOM_NOISE = 10.0  # RMS of int16 samples
SILENCE_BEFORE, SILENCE_AFTER = RATE * 3 // 10, RATE // 2  # samples that are added to an utterance
PHONES = (
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()  # noqa: SIM905
)


class Resampler:
    """Turns the client's audio, chunk by chunk, into whole 16-bit samples at 16 kHz."""

    def __init__(self, rate: int):
        self.rate = rate
        self._stream = None if rate == RATE else soxr.ResampleStream(rate, RATE, 1, dtype="int16", quality="LQ")
        self._odd = b""

    def feed(self, pcm: bytes) -> bytes:
        if self._odd or len(pcm) % 2:
            pcm = self._odd + pcm
            cut = len(pcm) - len(pcm) % 2
            pcm, self._odd = pcm[:cut], pcm[cut:]
        if self._stream is None or not pcm:
            return pcm
        return self._stream.resample_chunk(np.frombuffer(pcm, "<i2")).astype("<i2").tobytes()


class ActivityDetector:
    """Finds utterances in a stream of audio by its energy, in steps of 20 ms.

    `feed` returns events in order: `("start", None)` when speech begins, `("end", pcm)` with the whole utterance, some
    audio before its start included, when silence has followed it. Costs a few microseconds a chunk.
    """

    QUIETEST = 250.0  # RMS of int16 samples: below is silence, however quiet the room
    ABOVE_NOISE = 3.0
    END_FACTOR = 0.7  # speech ends at a lower level than it begins

    def __init__(self, silence_ms: int = 600, prefix_padding_ms: int = 300, start_ms: int = 80):
        self._silence_frames = max(1, silence_ms // 20)
        self._start_frames = max(1, start_ms // 20)
        self._before: deque[bytes] = deque(maxlen=max(1, prefix_padding_ms // 20) + self._start_frames)
        self._noise = 50.0
        self._rest = b""
        self._run = 0  # frames in a row that speak against the present state
        self._utterance: bytearray | None = None

    @property
    def active(self) -> bool:
        return self._utterance is not None

    def feed(self, pcm: bytes) -> list[tuple[str, bytes | None]]:
        pcm = self._rest + pcm
        count = len(pcm) // (FRAME * 2)
        self._rest = pcm[count * FRAME * 2 :]
        if not count:
            return []
        samples = np.frombuffer(pcm, "<i2", count * FRAME).astype(np.float32).reshape(count, FRAME)
        samples -= samples.mean(axis=1, keepdims=True)
        loudness = np.sqrt((samples * samples).mean(axis=1)).tolist()
        events: list[tuple[str, bytes | None]] = []
        for index, rms in enumerate(loudness):
            frame = pcm[index * FRAME * 2 : (index + 1) * FRAME * 2]
            if event := self._step(frame, rms):
                events.append(event)
        return events

    def flush(self) -> bytes | None:
        """End the running utterance now, as `audioStreamEnd` asks; its audio, or None if nobody speaks."""
        return self._finish() if self._utterance is not None else None

    def _step(self, frame: bytes, rms: float) -> tuple[str, bytes | None] | None:
        threshold = max(self.QUIETEST, self._noise * self.ABOVE_NOISE)
        if self._utterance is None:
            self._before.append(frame)
            if rms >= threshold:
                self._run += 1
                if self._run >= self._start_frames:
                    self._utterance = bytearray(b"".join(self._before))
                    self._run = 0
                    return ("start", None)
            else:
                self._run = 0
                self._noise += 0.05 * (rms - self._noise)
            return None
        self._utterance += frame
        self._run = self._run + 1 if rms < threshold * self.END_FACTOR else 0
        if self._run >= self._silence_frames or len(self._utterance) >= MAX_UTTERANCE:
            return ("end", self._finish())
        return None

    def _finish(self) -> bytes:
        utterance = bytes(self._utterance or b"")
        self._utterance = None
        self._run = 0
        self._before.clear()
        return utterance


class Ears:
    """Understands the phrases of a script. Blocking; safe to call from several threads (one at a time is served)."""

    def __init__(self, script: Script):
        self._script = script
        self._lock = threading.Lock()
        self._decoder: Decoder | None = None

    def load(self) -> None:
        """Load model and grammar (0.2 s), if that has not been done. Raises `ScriptError` for words it cannot hear."""
        with self._lock:
            self._load()

    def hear(self, pcm: bytes) -> str | None:
        """The phrase spoken in `pcm` (16-bit mono, 16 kHz); None if it is silence, noise or none of the phrases."""
        padded = _in_a_room(pcm)
        with self._lock:
            decoder = self._load()
            # The decoder holds the interpreter's lock while it works, so the search is fed in pieces. What it is to
            # normalise by, the mean over the whole utterance, comes from a first run that searches next to nothing.
            decoder.activate_search("nothing")
            decoder.start_utt()
            decoder.process_raw(padded, no_search=True, full_utt=True)
            mean = decoder.get_cmn(True)
            decoder.end_utt()
            decoder.activate_search("script")
            decoder.set_cmn(mean)
            decoder.start_utt()
            for start in range(0, len(padded), PIECE):
                decoder.process_raw(padded[start : start + PIECE])
            decoder.end_utt()
            hypothesis = decoder.hyp()
        if hypothesis is None or not hypothesis.hypstr or "ph_" in hypothesis.hypstr:
            return None
        heard = self._script.unspell(hypothesis.hypstr)
        return heard if self._script.match(heard) else None  # a phrase that was left in the middle is none

    def _load(self) -> Decoder:
        if self._decoder is None:
            decoder = Decoder(
                hmm=get_model_path("en-us/en-us"),
                dict=get_model_path("en-us/cmudict-en-us.dict"),
                lm=None,
                loglevel="FATAL",
            )
            for phone in PHONES:
                decoder.add_word(f"ph_{phone.lower()}", phone, False)
            grammar = self._grammar()
            for word in sorted(self._script.heard_words()):
                if decoder.lookup_word(word) is None:
                    raise ScriptError(f"The ears do not know the word {word!r}: add it to the script's [spelling].")
            decoder.add_jsgf_string("script", grammar)
            decoder.add_jsgf_string("nothing", "#JSGF V1.0; grammar nothing; public <nothing> = a;")
            self._decoder = decoder
        return self._decoder

    def _grammar(self) -> str:
        phones = " | ".join(f"ph_{phone.lower()}" for phone in PHONES)
        go_on = UNKNOWN_SPEECH_WEIGHT
        return "\n".join(
            [
                "#JSGF V1.0;",
                "grammar script;",
                self._script.grammar(),
                f"<phone> = {phones};",
                f"<unknown> = /{go_on:g}/ <phone> <unknown> | /{1 - go_on:g}/ <NULL>;",
                "public <heard> = <phrase> | <unknown>;",
            ]
        )


def _in_a_room(pcm: bytes) -> bytes:
    """Put the utterance between two moments of silence, with faint noise over all. The same for the same audio."""
    samples = np.pad(np.frombuffer(pcm, "<i2").astype(np.float32), (SILENCE_BEFORE, SILENCE_AFTER))
    samples += np.random.default_rng(0).normal(0, ROOM_NOISE, len(samples))
    return samples.clip(-32768, 32767).astype("<i2").tobytes()
