"""The voice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sessions_app.emulator.script import Script
from sessions_app.emulator.speech import BYTES_PER_SECOND, RATE, VOICES, SpeechError, language_spoken, synthesise


@pytest.mark.parametrize("voice", ["", "Kore", "Charon", "A name that Google invents tomorrow", "en-us+f4"])
def test_speaks_whole_samples(voice: str):
    pcm = synthesise("It is twelve degrees in New York.", voice)
    assert len(pcm) % 2 == 0
    assert 1 < len(pcm) / BYTES_PER_SECOND < 5
    assert np.abs(np.frombuffer(pcm, "<i2").astype(int)).max() > 5000


def test_voices_differ():
    assert len(set(VOICES.values())) == len(VOICES)
    usual, quick, low = (synthesise("Hello there, how are you?", name) for name in ("Kore", "Fenrir", "Algenib"))
    assert len(quick) < len(usual) * 0.95
    assert brightness(low) < brightness(usual) * 0.9


def brightness(pcm: bytes) -> float:
    """How often the wave crosses zero: a low voice does less often."""
    samples = np.frombuffer(pcm, "<i2")
    return float(np.mean(np.diff(np.signbit(samples).astype(int)) != 0))


def test_gemini_has_thirty_voices():
    assert len(VOICES) == 30


@pytest.mark.parametrize(
    "code",
    ["ar-EG", "bn-BD", "nl-NL", "fr-FR", "fr-CA", "de-DE", "hi-IN", "id-ID", "it-IT", "ja-JP", "ko-KR", "mr-IN",
     "pl-PL", "pt-BR", "ro-RO", "ru-RU", "es-ES", "es-US", "ta-IN", "te-IN", "th-TH", "tr-TR", "uk-UA", "vi-VN",
     "gu-IN", "kn-IN", "ml-IN", "cmn-CN"],
)  # fmt: skip
def test_languages_of_the_live_api_are_spoken(code: str):
    assert language_spoken(code).partition("-")[0] == code.partition("-")[0]


@pytest.mark.parametrize(
    ("code", "name"), [("en-IN", "en"), ("en-US", "en-us"), ("es-US", "es-419"), ("pt-BR", "pt-br"), ("xx-YY", "en-us")]
)
def test_dialects(code: str, name: str):
    assert language_spoken(code) == name


def test_rate_changes_samples_and_not_duration():
    text = "The quick brown fox."
    assert len(synthesise(text)) / RATE == pytest.approx(len(synthesise(text, rate=16_000)) / 16_000, rel=0.05)


def test_the_story_is_long_enough_to_be_interrupted():
    story = Script.load().match("Tell me a long story").intent.reply[0]
    assert len(synthesise(story)) / BYTES_PER_SECOND > 20


def test_nothing_to_say():
    assert synthesise("") == b""


def test_an_unknown_voice_is_named():
    with pytest.raises(SpeechError, match="en-nowhere"):
        synthesise("hello", "en-nowhere+q9")


def test_threads_do_not_mix_their_sentences():
    short, long = "One.", "This is a considerably longer sentence than the other one, and it takes some time to say."
    with ThreadPoolExecutor(4) as pool:
        sizes = list(pool.map(lambda i: len(synthesise((short, long)[i % 2] + " " * (i // 2))), range(24)))
    assert max(sizes[::2]) < BYTES_PER_SECOND * 2 < min(sizes[1::2])
