"""Spoken wave files, and how alike two sounds are."""

import wave
from pathlib import Path

import numpy as np

from sessions_app.emulator.speech import synthesise

MICROPHONE_RATE = 48_000
PATIENCE = 12.0
"""Seconds after which a question is asked again: longer than its answer takes to begin, on a busy machine too."""


def silence(seconds: float, rate: int = MICROPHONE_RATE) -> bytes:
    return bytes(2 * int(seconds * rate))


def speak(text: str, *, rate: int = MICROPHONE_RATE, loudness: float = 0.25) -> bytes:
    """`text` in a voice of espeak-ng, s16le mono; louder, and the browser's gain control clips it."""
    loud = np.frombuffer(synthesise(text, "Kore", rate=rate), "<i2")
    return (loud * loudness).astype("<i2").tobytes()


def write_wave(path: Path, *pieces: bytes, rate: int = MICROPHONE_RATE) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"".join(pieces))
    return path


def asked_until_answered(path: Path, question: str, *, before: float = 1.5) -> Path:
    """A question, and what a person does who was not understood: it is asked again, after a while.

    Chromium's fake microphone loses sound when all cores are busy. Mute, or close the microphone, once it was answered.
    """
    return write_wave(path, silence(before), *[speak(question), silence(PATIENCE)] * 8)


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


def best_correlation(needle: np.ndarray, haystack: np.ndarray) -> float:
    """That of `needle` with the part of `haystack` that is most like it."""
    energy = np.cumsum(np.concatenate([[0.0], haystack.astype(float) ** 2]))
    norms = np.sqrt(energy[len(needle) :] - energy[: -len(needle)]) * np.linalg.norm(needle)
    return float(np.max(np.correlate(haystack, needle, "valid") / np.maximum(norms, 1e-9)))


def likeness(source: np.ndarray, received: np.ndarray, rate: int) -> float:
    """How like the wave of `source` is to its place in `received`: the median of the correlations of 250 ms windows,
    each where it fits best, because clocks drift and devices drop a buffer. Windows of silence do not count."""
    start, size, play = find(source, received), rate // 4, rate // 50
    windows = ((at, source[at : at + size]) for at in range(0, len(source) - size, size))
    audible = 0.2 * np.sqrt(np.mean(source**2))
    found = [
        best_correlation(window, near)
        for at, window in windows
        if np.sqrt(np.mean(window**2)) > audible
        and len(near := received[max(0, start + at - play) : start + at + size + play]) >= size
    ]
    return float(np.median(found)) if found else 0.0


def loudness_likeness(source: np.ndarray, received: np.ndarray, rate: int) -> float:
    """Correlation of the two courses of loudness, where the waves themselves fit best."""
    start = find(source, received)
    part = received[start : start + len(source)]
    a, b = envelope(source[: len(part)], rate), envelope(part, rate)
    return correlation(a - a.mean(), b - b.mean())


def pieces(sent: np.ndarray, output: np.ndarray, rate: int) -> list[np.ndarray]:
    """The parts of `sent` as they sound in `output`, sample for sample and in order; one if it was never in want.

    What is left out or altered makes their sum shorter. AssertionError if anything else sounds before, between or after
    them, but for the fades of 5 ms.
    """
    found, at, place = [], 0, 0
    while len(ahead := np.flatnonzero(sent[at:])):
        start = at + ahead[0]
        needle = sent[start : start + 32]
        same = (place + offset for offset in np.flatnonzero(output[place:] == needle[0]))
        begin = next((i for i in same if np.array_equal(output[i : i + len(needle)], needle)), None)
        if begin is None:
            break
        _assert_no_sound(output[place:begin], rate)
        length = min(len(sent) - start, len(output) - begin)
        different = np.flatnonzero(sent[start : start + length] != output[begin : begin + length])
        length = different[0] if len(different) else length
        found.append(sent[at : start + length])
        at, place = start + length, begin + length
    _assert_no_sound(output[place:], rate)
    return found


def _assert_no_sound(pause: np.ndarray, rate: int) -> None:
    samples = np.count_nonzero(pause)
    assert samples <= rate // 200, f"{samples} samples sound that nobody sent, or not there."


def envelope(sound: np.ndarray, rate: int, step: float = 0.02) -> np.ndarray:
    """Loudness in dB every `step` seconds; below -50 dB is silence."""
    length = int(rate * step)
    frames = sound[: len(sound) // length * length].reshape(-1, length)
    return np.maximum(20 * np.log10(np.sqrt(np.mean(frames**2, axis=1)) + 1e-9), -50) + 50
