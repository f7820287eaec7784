"""What a script can make the emulator do, and what it can be asked about afterwards."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest_asyncio
from google.genai import types

from sessions_app.emulator import Emulator
from sessions_app.emulator.speech import BYTES_PER_SECOND
from tests.waiting import GIVE_UP_SECONDS

from .conftest import MODEL, WEATHER, dial, events, raw, spoken, turn
from .test_tools import answer
from .test_voice import SILENCE, question, speak

M25 = "gemini-2.5-flash-native-audio-preview-12-2025"
STOCKS = {"name": "get_stock", "parameters": {"type": "OBJECT", "properties": {"item": {"type": "STRING"}}}}
SCRIPT: dict[str, Any] = {
    "slots": {"city": {"open": True, "paris": "Paris"}},
    "intents": [
        {
            "name": "trip",
            "phrases": "plan a trip to {city}",
            "calls": [
                {"tool": "get_weather", "args": {"location": "{city}"}},
                {"tool": "get_stock", "args": {"item": "tents", "near": {"city": "{city}"}}},
            ],
            "reply": "In {get_weather.location} it is {temperature} degrees, and we have {get_stock.count} {item}.",
        },
        {"name": "facts", "phrases": "who won in {city}", "reply": "Nobody won in {city}.", "thoughts": "A hard one.",
         "grounding": {"queries": ["who won in {city}"], "sources": [{"title": "News", "uri": "https://n.example/{city}"}]}},
        {"name": "quiet", "phrases": "say nothing", "silent": True},
        {"name": "slow", "phrases": "take your time", "reply": "Done.", "delay": 0.3},
        {"name": "background", "phrases": "look at paris in the background", "tool": "get_weather",
         "args": {"location": "Paris"}, "scheduling": "SILENT", "reply": "It is {temperature}."},
        {"name": "bye", "phrases": "goodbye", "reply": "Bye."},
    ],
    "fallback": {"not_understood": "What?"},
}  # fmt: skip
BOTH = {"output_audio_transcription": {}, "tools": [{"function_declarations": [WEATHER, STOCKS]}]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _emulator() -> AsyncIterator[Emulator]:
    async with Emulator(speed=0, script=SCRIPT) as running:
        yield running


async def calls_of(session) -> list[types.FunctionCall]:
    return (await anext(session.receive())).tool_call.function_calls


def response(call: types.FunctionCall, **result: Any) -> types.FunctionResponse:
    return types.FunctionResponse(id=call.id, name=call.name, response=result)


async def test_10_several_calls_at_once_and_one_reply_of_all_results(emulator: Emulator):
    async with dial(emulator, BOTH) as session:
        await session.send_realtime_input(text="plan a trip to Paris")
        weather, stock = await calls_of(session)
        assert (weather.name, weather.args) == ("get_weather", {"location": "Paris"})
        assert (stock.name, stock.args) == ("get_stock", {"item": "tents", "near": {"city": "Paris"}})
        await session.send_tool_response(function_responses=response(stock, count=3))
        kept = emulator.sessions[0]
        await emulator.until(lambda: kept.messages("toolResponse"))
        assert kept.turns.calls.ids == [weather.id], "it waits for the other"
        await session.send_tool_response(function_responses=response(weather, location="Paris", temperature=21))
        assert spoken(await turn(session)) == "In Paris it is 21 degrees, and we have 3 tents."


async def test_10_both_results_in_one_message(emulator: Emulator):
    async with dial(emulator, BOTH) as session:
        await session.send_realtime_input(text="plan a trip to Paris")
        messages = await turn(session, lambda call: response(call, location="Paris", temperature=1.5, count=2))
    assert spoken(messages) == "In Paris it is 1.5 degrees, and we have 2 tents."


async def test_10_all_blocking_calls_are_withdrawn_together(emulator: Emulator):
    blocking = [declaration | {"behavior": "BLOCKING"} for declaration in (WEATHER, STOCKS)]
    async with dial(emulator, {"tools": [{"function_declarations": blocking}]}) as session:
        await session.send_realtime_input(text="plan a trip to Paris")
        calls = await calls_of(session)
        await session.send_tool_response(function_responses=response(calls[0], temperature=1))
        await session.send_realtime_input(text="goodbye")
        cut = await turn(session)
    assert cut[0].tool_call_cancellation.ids == [calls[1].id], "the one that was answered is over"


async def test_10_results_that_come_as_text():
    """LiveKit sends what Python prints, others send JSON."""
    for text in ("{'location': 'Paris', 'temperature': 7}", '{"location": "Paris", "temperature": 7}'):
        async with asyncio.timeout(GIVE_UP_SECONDS), Emulator(speed=0) as emulator, dial(emulator, BOTH) as session:
            await session.send_realtime_input(text="What's the weather in Paris?")
            messages = await turn(session, answer({"output": text}))
        assert "temperature: 7" in spoken(messages)
        assert "{" not in spoken(messages)


async def test_10_scheduling_by_the_script(emulator: Emulator):
    async with dial(emulator, BOTH) as session:
        await session.send_realtime_input(text="look at paris in the background")
        messages = await turn(session, lambda call: response(call, temperature=3))
    assert events(messages) == ["tool_call", "turn_complete"]


async def test_10_context_updates_change_the_tools(emulator: Emulator):
    async with dial(emulator, BOTH) as session:
        await session.send_context_update(tools=[])
        await session.send_realtime_input(text="plan a trip to Paris")
        assert "get_weather" in spoken(await turn(session))
        await session.send_context_update(tools=[types.Tool(function_declarations=[WEATHER, STOCKS])])
        await session.send_realtime_input(text="plan a trip to Paris")
        assert len(await calls_of(session)) == 2
        await session.send_context_update(system_instruction="Be brief.")


async def test_07_a_turn_may_be_silent(emulator: Emulator):
    async with dial(emulator, BOTH) as session:
        await session.send_realtime_input(text="say nothing")
        assert events(await turn(session)) == ["turn_complete"]


async def test_07_a_turn_may_take_its_time(emulator: Emulator):
    async with dial(emulator) as session:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await session.send_realtime_input(text="take your time")
        await anext(session.receive())
        assert loop.time() - began > 0.3


async def test_thoughts_are_sent_to_those_who_ask_for_them(emulator: Emulator):
    thinking = {"thinking_config": {"thinking_budget": 100, "include_thoughts": True}}
    for configuration, thoughts in ((thinking, ["A hard one."]), ({}, [])):
        async with dial(emulator, configuration, model=M25) as session:
            await session.send_realtime_input(text="who won in Paris")
            messages = await turn(session)
        parts = [
            part
            for message in messages
            if message.server_content and message.server_content.model_turn
            for part in message.server_content.model_turn.parts
        ]
        assert [part.text for part in parts if part.thought] == thoughts
        assert messages[-1].usage_metadata.thoughts_token_count == 3, "they cost all the same"


async def test_grounding_comes_with_google_search(emulator: Emulator):
    for tools, wanted in (([{"google_search": {}}], 1), ([], 0)):
        async with dial(emulator, {"tools": tools}) as session:
            await session.send_realtime_input(text="who won in Paris")
            messages = await turn(session)
        found = [m.server_content.grounding_metadata for m in messages if m.server_content.grounding_metadata]
        assert len(found) == wanted
        for metadata in found:
            assert metadata.web_search_queries == ["who won in Paris"]
            assert metadata.grounding_chunks[0].web.uri == "https://n.example/Paris"


async def test_a_script_may_be_a_file(tmp_path: Path):
    file = tmp_path / "script.toml"
    file.write_text('[[intents]]\nname = "n"\nphrases = "ping"\nreply = "pong"\n[[faults]]\nkind = "unknown_keys"\n')
    async with (
        Emulator(speed=0, script=file) as emulator,
        raw(emulator, {"model": f"models/{MODEL}", "outputAudioTranscription": {}}) as ws,
    ):
        await ws.send({"realtimeInput": {"text": "ping"}})
        messages = await ws.turn()
    assert "somethingNew" in messages[0]
    assert "pong" in json.dumps(messages)


# What can be asked afterwards.


async def test_frames_with_times_and_without_bytes(emulator: Emulator):
    async with dial(emulator, {"output_audio_transcription": {}}) as session:
        await session.send_realtime_input(audio={"data": bytes(640), "mime_type": "audio/pcm;rate=16000"})
        await session.send_realtime_input(text="goodbye")
        await turn(session)
    frames = emulator.all_sessions[0].frames
    assert [frame.kind for frame in frames if not frame.sent] == [
    "setup", "realtimeInput.audio", "realtimeInput.text"
    ]  # fmt: skip
    audio = frames[2].message["realtimeInput"]["audio"]
    assert audio == {"data": {"bytes": 640}, "mimeType": "audio/pcm;rate=16000"}
    sent = [frame for frame in frames if frame.sent]
    assert sent[0].message == {"setupComplete": {}}
    assert sent[0].size == 26
    pieces = [frame for frame in sent if frame.kind == "serverContent.modelTurn"]
    total = sum(f.message["serverContent"]["modelTurn"]["parts"][0]["inlineData"]["data"]["bytes"] for f in pieces)
    assert 0.2 < total / BYTES_PER_SECOND < 2
    assert [frame.seconds for frame in frames] == sorted(frame.seconds for frame in frames)


async def test_recordings(tmp_path: Path):
    async with asyncio.timeout(GIVE_UP_SECONDS), Emulator(speed=0, record=tmp_path / "all") as emulator:
        async with dial(emulator, {"input_audio_transcription": {}}) as session:
            await speak(session, SILENCE + question("Good morning") + SILENCE)
            messages = await turn(session)
        await emulator.until(lambda: not emulator.sessions)
        [folder] = (tmp_path / "all").iterdir()
        await emulator.until(lambda: (folder / "spoken.wav").stat().st_size > 44)
    assert folder.name.endswith("-session-0001")
    lines = [json.loads(line) for line in (folder / "frames.jsonl").read_text().splitlines()]
    assert next(iter(lines[0]["message"])) == "setup"
    assert {line["sent"] for line in lines} == {True, False}
    with wave.open(str(folder / "heard.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert len(heard) * 2 == len(SILENCE * 2) + len(question("Good morning"))
    assert np.abs(heard.astype(int)).max() > 5_000
    with wave.open(str(folder / "spoken.wav")) as file:
        assert file.getframerate() == 24_000
        assert file.readframes(file.getnframes()) == b"".join(message.data or b"" for message in messages)


# Speaking.


async def pieces(emulator: Emulator, **configuration: Any) -> list[int]:
    async with dial(emulator, configuration) as session:
        await session.send_realtime_input(text="Who are you?")
        return [len(message.data) for message in await turn(session) if message.data]


async def test_07_pieces_vary_and_the_seed_repeats_them():
    runs = []
    for options in ({}, {}, {"seed": 1}, {"jitter": 0}, {"chunk": 0.04, "jitter": 0}):
        async with asyncio.timeout(GIVE_UP_SECONDS), Emulator(speed=0, **options) as emulator:
            runs.append(await pieces(emulator))
    first, again, seeded, even, small = runs
    assert len(set(first[:-1])) > 10
    assert first[:50] == again[:50] != seeded[:50]
    assert set(even[:-1]) == {9_600}
    assert set(small[:-1]) == {1_920}
    assert abs(sum(first) - sum(even)) < BYTES_PER_SECOND / 2


async def test_09_languages_and_voices():
    """The same words take another time in another language, or by a quicker voice."""
    async with asyncio.timeout(GIVE_UP_SECONDS), Emulator(speed=0, record_audio=True) as emulator:
        sizes = []
        for voice, language in (("Kore", "en-US"), ("Fenrir", "en-US"), ("Kore", "ja-JP"), ("Kore", "xx-XX")):
            speech = {"voice_config": {"prebuilt_voice_config": {"voice_name": voice}}, "language_code": language}
            async with dial(emulator, {"speech_config": speech}) as session:
                await session.send_realtime_input(text="who are you")
                await turn(session)
            sizes.append(len(emulator.all_sessions[-1].sent_audio) / BYTES_PER_SECOND)
    usual, quick, japanese, unknown = sizes
    assert quick < usual - 0.5
    assert abs(japanese - usual) > 0.5
    assert abs(unknown - usual) < 0.2, "a language that it does not speak is English"


async def test_echo_sends_audio_straight_back():
    async with (
        asyncio.timeout(GIVE_UP_SECONDS),
        Emulator(echo=True) as emulator,
        raw(emulator, {"model": f"models/{MODEL}"}) as ws,
    ):
        await ws.send({"realtimeInput": {"audio": {"data": "AQIDBA==", "mimeType": "audio/pcm;rate=16000"}}})
        blob = (await ws.receive())["serverContent"]["modelTurn"]["parts"][0]["inlineData"]
    assert blob == {"mimeType": "audio/pcm;rate=24000", "data": "AQIDBA=="}
