"""Whisper's ears, with the real faster-whisper and a model made here that always hears the same word.

Real models cannot be had without a network; what they understand is theirs. This is about being loaded, asked, and
chosen.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from sessions_app.emulator import Emulator
from sessions_app.emulator.ears import EarsError, PhraseEars, WhisperEars, make_ears
from sessions_app.emulator.script import Script
from sessions_app.emulator.speech import synthesise
from tests.forms import long_form
from tests.programs import require_package
from tests.waiting import GIVE_UP_SECONDS

WIDTH = 64
WORD = "hello"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Whisper of one layer whose decoder's last step forgets all but one word."""
    require_package("faster_whisper", "requirements-whisper.txt")
    from ctranslate2.specs.whisper_spec import WhisperSpec
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    languages = [f"<|{code}|>" for code in ("en", "zh", "de", "es")]
    special = ["<|endoftext|>", "<|startoftranscript|>", *languages, "<|translate|>", "<|transcribe|>",
               "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]  # fmt: skip
    times = [f"<|{index * 0.02:.2f}|>" for index in range(1501)]
    words = [f"Ġ{WORD}", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    vocabulary = [*words, *special, *times]
    folder = tmp_path_factory.mktemp("whisper")
    tokenizer = Tokenizer(models.BPE({word: index for index, word in enumerate(words)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([*special, *times])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": 80}))

    spec = WhisperSpec(1, 1, 1, 1)
    shapes = {
        "encoder/conv1/weight": (WIDTH, 80, 3), "encoder/conv2/weight": (WIDTH, WIDTH, 3),
        "encoder/position_encodings/encodings": (1500, WIDTH), "decoder/position_encodings/encodings": (448, WIDTH),
        "decoder/embeddings/weight": (len(vocabulary), WIDTH), "decoder/projection/weight": (len(vocabulary), WIDTH),
        "self_attention/linear_0/weight": (3 * WIDTH, WIDTH), "/attention/linear_1/weight": (2 * WIDTH, WIDTH),
        "ffn/linear_0/weight": (4 * WIDTH, WIDTH), "ffn/linear_1/weight": (WIDTH, 4 * WIDTH),
    }  # fmt: skip
    for name, value in list(spec.variables().items()):
        if value is None:
            shape = next((shape for end, shape in shapes.items() if name.endswith(end)), None)
            shape = shape or ((WIDTH,) if "layer_norm" in name else (WIDTH, WIDTH))
            _set(spec, name, np.zeros(shape, np.float32))
    for side in ("encoder", "decoder"):
        getattr(spec, side).position_encodings.encodings = np.zeros(
            shapes[f"{side}/position_encodings/encodings"], np.float32
        )
    for conv in (spec.encoder.conv1, spec.encoder.conv2):
        conv.bias = np.zeros(WIDTH, np.float32)
    spec.decoder.layer_norm.beta = np.ones(WIDTH, np.float32)
    # Every other one: processors without VNNI add products of int8 in pairs, and two of the largest overflow.
    spec.decoder.projection.weight[words.index(f"Ġ{WORD}"), ::2] = 1
    spec.config.suppress_ids = spec.config.suppress_ids_begin = []
    spec.config.lang_ids = [vocabulary.index(name) for name in languages]
    spec.config.alignment_heads = [(0, 0)]
    spec.register_vocabulary(vocabulary)
    spec.validate()
    spec.save(str(folder))
    return folder


def _set(spec: object, name: str, value: np.ndarray) -> None:
    *path, last = name.split("/")
    for step in path:
        head, _, index = step.rpartition("_")
        spec = getattr(spec, step) if hasattr(spec, step) else getattr(spec, head)[int(index)]
    setattr(spec, last, value)


@pytest.mark.parametrize("language", ["", "de-DE", long_form("en-US")])
def test_it_is_asked_and_understood(model: Path, language: str):
    ears = WhisperEars(str(model))
    heard = ears.hear(synthesise("Good evening.", rate=16_000), language)
    assert set(heard.split()) == {WORD}


def test_it_is_chosen_where_its_model_is(model: Path):
    script = Script.load()
    assert isinstance(make_ears(script, "auto", str(model)), WhisperEars)
    assert isinstance(make_ears(script, "whisper", str(model)), WhisperEars)
    assert isinstance(make_ears(script, "phrases", str(model)), PhraseEars)
    best = make_ears(script, "auto")
    best.load()
    assert isinstance(best.chosen, PhraseEars), "no model was ever downloaded here"
    assert best.hear(synthesise("Who are you?", rate=16_000)) == "who are you"


def test_a_model_that_is_not_there(model: Path):
    with pytest.raises(EarsError, match="The Whisper model '/nowhere/at/all' cannot be loaded"):
        WhisperEars("/nowhere/at/all").load()


async def test_the_emulator_hears_any_speech_with_it(model: Path):
    from tests.contract.conftest import dial, heard, turn
    from tests.contract.test_voice import SILENCE, TRANSCRIBED, speak

    async with (
        asyncio.timeout(GIVE_UP_SECONDS),
        Emulator(speed=0, whisper_model=str(model)) as emulator,
        dial(emulator, TRANSCRIBED) as session,
    ):
        await speak(session, SILENCE + synthesise("I like pizza.", rate=16_000) + SILENCE)
        assert set(heard(await turn(session)).split()) == {WORD}


def test_without_the_package_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "faster_whisper" else find(name))
    with pytest.raises(EarsError, match="pip install faster-whisper"):
        make_ears(Script.load(), "whisper")
    assert isinstance(make_ears(Script.load(), "auto"), PhraseEars)


def test_unknown_ears():
    with pytest.raises(EarsError, match="no ears called 'big': choose one of auto, phrases, whisper"):
        make_ears(Script.load(), "big")
