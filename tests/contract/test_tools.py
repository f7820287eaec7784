"""Point 10: tool calls, their answers, and their withdrawal."""

from __future__ import annotations

import datetime

import pytest
from google.genai import types

from sessions_app.emulator import Emulator

from .conftest import WEATHER, dial, events, spoken, turn

RESULT = {"location": "Paris", "temperature": 21.0, "conditions": "clear sky", "humidity": 40}
SPOKEN = "It is 21 degrees and clear sky in Paris, with a humidity of 40 percent."


def config(*declarations: dict, **extra) -> dict:
    return {
        "output_audio_transcription": {},
        "tools": [{"function_declarations": list(declarations) or [WEATHER]}],
        **extra,
    }


def answer(result: dict, **extra):
    return lambda call: types.FunctionResponse(id=call.id, name=call.name, response=result, **extra)


async def next_call(session) -> types.FunctionCall:
    async for message in session.receive():
        if message.tool_call:
            return message.tool_call.function_calls[0]
    raise AssertionError("the turn ended without a tool call")


@pytest.mark.parametrize("result", [RESULT, {"result": RESULT}, {"output": RESULT}])
async def test_10_call_and_spoken_answer(emulator: Emulator, result: dict):
    async with dial(emulator, config()) as session:
        await session.send_realtime_input(text="What's the weather in Paris?")
        messages = await turn(session, answer(result))
    assert events(messages) == ["tool_call", "audio", "generation_complete", "turn_complete"]
    call = messages[0].tool_call.function_calls[0]
    assert (call.name, call.args) == ("get_weather", {"location": "Paris"})
    assert spoken(messages) == SPOKEN


async def test_10_ids_are_unique(emulator: Emulator):
    ids = set()
    async with dial(emulator, config()) as session:
        for _ in range(3):
            await session.send_realtime_input(text="What's the weather in Paris?")
            ids.add((await turn(session, answer(RESULT)))[0].tool_call.function_calls[0].id)
    assert len(ids) == 3


async def test_10_dates_come_from_the_words(emulator: Emulator):
    async with dial(emulator, config({"name": "get_analytics"})) as session:
        await session.send_realtime_input(text="Show me the orders for the last week")
        call = await next_call(session)
    start, end = (datetime.date.fromisoformat(call.args[name]) for name in ("startDate", "endDate"))
    assert call.args["metric"] == "orders"
    assert end - start == datetime.timedelta(days=6)
    assert abs(end - datetime.date.today()) <= datetime.timedelta(days=1)  # a test may run at midnight


async def test_10_error_is_spoken(emulator: Emulator):
    async with dial(emulator, config()) as session:
        await session.send_realtime_input(text="What's the weather in Paris?")
        messages = await turn(session, answer({"error": "The weather service does not answer."}))
    assert spoken(messages) == "The weather service does not answer."


async def test_10_unknown_shape_is_described(emulator: Emulator):
    async with dial(emulator, config()) as session:
        await session.send_realtime_input(text="What's the weather in Paris?")
        messages = await turn(session, answer({"skyColour": "green", "odd": [1]}))
    assert spoken(messages) == "The result is: sky colour: green."


async def test_10_undeclared_tool_is_named(emulator: Emulator):
    async with dial(emulator, config({"name": "other"})) as session:
        await session.send_realtime_input(text="What's the weather in Paris?")
        messages = await turn(session)
    assert "get_weather" in spoken(messages)
    assert "tool_call" not in events(messages)


async def test_10_blocking_call_is_cancelled_by_new_input_and_late_answers_are_ignored(emulator: Emulator):
    async with dial(emulator, config(WEATHER | {"behavior": "BLOCKING"})) as session:
        await session.send_realtime_input(text="What's the weather in Paris?")
        call = await next_call(session)
        await session.send_realtime_input(text="Thank you")
        cut = await turn(session)
        assert events(cut) == ["tool_call_cancellation", "interrupted", "turn_complete"]
        assert cut[0].tool_call_cancellation.ids == [call.id]
        assert spoken(await turn(session)) == "You are welcome."
        await session.send_tool_response(function_responses=answer(RESULT)(call))
        await session.send_realtime_input(text="Good morning")
        assert spoken(await turn(session)) == "Hello! How can I help you?"


async def test_10_older_models_block_by_default(emulator: Emulator):
    async with dial(emulator, config(), model="gemini-3.1-flash-live-preview") as session:
        await session.send_realtime_input(text="What's the weather in Paris?")
        await next_call(session)
        await session.send_realtime_input(text="Thank you")
        assert "tool_call_cancellation" in events(await turn(session))


async def test_10_non_blocking_conversation_goes_on(emulator: Emulator):
    async with dial(emulator, config()) as session:
        await session.send_realtime_input(text="What's the weather in Paris?")
        call = await next_call(session)
        await session.send_realtime_input(text="Thank you")
        assert spoken(await turn(session)) == "You are welcome."
        await session.send_tool_response(function_responses=answer(RESULT)(call))
        assert spoken(await turn(session)) == SPOKEN


@pytest.mark.parametrize("words", ["never mind", "Please stop!"])
async def test_10_stop_withdraws_pending_calls(emulator: Emulator, words: str):
    async with dial(emulator, config()) as session:
        await session.send_realtime_input(text="What's the weather in Paris?")
        call = await next_call(session)
        await session.send_realtime_input(text=words)
        messages = await turn(session)
    assert messages[0].tool_call_cancellation.ids == [call.id]
    assert spoken(messages) == "All right."


async def test_10_interrupt_cuts_and_speaks(steady: Emulator):
    async with dial(steady, config()) as session:
        await session.send_realtime_input(text="What's the weather in Paris?")
        call = await next_call(session)
        await session.send_realtime_input(text="Tell me a long story")
        async for message in session.receive():
            if message.data:
                break
        await session.send_tool_response(function_responses=answer(RESULT, scheduling="INTERRUPT")(call))
        assert events(await turn(session))[-2:] == ["interrupted", "turn_complete"]
        steady.clock.let_go()
        assert spoken(await turn(session)) == SPOKEN


@pytest.mark.parametrize("result", [RESULT, RESULT | {"scheduling": "WHEN_IDLE"}])
async def test_10_when_idle_waits_for_the_turn(steady: Emulator, result: dict):
    async with dial(steady, config()) as session:
        await session.send_realtime_input(text="What's the weather in Paris?")
        call = await next_call(session)
        await session.send_realtime_input(text="Who are you?")
        async for message in session.receive():
            if message.data:
                break
        kept = steady.sessions[0]
        await session.send_tool_response(function_responses=answer(result)(call))
        await steady.until(lambda: kept.history[-1]["role"] == "tool")
        steady.clock.let_go()
        assert events(await turn(session)) == ["audio", "generation_complete", "turn_complete"]
        assert spoken(await turn(session)) == SPOKEN


@pytest.mark.parametrize("inside", [False, True])
async def test_10_silent_says_nothing(emulator: Emulator, inside: bool):
    silent = answer(RESULT | {"scheduling": "SILENT"}) if inside else answer(RESULT, scheduling="SILENT")
    async with dial(emulator, config()) as session:
        await session.send_realtime_input(text="What's the weather in Paris?")
        messages = await turn(session, silent)
        assert events(messages) == ["tool_call", "turn_complete"]
        assert emulator.sessions[0].history[-1]["role"] == "tool"


async def test_10_will_continue_makes_it_a_stream(emulator: Emulator):
    async with dial(emulator, config()) as session:
        await session.send_realtime_input(text="What's the weather in Paris?")
        call = await next_call(session)
        for more in (True, False):
            await session.send_tool_response(function_responses=answer(RESULT, will_continue=more)(call))
            assert spoken(await turn(session)) == SPOKEN
