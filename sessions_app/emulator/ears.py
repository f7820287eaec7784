"""The emulator's ears: what was said in an utterance.

pocketsphinx's free dictation is far too weak to be useful, but with a grammar of known phrases it is reliable. Speech
that is in no phrase is caught by a loop over all phones that competes with the phrases in the same search. Where
faster-whisper and a model of it are installed, any speech is understood. Measured figures: docs/emulator.md.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from pocketsphinx import Decoder, get_model_path

from .activity import BYTES_PER_SECOND, QUIET, RATE
from .script import Script, ScriptError

# The chance of going on with one more phone of unknown speech. Lower hears more and mishears more.
UNKNOWN_SPEECH_WEIGHT = 1e-12
PIECE = BYTES_PER_SECOND // 10
TEN_MS = RATE // 100  # samples
# Digital silence, which synthetic speech has and microphones have not, spoils the recogniser's features.
ROOM_NOISE = 10.0  # RMS of int16 samples
SILENCE_BEFORE, SILENCE_AFTER = RATE * 3 // 10, RATE // 2  # samples that are added to an utterance
PHONES = (
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()  # noqa: SIM905
)
EARS = ("auto", "phrases", "whisper")
WHISPER_MODEL = "base.en"


class EarsError(RuntimeError):
    """The ears that were asked for cannot be had; the sentence says what to do."""


class Ears(Protocol):
    """Both methods block; they may be called from several threads, one at a time is served."""

    def load(self) -> None:
        """Load what hearing needs. Raises `ScriptError` or `EarsError`."""

    def hear(self, pcm: bytes, language: str = "") -> str | None:
        """What was said in `pcm` (s16le mono, 16 kHz); None if nothing was understood."""


def make_ears(script: Script, kind: str = "auto", whisper_model: str = "") -> Ears:
    """`kind` "auto": Whisper where faster-whisper is installed and the model is on this machine, else the phrases.

    `whisper_model`: a folder, or a name that faster-whisper knows; a name is looked up among the models that were
    downloaded before. Only "whisper" may download it. Raises `EarsError`.
    """
    if kind not in EARS:
        raise EarsError(f"There are no ears called {kind!r}: choose one of {', '.join(EARS)}.")
    if kind == "phrases" or (kind == "auto" and importlib.util.find_spec("faster_whisper") is None):
        return PhraseEars(script)
    if importlib.util.find_spec("faster_whisper") is None:
        raise EarsError("Whisper's ears need the package faster-whisper: pip install faster-whisper.")
    ears = WhisperEars(whisper_model or WHISPER_MODEL, download=kind == "whisper")
    return ears if kind == "whisper" or whisper_model else BestEars(ears, PhraseEars(script))


class PhraseEars:
    """Understands the phrases of a script, in English."""

    def __init__(self, script: Script):
        self._script = script
        self._lock = threading.Lock()
        self._decoder: Decoder | None = None

    def load(self) -> None:
        """Load model and grammar (0.2 s), if that has not been done. Raises `ScriptError` for words it cannot hear."""
        with self._lock:
            self._load()

    def hear(self, pcm: bytes, language: str = "") -> str | None:
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


class WhisperEars:
    """Understands any speech, with faster-whisper. `model` is a folder or a name such as "base.en"."""

    def __init__(self, model: str, *, download: bool = False):
        self._name = model
        self._download = download
        self._lock = threading.Lock()
        self._model: Any = None

    def here(self) -> bool:
        """The model is on this machine."""
        from faster_whisper.utils import download_model

        return _found(lambda: download_model(self._name, local_files_only=True))

    def load(self) -> None:
        with self._lock:
            self._load()

    def hear(self, pcm: bytes, language: str = "") -> str | None:
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        with self._lock:
            segments, _ = self._load().transcribe(
                samples, language=language.partition("-")[0] or None, beam_size=1, condition_on_previous_text=False,
                without_timestamps=True,
            )  # fmt: skip
            # Whisper invents words for silence, and says so.
            text = "".join(segment.text for segment in segments if segment.no_speech_prob < 0.6).strip()
        return text or None

    def _load(self) -> Any:
        if self._model is None:
            from faster_whisper import WhisperModel

            try:
                self._model = WhisperModel(
                    self._name, device="cpu", compute_type="int8", local_files_only=not self._download
                )
            except Exception as error:  # of several libraries; all say the same to the user
                raise EarsError(
                    f"The Whisper model {self._name!r} cannot be loaded ({error}). Name a folder that has one with "
                    "--whisper-model, or let it be downloaded once with --ears whisper."
                ) from error
        return self._model


class BestEars:
    """Whisper if its model is here, else the phrases. Found out when it is loaded: asking takes a second."""

    def __init__(self, best: WhisperEars, other: PhraseEars):
        self._best = best
        self._other = other
        self._lock = threading.Lock()
        self.chosen: Ears | None = None

    def load(self) -> None:
        with self._lock:
            if self.chosen is None:
                self.chosen = self._best if self._best.here() else self._other
        self.chosen.load()

    def hear(self, pcm: bytes, language: str = "") -> str | None:
        if self.chosen is None:
            self.load()
        return self.chosen.hear(pcm, language) if self.chosen else None


def _found(look: Callable[[], Any]) -> bool:
    try:
        look()
    except Exception:  # faster-whisper, huggingface_hub and the file system each have their own
        return False
    return True


def _in_a_room(pcm: bytes) -> bytes:
    """Put what was spoken between two moments of silence, with faint noise over all. The same for the same audio.

    However long the silence was that came with it, the recogniser always gets as much: it is choosy about that.
    """
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    parts = samples[: len(samples) // TEN_MS * TEN_MS].reshape(-1, TEN_MS)
    loud = np.flatnonzero(np.sqrt((parts * parts).mean(axis=1)) >= QUIET)
    if len(loud):
        samples = samples[loud[0] * TEN_MS : (loud[-1] + 1) * TEN_MS]
    samples = np.pad(samples, (SILENCE_BEFORE, SILENCE_AFTER))
    samples += np.random.default_rng(0).normal(0, ROOM_NOISE, len(samples))
    return samples.clip(-32768, 32767).astype("<i2").tobytes()
