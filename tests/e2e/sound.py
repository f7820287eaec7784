"""Spoken wave files, and how alike two sounds are."""

import wave
from pathlib import Path

import numpy as np

from sessions_app.emulator.speech import synthesise

MICROPHONE_RATE = 48_000


def silence(seconds: float, rate: int = MICROPHONE_RATE) -> bytes:
    return bytes(2 * int(seconds * rate))


def speak(text: str, *, rate: int = MICROPHONE_RATE) -> bytes:
    """`text` in a voice of espeak-ng, s16le mono; not louder, or the browser's gain control clips it."""
    loud = np.frombuffer(synthesise(text, "Kore", rate=rate), "<i2")
    return (loud * 0.25).astype("<i2").tobytes()


def write_wave(path: Path, *pieces: bytes, rate: int = MICROPHONE_RATE) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"".join(pieces))
    return path


def samples(pcm: bytes) -> np.ndarray:
    """s16le → floats from -1 to 1."""
    return np.frombuffer(pcm, "<i2").astype(np.float32) / 32768


def find(needle: np.ndarray, haystack: np.ndarray) -> int:
    """Where in `haystack` the `needle` fits best (cross-correlation by FFT)."""
    size = 1 << (len(haystack) + len(needle)).bit_length()
    spectrum = np.fft.rfft(haystack, size) * np.conj(np.fft.rfft(needle, size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: max(1, len(haystack) - len(needle) + 1)]))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """1 for the same shape, 0 for nothing in common."""
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.dot(a, b)) / norm if norm else 0.0


def envelope(sound: np.ndarray, rate: int, step: float = 0.02) -> np.ndarray:
    """Loudness in dB every `step` seconds; below -50 dB is silence."""
    length = int(rate * step)
    frames = sound[: len(sound) // length * length].reshape(-1, length)
    return np.maximum(20 * np.log10(np.sqrt(np.mean(frames**2, axis=1)) + 1e-9), -50) + 50
