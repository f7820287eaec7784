"""Points 1 to 5 and 14: connecting, the setup, and refusals."""

from __future__ import annotations

import asyncio
import base64
import json
import re

import pytest
from google.genai import errors
from websockets.exceptions import InvalidStatus

from sessions_app.emulator import Emulator

from .conftest import MODEL, PATH, WEATHER, conformance, dial, raw, spoken, turn

SETUP = {"model": f"models/{MODEL}"}
FULL_SETUP = {
    "model": f"models/{MODEL}",
    "generationConfig": {
        "responseModalities": ["AUDIO"],
        "temperature": 0.7,
        "topK": 40.0,
        "maxOutputTokens": 512,
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}, "languageCode": "en-US"},
    },
    "systemInstruction": {"parts": [{"text": "Be brief."}], "role": "user"},
    "tools": [{"googleSearch": {}}, {"functionDeclarations": [WEATHER]}],
    "sessionResumption": {},
    "inputAudioTranscription": {"languageCodes": ["en-US"]},
    "outputAudioTranscription": {},
    "realtimeInputConfig": {
        "automaticActivityDetection": {
            "disabled": False,
            "startOfSpeechSensitivity": "START_SENSITIVITY_LOW",
            "prefixPaddingMs": 20,
            "silenceDurationMs": 100,
        },
        "activityHandling": "NO_INTERRUPTION",
    },
    "contextWindowCompression": {"triggerTokens": 25600, "slidingWindow": {"targetTokens": 12800}},
    "historyConfig": {"initialHistoryInClientContent": True},
}


def to_snake(value):
    if isinstance(value, dict):
        return {re.sub("([A-Z])", lambda m: "_" + m[1].lower(), key): to_snake(item) for key, item in value.items()}
    return [to_snake(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
async def test_01_paths_and_versions(emulator: Emulator, version: str, slash: str):
    async with dial(emulator, version=version, slash=slash):
        assert emulator.sessions[0].version == version


async def test_01_key_in_the_query(emulator: Emulator):
    async with raw(emulator, SETUP, path=PATH + "?key=k"):
        assert len(emulator.sessions) == 1


@conformance
async def test_01_bad_key_closes_in_connect(emulator: Emulator):
    with pytest.raises(errors.APIError, match="API key not valid") as caught:
        async with dial(emulator, key="bad"):
            pass
    assert caught.value.code == 1007


@conformance
async def test_01_no_key(emulator: Emulator):
    async with raw(emulator, path=PATH) as ws:
        await ws.send({"setup": SETUP})
        code, reason = await ws.closed()
    assert code == 1008
    assert "unregistered callers" in reason


@conformance
async def test_01_other_paths_are_not_found(emulator: Emulator):
    with pytest.raises(InvalidStatus) as caught:
        async with raw(emulator, path="/ws/elsewhere?key=k"):
            pass
    assert caught.value.response.status_code == 404


@conformance
async def test_02_setup_complete_is_binary_and_pretty(emulator: Emulator):
    async with raw(emulator) as ws:
        await ws.send({"setup": SETUP})
        assert await ws.websocket.recv() == b'{\n  "setupComplete": {}\n}\n'


@conformance
@pytest.mark.parametrize("frame", [{"realtimeInput": {"text": "hi"}}, {"clientContent": {"turnComplete": True}}])
async def test_02_first_message_must_be_setup(emulator: Emulator, frame: dict):
    async with raw(emulator) as ws:
        await ws.send(frame)
        assert (await ws.closed())[0] == 1007


@conformance
async def test_02_second_setup(emulator: Emulator):
    async with raw(emulator, SETUP) as ws:
        await ws.send({"setup": SETUP})
        assert (await ws.closed())[0] == 1007


@conformance
@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        ("", "Invalid JSON payload received."),
        ('{"setup": {"model"', "Invalid JSON payload received."),
        (b"\xff\x00", "Invalid JSON payload received."),
        ("[1]", "Invalid JSON payload received."),
        ("[" * 100_000, "Invalid JSON payload received."),
        ("{}", "Request contains an invalid argument."),
        ('{"setup": 5}', "Invalid value at 'setup' (TYPE_MESSAGE), 5"),
        ('{"setup": {"model": 5}}', "Invalid value at 'setup.model' (TYPE_STRING), 5"),
        ('{"setup": {"model": "models/m", "tools": 5}}', "Invalid value at 'setup.tools' (TYPE_MESSAGE), 5"),
        ('{"setup": {"generationConfig": {"topP": "x"}}}', "Invalid value at 'setup.generation_config.top_p'"),
    ],
)  # fmt: skip
async def test_02_garbage_closes_only_its_own_session(emulator: Emulator, frame: str | bytes, sentence: str):
    async with raw(emulator, SETUP) as good, raw(emulator) as bad:
        await bad.send(frame)
        code, reason = await bad.closed()
        assert code == 1007
        assert reason.startswith(sentence)
        await good.send({"realtimeInput": {"text": "hello"}})
        assert (await good.turn())[-1]["serverContent"]["turnComplete"]


async def test_03_full_setup_of_the_sdk_and_its_camel_case_twin(emulator: Emulator):
    config = to_snake({key: value for key, value in FULL_SETUP.items() if key not in ("model", "generationConfig")})
    generation = to_snake(FULL_SETUP["generationConfig"])
    async with dial(emulator, {**config, **generation}), raw(emulator, FULL_SETUP), raw(emulator, to_snake(FULL_SETUP)):
        by_sdk, camel, snake = (session.setup for session in emulator.sessions)
    assert camel == snake == by_sdk


@conformance
@pytest.mark.parametrize(
    ("setup", "sentence"),
    [
        ({"surprise": 1}, """Unknown name "surprise" at 'setup': Cannot find field."""),
        ({"generationConfig": {"x": 1}}, """Unknown name "x" at 'setup.generation_config': Cannot find field."""),
    ],
)  # fmt: skip
async def test_03_unknown_setup_field(emulator: Emulator, setup: dict, sentence: str):
    async with raw(emulator) as ws:
        await ws.send({"setup": SETUP | setup})
        assert await ws.closed() == (1007, f"Invalid JSON payload received. {sentence}")


@conformance
async def test_03_unknown_model(emulator: Emulator):
    with pytest.raises(errors.APIError, match="models/gpt is not found for API version v1beta") as caught:
        async with dial(emulator, model="gpt"):
            pass
    assert caught.value.code == 1008


@pytest.mark.parametrize("name", ["audio", "mediaChunks", "media_chunks"])
@pytest.mark.parametrize("alphabet", [base64.b64encode, base64.urlsafe_b64encode])
async def test_04_audio_arrives_bit_exact(emulator: Emulator, name: str, alphabet):
    pcm = bytes(range(256)) * 5 + b"\xff\xfe\xfb\xef" * 8  # both alphabets' last two letters
    blob = {"data": alphabet(pcm).decode(), "mimeType": "audio/pcm;rate=16000"}
    async with raw(emulator, SETUP) as ws:
        await ws.send({"realtime_input": {name: blob if name == "audio" else [blob]}})
        session = emulator.sessions[0]
        await emulator.until(lambda: session.audio_received == len(pcm))
    assert session.recorded_audio == pcm


async def test_04_sdk_audio_arrives_bit_exact(emulator: Emulator):
    pcm = b"\xff\xfe\xfb\xef\xbe\xff" * 100
    async with dial(emulator) as session:
        await session.send_realtime_input(audio={"data": pcm, "mime_type": "audio/pcm;rate=16000"})
        kept = emulator.sessions[0]
        await emulator.until(lambda: kept.audio_received == len(pcm))
    assert kept.recorded_audio == pcm
    assert kept.messages("realtimeInput")[-1]["audio"]["data"] == {"bytes": len(pcm)}


@conformance
@pytest.mark.parametrize(
    ("blob", "sentence"),
    [
        ({"data": "not base64!", "mimeType": "audio/pcm"}, "Base64 decoding failed."),
        ({"data": 7, "mimeType": "audio/pcm"}, "Invalid value at 'realtime_input.audio.data'"),
        ({"data": "AAAA", "mimeType": "audio/mpeg"}, "Request contains an invalid argument."),
        ({"data": "AAAA", "mimeType": "audio/pcm;rate=1"}, "Request contains an invalid argument."),
    ],
)
async def test_04_broken_audio(emulator: Emulator, blob: dict, sentence: str):
    async with raw(emulator, SETUP) as ws:
        await ws.send({"realtimeInput": {"audio": blob}})
        code, reason = await ws.closed()
    assert code == 1007
    assert sentence in reason


@conformance
async def test_05_default_model_refuses_thinking(emulator: Emulator):
    with pytest.raises(errors.APIError, match="invalid argument") as caught:
        async with dial(emulator, {"thinking_config": {"thinking_budget": 0}}):
            pass
    assert caught.value.code == 1007


@conformance
async def test_05_text_output_is_refused(emulator: Emulator):
    with pytest.raises(errors.APIError, match="response modalities") as caught:
        async with dial(emulator, {"response_modalities": ["TEXT"]}):
            pass
    assert caught.value.code == 1007


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_14_with_and_without_deflate(emulator: Emulator, compression: str | None):
    async with dial(emulator, {"output_audio_transcription": {}}, compression=compression) as session:
        await session.send_realtime_input(text="hello")
        assert spoken(await turn(session)) == "Hello! How can I help you?"


async def test_14_four_megabyte_frame(emulator: Emulator):
    image = bytes(3_000_000)
    async with raw(emulator, SETUP) as ws:
        await ws.send(json.dumps({"realtimeInput": {"video": {"data": base64.b64encode(image).decode(), "mimeType": "image/jpeg"}}}))  # fmt: skip # noqa: E501
        await emulator.until(lambda: emulator.sessions[0].images.get("bytes") == len(image))


async def test_14_many_sessions_at_once(emulator: Emulator):
    pcm = base64.b64encode(bytes(1280)).decode()

    async def talk() -> bool:
        async with raw(emulator, SETUP) as ws:
            for _ in range(5):
                await ws.send({"realtimeInput": {"audio": {"data": pcm, "mimeType": "audio/pcm;rate=16000"}}})
            await ws.send({"realtimeInput": {"text": "hello"}})
            return (await ws.turn())[-1]["serverContent"]["turnComplete"]

    assert all(await asyncio.gather(*(talk() for _ in range(50))))
    await emulator.until(lambda: not emulator.sessions)
