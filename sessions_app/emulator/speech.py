"""The emulator's voice: espeak-ng, which ships as a library inside the wheel of `espeakng-loader`.

The C functions are those of espeak-ng's `speak_lib.h`. The library keeps one global voice, so one lock serves all.
"""

from __future__ import annotations

import ctypes
import threading
from functools import lru_cache

import espeakng_loader
import numpy as np
import soxr

from .voices import VOICES, Voice, espeak_language

RATE = 24_000  # Hz, what Gemini Live speaks
BYTES_PER_SECOND = RATE * 2
WORDS_PER_MINUTE = 165

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000  # otherwise a missing data folder would end the process
_CHARS_UTF8 = 1
_PARAMETER_RATE, _PARAMETER_PITCH = 1, 3
_ON_AUDIO = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class SpeechError(RuntimeError):
    """espeak-ng could not be started or refused to speak."""


class _Espeak:
    """The loaded library. Not thread-safe: callers hold `_lock`."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data_folder = espeakng_loader.get_data_path().encode()
        self.rate = self._library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, data_folder, _DONT_EXIT)
        if self.rate <= 0:
            raise SpeechError("espeak-ng did not start: reinstall the package espeakng-loader.")
        self._pieces: list[bytes] = []
        self._callback = _ON_AUDIO(self._on_audio)  # kept: the library holds only a bare pointer
        self._library.espeak_SetSynthCallback(self._callback)

    def _on_audio(self, samples: ctypes._Pointer, count: int, _events: int) -> int:
        if samples and count > 0:
            self._pieces.append(ctypes.string_at(samples, count * 2))
        return 0

    def choose(self, voice: Voice, languages: list[str]) -> str:
        """Take the first of the languages that there is; which one that was."""
        suffix = f"+{voice.variant}" if voice.variant else ""
        for language in languages:
            if self._library.espeak_SetVoiceByName((language + suffix).encode()) == 0:
                return language
        raise SpeechError(f"espeak-ng has no voice {languages[-1] + suffix!r}.")

    def speak(self, text: str, voice: Voice, languages: list[str], words_per_minute: int) -> np.ndarray:
        self.choose(voice, languages)
        self._library.espeak_SetParameter(_PARAMETER_RATE, round(words_per_minute * voice.pace), 0)
        self._library.espeak_SetParameter(_PARAMETER_PITCH, voice.pitch, 0)
        encoded = text.encode()
        self._pieces.clear()
        size = ctypes.c_size_t(len(encoded) + 1)
        if self._library.espeak_Synth(encoded, size, 0, 0, 0, _CHARS_UTF8, None, None) != 0:
            raise SpeechError("espeak-ng refused the text.")
        return np.frombuffer(b"".join(self._pieces), np.int16)


_lock = threading.Lock()
_espeak: _Espeak | None = None


def _library() -> _Espeak:
    global _espeak
    if _espeak is None:
        _espeak = _Espeak()
    return _espeak


def language_spoken(code: str) -> str:
    """What espeak-ng calls the language in which a BCP 47 code is spoken: "de-DE" → "de"."""
    with _lock:
        return _library().choose(Voice(""), espeak_language(code))


@lru_cache(maxsize=64)
def synthesise(
    text: str, voice: str = "", words_per_minute: int = WORDS_PER_MINUTE, rate: int = RATE, language: str = ""
) -> bytes:
    """Speak `text`: signed 16-bit little-endian mono samples at `rate` Hz.

    `voice` is one of Gemini's names ("Kore"), an espeak-ng name ("en-us+f1"), or empty; any other name speaks in the
    default voice. `language` is a BCP 47 code; one that espeak-ng does not speak is spoken as English. Blocks for some
    milliseconds: call it off the event loop. Raises `SpeechError`.
    """
    spoken, _, variant = voice.partition("+")
    if spoken.startswith("en-"):
        languages, chosen = [spoken], Voice(variant)
    else:
        languages, chosen = espeak_language(language), VOICES.get(voice.capitalize(), Voice(""))
    text = text.replace("\0", " ").strip()
    if not text:
        return b""
    with _lock:
        espeak = _library()
        samples = espeak.speak(text, chosen, languages, words_per_minute)
    spoken_rate = espeak.rate
    return soxr.resample(samples, spoken_rate, rate).astype("<i2").tobytes() if len(samples) else b""
