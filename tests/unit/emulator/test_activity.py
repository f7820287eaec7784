"""When somebody speaks."""

from __future__ import annotations

import numpy as np
import pytest

from sessions_app.emulator import activity
from sessions_app.emulator.activity import BYTES_PER_SECOND, RATE, Listener, Sensitivity, Stream
from sessions_app.emulator.resampling import Resampler
from sessions_app.emulator.speech import synthesise

SILENCE = bytes(BYTES_PER_SECOND)


def noise(seconds: float, rms: float) -> bytes:
    samples = np.random.default_rng(3).normal(0, rms, int(seconds * RATE))
    return samples.clip(-32768, 32767).astype("<i2").tobytes()


def listen(pcm: bytes, sensitivity: Sensitivity | None = None, size: int = 1280) -> list[tuple[str, float, bytes]]:
    """Name, second and utterance of each event; the listener does its work here and not on its thread."""
    events: list[tuple[str, float, bytes]] = []
    listener = Listener()
    stream = Stream(sensitivity or Sensitivity(), lambda name, heard, seconds: events.append((name, seconds, heard)))
    for start in range(0, len(pcm), size):
        listener.feed(stream, pcm[start : start + size])
        listener.work()
    return events


def read(**detection) -> Sensitivity:
    sensitivity = Sensitivity.read(detection)
    assert sensitivity is not None
    return sensitivity


@pytest.mark.parametrize("around", [SILENCE, noise(1, 100)], ids=["silence", "noise"])
def test_activity_starts_and_ends_with_the_speech(around: bytes):
    speech = synthesise("Who are you?", rate=RATE)
    (first, started, _), (second, ended, utterance) = listen(around + speech + around)
    assert (first, second) == ("start", "end")
    assert 1 < started < 1.3
    assert ended > 1 + len(speech) / BYTES_PER_SECOND
    assert utterance in around + speech + around, "not a sample is lost or changed"
    assert len(utterance) > len(speech)


@pytest.mark.parametrize("size", [2, 334, 640, 5000, 1_000_000])
def test_the_size_of_chunks_does_not_matter(size: int):
    """Nor for the seconds: a busy listener judges the beginning and the end of speech in one run."""
    stream = noise(0.5, 30) + synthesise("Hello", rate=RATE) + noise(1, 30)
    found = listen(stream, size=size)
    assert [name for name, *_ in found] == ["start", "end"]
    assert found == listen(stream)


@pytest.mark.parametrize(
    "pcm",
    [SILENCE * 3, noise(3, 40), noise(3, 3000), noise(3, 240) + noise(1, 400),
     noise(0.5, 30) + noise(0.04, 8000) + noise(0.5, 30)],
    ids=["silence", "hum", "roar", "a louder hum", "a click"],
)  # fmt: skip
def test_what_is_no_speech_starts_nothing(pcm: bytes):
    assert listen(pcm) == []
    assert listen(pcm, read(startOfSpeechSensitivity="START_SENSITIVITY_HIGH")) == []


def test_two_sentences_are_two_utterances():
    sentence = synthesise("Good morning.", rate=RATE)
    assert [name for name, _, _ in listen((sentence + SILENCE) * 2)] == ["start", "end"] * 2


def test_silence_duration_is_the_pause_that_ends_speech():
    pause = bytes(BYTES_PER_SECOND // 2)
    pcm = synthesise("Good", rate=RATE) + pause + synthesise("morning", rate=RATE) + SILENCE * 2
    assert [name for name, _, _ in listen(pcm, read(silenceDurationMs=200))] == ["start", "end"] * 2
    assert [name for name, _, _ in listen(pcm, read(silenceDurationMs=1200))] == ["start", "end"]


def test_prefix_padding_is_the_speech_that_is_needed():
    pcm = SILENCE + synthesise("Stop", rate=RATE) + SILENCE
    [(_, soon, _), *_] = listen(pcm, read(prefixPaddingMs=20))
    [(_, late, _), *_] = listen(pcm, read(prefixPaddingMs=160))
    assert late - soon == pytest.approx(0.128, abs=0.033)
    assert listen(pcm, read(prefixPaddingMs=1000)) == [], "a word is shorter than a second"


def test_a_high_end_sensitivity_ends_sooner():
    pcm = synthesise("Who are you?", rate=RATE) + SILENCE
    high = listen(pcm, read(endOfSpeechSensitivity="END_SENSITIVITY_HIGH"))
    low = listen(pcm, read(endOfSpeechSensitivity="END_SENSITIVITY_LOW"))
    assert high[1][1] < low[1][1] - 0.15


def test_a_high_start_sensitivity_hears_more():
    """A voice that is hardly louder than the room."""
    speech = np.frombuffer(synthesise("Who are you?", rate=RATE), "<i2")
    room = np.frombuffer(noise(4, 200), "<i2").astype(float)
    room[RATE : RATE + len(speech)] += speech * 0.035
    pcm = room.astype("<i2").tobytes()
    assert listen(pcm, read(startOfSpeechSensitivity="START_SENSITIVITY_LOW")) == []
    heard = listen(pcm, read(startOfSpeechSensitivity="START_SENSITIVITY_HIGH"))
    assert [name for name, _, _ in heard] == ["start", "end"]


def test_disabled():
    assert Sensitivity.read({"disabled": True}) is None


def test_a_flush_ends_the_utterance_where_it_stands():
    events: list[tuple[str, bytes]] = []
    listener = Listener()
    stream = Stream(Sensitivity(), lambda name, heard, _: events.append((name, heard)))
    pcm = synthesise("Who are you?", rate=RATE)[:20_002]  # no whole window at the end
    listener.feed(stream, pcm)
    listener.flush(stream)
    listener.flush(stream)
    listener.work()
    assert [name for name, _ in events] == ["start", "end"]
    assert pcm.endswith(events[1][1])


def test_an_endless_utterance_is_cut():
    speech = synthesise("What is the weather in New York today, and what will it be tomorrow?", rate=RATE)
    pcm = speech * (1 + activity.MAX_UTTERANCE // len(speech))
    [_, (name, seconds, heard), *_] = listen(pcm, read(silenceDurationMs=10_000))
    assert name == "end"
    assert seconds == pytest.approx(30, abs=0.6)
    assert len(heard) <= activity.MAX_UTTERANCE + activity.WINDOW_BYTES


def test_many_streams_are_judged_together_as_each_alone():
    sentences = [
        noise(0.3, 60) + synthesise(text, rate=RATE) + SILENCE for text in ("Hello", "Who are you?", "No", "Stop it")
    ]
    together: list[list[tuple[str, bytes]]] = [[] for _ in sentences]
    listener = Listener()
    streams = [Stream(Sensitivity(), lambda name, pcm, _, heard=heard: heard.append((name, pcm))) for heard in together]
    for start in range(0, max(map(len, sentences)), 1280):
        for stream, pcm in zip(streams, sentences, strict=True):
            if start < len(pcm):
                listener.feed(stream, pcm[start : start + 1280])
        listener.work()
    assert together == [[(name, heard) for name, _, heard in listen(pcm)] for pcm in sentences]


def test_audio_that_nobody_can_hear_in_time_is_bounded():
    listener = Listener()
    stream = Stream(Sensitivity(), lambda *_: None)
    for _ in range(100):
        listener.feed(stream, SILENCE)
    assert stream.waiting_bytes <= activity.MAX_WAITING
    assert listener.lost == 100 * len(SILENCE) - activity.MAX_WAITING


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_resampling_keeps_the_duration(rate: int):
    resampler = Resampler(rate)
    pcm = noise(rate / RATE, 500)
    out = b"".join(resampler.feed(pcm[i : i + 999]) for i in range(0, len(pcm), 999))
    assert len(out) % 2 == 0
    assert abs(len(out) / 2 - RATE) < RATE * 0.1


def test_an_odd_byte_waits_for_its_other_half():
    resampler = Resampler(RATE)
    assert b"".join(resampler.feed(piece) for piece in (b"a", b"bc", b"def", b"")) == b"abcdef"
