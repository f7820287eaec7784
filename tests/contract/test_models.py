"""Point 5: what each model takes, refuses and does differently."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import errors, types

from sessions_app.emulator import Emulator

from .conftest import WEATHER, conformance, dial, events, heard, raw, spoken, turn
from .test_tools import RESULT, SPOKEN, answer, config, next_call
from .test_turns import said
from .test_voice import SILENCE, question, speak

M38 = "gemini-3.8-live"
THINKING = "gemini-3.8-live-extended-thinking"
M31 = "gemini-3.1-flash-live-preview"
M25 = "gemini-2.5-flash-native-audio-preview-12-2025"
INVALID = "Request contains an invalid argument."
LEVEL = {"thinking_config": {"thinking_level": "LOW"}}
BUDGET = {"thinking_config": {"thinking_budget": 100}}
BLOCKING, NON_BLOCKING = config(WEATHER | {"behavior": "BLOCKING"}), config(WEATHER | {"behavior": "NON_BLOCKING"})
PROACTIVE = {"proactivity": {"proactive_audio": True}}
AFFECTIVE = {"enable_affective_dialog": True}


@conformance
@pytest.mark.parametrize(
    ("model", "version", "setup", "sentence"),
    [
        (M38, "v1beta", LEVEL, INVALID),
        (M38, "v1beta", BUDGET, INVALID),
        (M38, "v1alpha", AFFECTIVE, INVALID),
        (M38, "v1alpha", {"proactivity": {"proactive_audio": False}}, INVALID),
        (M38, "v1beta", PROACTIVE, """Unknown name "proactivity" at 'setup': Cannot find field."""),
        (M38, "v1beta", AFFECTIVE, 'Unknown name "enableAffectiveDialog"'),
        (M38, "v1beta", {"response_modalities": ["TEXT"]}, "response modalities"),
        (M38, "v1beta", {"response_modalities": ["AUDIO", "TEXT"]}, "response modalities"),
        (THINKING, "v1beta", {}, INVALID),
        (THINKING, "v1beta", {"thinking_config": {"thinking_level": "LOW", "thinking_budget": 1}}, INVALID),
        (THINKING, "v1beta", LEVEL | BLOCKING, INVALID),
        (M31, "v1beta", NON_BLOCKING, INVALID),
        (M31, "v1beta", BUDGET, "Thinking budget is not supported for this model."),
        (M31, "v1alpha", PROACTIVE, INVALID),
        (M31, "v1alpha", AFFECTIVE, INVALID),
        (M25, "v1beta", LEVEL, "Thinking level is not supported for this model."),
        (M25, "v1beta", PROACTIVE, 'Unknown name "proactivity"'),
    ],
)
async def test_05_refused(emulator: Emulator, model: str, version: str, setup: dict, sentence: str):
    with pytest.raises(errors.APIError) as caught:
        async with dial(emulator, setup, model=model, version=version):
            pass
    assert caught.value.code == 1007
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("model", "version", "setup"),
    [
        (M38, "v1beta", BLOCKING),
        (M38, "v1beta", NON_BLOCKING),
        (M38, "v1alpha", PROACTIVE),
        (THINKING, "v1beta", LEVEL),
        (THINKING, "v1beta", BUDGET | NON_BLOCKING),
        (M31, "v1beta", LEVEL | BLOCKING),
        (M25, "v1beta", BUDGET | NON_BLOCKING),
        (M25, "v1alpha", PROACTIVE | AFFECTIVE),
    ],
)
async def test_05_taken(emulator: Emulator, model: str, version: str, setup: dict):
    transcribed = setup | {"output_audio_transcription": {}}
    async with dial(emulator, transcribed, model=model, version=version) as session:
        await session.send_realtime_input(text="hello")
        assert spoken(await turn(session)) == "Hello! How can I help you?"


async def test_05_content_seeds_3_1_and_is_answered_ever_after(emulator: Emulator):
    """Google's page and its SDK's own tests say so; in spring 2026 it was refused."""
    seeding = {"output_audio_transcription": {}, "history_config": {"initial_history_in_client_content": True}}
    async with dial(emulator, seeding, model=M31) as session:
        await session.send_client_content(turns=[said("My name is Ada.")], turn_complete=True)
        await session.send_realtime_input(text="what did I ask before")
        assert spoken(await turn(session)) == "Before this you said: My name is Ada."
        await session.send_client_content(turns=[said("hello")])
        assert spoken(await turn(session)) == "Hello! How can I help you?"


async def test_05_a_history_ends_where_the_conversation_begins(emulator: Emulator):
    """Some clients never complete the history: what they say later is no history any more."""
    seeding = {"output_audio_transcription": {}, "history_config": {"initial_history_in_client_content": True}}
    async with dial(emulator, seeding) as session:
        await session.send_client_content(turns=[said("My name is Ada.")], turn_complete=False)
        await session.send_realtime_input(text="what did I ask before")
        assert spoken(await turn(session)) == "Before this you said: My name is Ada."
        await session.send_client_content(turns=[said("hello")])
        assert spoken(await turn(session)) == "Hello! How can I help you?"


async def test_05_2_5_answers_content_that_would_only_seed_others(emulator: Emulator):
    seeding = {"output_audio_transcription": {}, "history_config": {"initial_history_in_client_content": True}}
    async with dial(emulator, seeding, model=M25) as session:
        await session.send_client_content(turns=[said("hello")])
        assert spoken(await turn(session)) == "Hello! How can I help you?"


async def test_05_2_5_completes_the_turn_after_a_call(emulator: Emulator):
    """Agents that wait for the end of the turn before they answer would wait for ever."""
    async with dial(emulator, config(), model=M25) as session:
        await session.send_realtime_input(text="What's the weather in Paris?")
        first = await turn(session)
        assert events(first) == ["tool_call", "turn_complete"]
        [call] = first[0].tool_call.function_calls
        await session.send_tool_response(function_responses=answer(RESULT)(call))
        assert spoken(await turn(session)) == SPOKEN


@pytest.mark.parametrize(("model", "pieces"), [(M38, 1), (M25, 2)])
async def test_05_3_x_transcribes_input_in_one_piece(emulator: Emulator, model: str, pieces: int):
    async with dial(emulator, {"input_audio_transcription": {}}, model=model) as session:
        await speak(session, SILENCE + question("What's the weather in New York?") + SILENCE)
        messages = await turn(session)
    assert heard(messages) == "what's the weather in new york"
    assert sum(bool(m.server_content and m.server_content.input_transcription) for m in messages) == pieces


def statuses(messages: list[types.LiveServerMessage]) -> list[Any]:
    contents = [m.server_content for m in messages if m.server_content and m.server_content.turn_complete]
    return [content.interaction_status.value for content in contents]


async def test_05_extended_thinking_speaks_while_a_tool_works(emulator: Emulator):
    async with dial(emulator, config() | LEVEL, model=THINKING) as session:
        await session.send_realtime_input(text="What's the weather in Paris?")
        messages: list[types.LiveServerMessage] = []
        async for message in session.receive():  # the SDK goes on until the interaction is idle
            messages.append(message)
            if message.server_content and message.server_content.turn_complete and len(statuses(messages)) == 1:
                [call] = messages[0].tool_call.function_calls
                await session.send_tool_response(function_responses=answer(RESULT)(call))
    assert events(messages) == [
        "tool_call", "audio", "generation_complete", "turn_complete", "audio", "generation_complete", "turn_complete",
    ]  # fmt: skip
    assert statuses(messages) == ["IN_PROGRESS", "IDLE"]
    assert spoken(messages) == "One moment, please." + SPOKEN


async def test_05_extended_thinking_without_a_tool_is_idle_at_once(emulator: Emulator):
    async with dial(emulator, LEVEL, model=THINKING) as session:
        await session.send_realtime_input(text="hello")
        assert statuses(await turn(session)) == ["IDLE"]


@pytest.mark.parametrize(("model", "waits"), [(M38, True), (M25, False)])
async def test_05_interrupt_waits_for_the_user_on_3_8_only(emulator: Emulator, model: str, waits: bool):
    declared = WEATHER | {"behavior": "NON_BLOCKING"}
    async with dial(emulator, config(declared), model=model) as session:
        await session.send_realtime_input(text="What's the weather in Paris?")
        call = await next_call(session)
        if model == M25:
            await turn(session)  # ends with the call
        await speak(session, question("Who are you?"))  # and no silence: the user has not ended
        kept = emulator.sessions[0]
        await emulator.until(lambda: kept.turns.user_is_speaking)
        await session.send_tool_response(function_responses=answer(RESULT, scheduling="INTERRUPT")(call))
        if waits:
            await emulator.until(lambda: kept.messages("toolResponse"))
            await speak(session, SILENCE)
            assert spoken(await turn(session)) not in ("", SPOKEN), "the user is answered first"
        assert spoken(await turn(session)) == SPOKEN


async def test_05_text_answers_of_models_that_had_them(emulator: Emulator):
    """The SDKs' own documentation still calls these."""
    text = {"response_modalities": ["TEXT"]}
    async with dial(emulator, text, model="gemini-live-2.5-flash-preview") as session:
        await session.send_client_content(turns=said("hello"))
        messages = await turn(session)
    assert "".join(m.text or "" for m in messages) == "Hello! How can I help you?"
    assert all(m.data is None for m in messages)
    usage = messages[-1].usage_metadata
    assert [d.modality.value for d in usage.response_tokens_details] == ["TEXT"]


async def test_05_a_full_context_closes_unless_it_is_compressed(emulator: Emulator):
    tokens = 131_072 + 1_000
    setup = {"model": f"models/{M38}"}
    compressed = {**setup, "contextWindowCompression": {"slidingWindow": {}}}
    history = {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "word " * tokens}]}] * 2}}
    async with raw(emulator, setup) as ws, raw(emulator, compressed) as other:
        for socket in (ws, other):
            await socket.send(history)
            await socket.send({"realtimeInput": {"text": "hello"}})
        assert await ws.closed() == (1007, INVALID)
        usage = (await other.turn())[-1]["usageMetadata"]
    assert usage["promptTokenCount"] < 131_072


async def test_05_wordless_text_asks_for_the_answer_to_the_history(emulator: Emulator):
    """How agent frameworks begin after seeding: 3.x generates nothing by itself."""
    seeding = {"output_audio_transcription": {}, "history_config": {"initial_history_in_client_content": True}}
    async with dial(emulator, seeding) as session:
        await session.send_client_content(turns=[said("Hi.", "model"), said("Who are you?")], turn_complete=True)
        await session.send_realtime_input(text=".")
        assert spoken(await turn(session)).startswith("I am the emulator")


@conformance
async def test_05_roles(emulator: Emulator):
    async with raw(emulator, {"model": f"models/{M38}"}) as ws:
        await ws.send({"clientContent": {"turns": [{"role": "system", "parts": [{"text": "hi"}]}]}})
        assert await ws.closed() == (1007, "Please use a valid role: user, model.")
