"""Points 1, 2, 11 and 12 on the other doors: Vertex AI, and ephemeral tokens."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import google.auth.credentials
import httpx2
import pytest
from google import genai
from google.genai import errors, types

from sessions_app.emulator import Emulator

from .conftest import MODEL, WEATHER, client, dial, events, raw, spoken, turn
from .test_lives import ask
from .test_tools import RESULT, SPOKEN, config, next_call
from .test_voice import SILENCE, question, speak

VERTEX_MODEL = "gemini-live-2.5-flash-native-audio"
VERTEX_PATH = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
VERTEX_NAME = f"projects/p/locations/us-central1/publishers/google/models/{VERTEX_MODEL}"


class Bearer(google.auth.credentials.Credentials):
    """Credentials as google-auth makes them, with a token that needs no network."""

    def __init__(self, token: str):
        super().__init__()
        self.token = token

    def refresh(self, request: object) -> None:
        pass


def vertex(emulator: Emulator, configuration: dict[str, Any] | None = None, token: str = "token") -> Any:
    """A session of the SDK's Vertex AI client."""
    options = types.HttpOptions(
        base_url=emulator.url, api_version="v1beta1", async_client_args={"ssl": emulator.ssl_context()}
    )
    made = genai.Client(
        vertexai=True, project="p", location="us-central1", credentials=Bearer(token), http_options=options
    )
    return made.aio.live.connect(model=VERTEX_MODEL, config=configuration)


async def test_01_vertex(emulator: Emulator):
    async with vertex(emulator, {"output_audio_transcription": {}}) as session:
        assert session.session_id, "Vertex AI names its sessions"
        await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text="hello")]))
        messages = await turn(session)
    assert spoken(messages) == "Hello! How can I help you?"
    kept = emulator.all_sessions[0]
    assert (kept.api, kept.version, kept.setup["model"]) == ("vertex", "v1beta1", VERTEX_NAME)


async def test_01_vertex_refuses_a_bad_token_and_none(emulator: Emulator):
    with pytest.raises(errors.APIError, match="API key not valid"):
        async with vertex(emulator, token="bad"):
            pass
    async with raw(emulator, path=VERTEX_PATH) as ws:
        await ws.send({"setup": {"model": VERTEX_NAME}})
        assert (await ws.closed())[0] == 1008


async def test_05_each_api_has_its_models(emulator: Emulator):
    async with raw(emulator, path=VERTEX_PATH + "?key=k") as ws:
        await ws.send({"setup": {"model": f"publishers/google/models/{MODEL}"}})
        assert (await ws.closed())[0] == 1008
    with pytest.raises(errors.APIError, match="is not found"):
        async with dial(emulator, model=VERTEX_MODEL):
            pass


async def test_05_vertex_takes_what_the_gemini_api_does_not(emulator: Emulator):
    configuration = {
        "enable_affective_dialog": True, "proactivity": {"proactive_audio": True}, "explicit_vad_signal": True,
        "session_resumption": {"transparent": True}, "labels": {"team": "voice"},
    }  # fmt: skip
    async with vertex(emulator, configuration) as session:
        await speak(session, SILENCE + question("Who are you?") + SILENCE)
        messages = await turn(session)
        update = (await anext(session.receive())).session_resumption_update
    signals = [m.voice_activity_detection_signal for m in messages if m.voice_activity_detection_signal]
    assert [signal.vad_signal_type.value for signal in signals] == ["VAD_SIGNAL_TYPE_SOS", "VAD_SIGNAL_TYPE_EOS"]
    marks = [m.voice_activity for m in messages if m.voice_activity]
    assert [mark.voice_activity_type.value for mark in marks] == ["ACTIVITY_START", "ACTIVITY_END"]
    begin, end = (float(mark.audio_offset.removesuffix("s")) for mark in marks)
    assert 1 < begin < end
    consumed = emulator.all_sessions[0].received.total() - 1
    assert update.last_consumed_client_message_index == consumed


async def test_05_signals_are_unknown_to_the_gemini_api(emulator: Emulator):
    async with raw(emulator) as ws:
        await ws.send({"setup": {"model": f"models/{MODEL}", "explicitVadSignal": True}})
        assert await ws.closed() == (
            1007,
            "Invalid JSON payload received. Unknown name \"explicitVadSignal\" at 'setup': Cannot find field.",
        )


async def test_10_vertex_answers_may_lack_the_id(emulator: Emulator):
    async with vertex(emulator, config()) as session:
        await session.send_client_content(
            turns=types.Content(role="user", parts=[types.Part(text="What's the weather in Paris?")])
        )
        await next_call(session)
        await session.send_tool_response(function_responses={"name": "get_weather", "response": RESULT})
        messages = [await turn(session) for _ in range(2)][-1]
    assert spoken(messages) == SPOKEN


async def test_12_vertex_counts_candidates(emulator: Emulator):
    setup = {"model": VERTEX_NAME, "generationConfig": {"responseModalities": ["AUDIO"]}}
    async with raw(emulator, setup, path=VERTEX_PATH + "?key=k") as ws:
        await ws.send({"realtimeInput": {"text": "hello"}})
        usage = (await ws.turn())[-1]["usageMetadata"]
    assert usage["candidatesTokenCount"] == usage["candidatesTokensDetails"][0]["tokenCount"] > 0
    assert not [name for name in usage if name.startswith("response")]
    async with vertex(emulator) as session:
        await session.send_realtime_input(text="hello")
        usage = (await turn(session))[-1].usage_metadata
    assert usage.response_token_count > 0


# Ephemeral tokens.


async def token(emulator: Emulator, **settings: Any) -> str:
    """A token made by the SDK."""
    made = genai.Client(
        api_key="key",
        http_options=types.HttpOptions(
            base_url=emulator.url, api_version="v1alpha", async_client_args={"verify": emulator.ssl_context()}
        ),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.ExperimentalWarning)
        return (await made.aio.auth_tokens.create(config=settings)).name


@asynccontextmanager
async def with_token(emulator: Emulator, name: str, configuration: dict | None = None) -> AsyncIterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.ExperimentalWarning)
        connecting = client(emulator, key=name, version="v1alpha").aio.live.connect(model=MODEL, config=configuration)
        async with connecting as session:
            yield session


async def test_01_a_token_is_as_good_as_a_key_once(emulator: Emulator):
    name = await token(emulator)
    assert name.startswith("auth_tokens/")
    async with with_token(emulator, name, {"output_audio_transcription": {}}) as session:
        await session.send_realtime_input(text="hello")
        assert spoken(await turn(session)) == "Hello! How can I help you?"
    with pytest.raises(errors.APIError, match="has been used") as caught:
        async with with_token(emulator, name):
            pass
    assert caught.value.code == 1008


async def test_01_a_token_resumes_its_session(emulator: Emulator):
    resumable = {"session_resumption": {}, "output_audio_transcription": {}}
    name = await token(emulator)
    async with with_token(emulator, name, resumable) as session:
        _, handle = await ask(session, "good morning")
    async with with_token(emulator, name, resumable | {"session_resumption": {"handle": handle}}) as session:
        await anext(session.receive())
        assert (await ask(session, "what did I say before"))[0] == "Before this you said: good morning"


async def test_01_unknown_and_expired_tokens(steady: Emulator):
    emulator, soon = steady, steady.clock.now() + datetime.timedelta(minutes=1)
    expired = await token(emulator, uses=5, expire_time=soon)
    too_late = await token(emulator, uses=5, new_session_expire_time=soon)
    for name in (expired, too_late):
        async with with_token(emulator, name):
            pass
    steady.clock.advance(60)
    for name, sentence in [("auth_tokens/x", "invalid"), (expired, "expired"), (too_late, "no new session")]:
        with pytest.raises(errors.APIError, match=sentence) as caught:
            async with with_token(emulator, name):
                pass
        assert caught.value.code == 1008


LOCKED = {"model": MODEL, "config": {"output_audio_transcription": {}, "system_instruction": "Be brief."}}


@pytest.mark.parametrize(
    ("additional", "asked", "got"),
    [
        (None, {"temperature": 0.5, "tools": [{"function_declarations": [WEATHER]}]},
         {"temperature": None, "tools": None, "outputAudioTranscription": {}}),
        ([], {"temperature": 0.5, "tools": [{"function_declarations": [WEATHER]}], "system_instruction": "Shout."},
         {"temperature": 0.5, "outputAudioTranscription": {}}),
        (["temperature"], {"temperature": 0.5, "system_instruction": "Shout."}, {"temperature": None}),
    ],
)  # fmt: skip
async def test_01_what_a_token_locks(emulator: Emulator, additional: list | None, asked: dict, got: dict):
    lock = {} if additional is None else {"lock_additional_fields": additional}
    name = await token(emulator, live_connect_constraints=LOCKED, **lock)
    async with with_token(emulator, name, asked):
        setup = emulator.sessions[0].setup
    assert setup["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert setup.get("generationConfig", {}).get("temperature") == got.pop("temperature")
    assert {key: setup.get(key) for key in got} == got


@pytest.mark.parametrize(
    ("headers", "body", "status", "sentence"),
    [
        ({}, {}, 403, "unregistered callers"),
        ({"x-goog-api-key": "bad"}, {}, 400, "API key not valid"),
        ({"x-goog-api-key": "k"}, {"surprise": 1}, 400, 'Unknown name "surprise"'),
        ({"x-goog-api-key": "k"}, {"uses": "many"}, 400, "Invalid value at 'uses' (TYPE_INT32)"),
        ({"x-goog-api-key": "k"}, {"expireTime": "tomorrow"}, 400, "Timestamp"),
        ({"x-goog-api-key": "k"}, {"expireTime": "2020-01-01T00:00:00Z"}, 400, "must be in the future"),
        ({"x-goog-api-key": "k"}, [], 400, "Invalid value"),
        (
            {"x-goog-api-key": "k"},
            {"bidiGenerateContentSetup": {"model": "m"}, "fieldMask": "model.x"},
            400,
            "no field",
        ),
        (
            {"x-goog-api-key": "k"},
            {"bidiGenerateContentSetup": {"model": "m"}, "fieldMask": "tools"},
            400,
            "not specified in",
        ),
    ],
)
async def test_01_refused_token_requests(emulator: Emulator, headers: dict, body: Any, status: int, sentence: str):
    async with httpx2.AsyncClient(verify=emulator.ssl_context(), trust_env=False) as http:
        refused = await http.post(f"{emulator.url}/v1alpha/auth_tokens", headers=headers, json=body)
    assert refused.status_code == status
    assert sentence in refused.json()["error"]["message"]


async def test_01_a_raw_client_puts_its_token_into_the_query(emulator: Emulator):
    name = await token(emulator)
    path = (
        f"/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContentConstrained?access_token={name}"
    )
    async with raw(emulator, {"model": f"models/{MODEL}"}, path=path) as ws:
        await ws.send({"realtimeInput": {"text": "hello"}})
        assert (await ws.turn())[-1]["serverContent"]["turnComplete"]


async def test_01_events_on_vertex_are_those_of_the_gemini_api(emulator: Emulator):
    async with vertex(emulator) as session:
        await session.send_realtime_input(text="hello")
        assert events(await turn(session)) == ["audio", "generation_complete", "turn_complete"]
