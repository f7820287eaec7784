"""Points 11 and 13: goAway, resumption, ends, and what tests can make go wrong."""

from __future__ import annotations

import asyncio

import pytest
from google.genai import errors
from websockets.exceptions import InvalidStatus

from sessions_app.emulator import Emulator, emulator_in_thread
from tests.waiting import GIVE_UP_SECONDS

from .conftest import MODEL, WEATHER, conformance, dial, events, raw, spoken, turn

RESUMABLE = {"session_resumption": {}, "output_audio_transcription": {}}


async def ask(session, text: str) -> tuple[str, str]:
    """Ask; what was said, and the handle that came after it."""
    await session.send_realtime_input(text=text)
    said = spoken(await turn(session))
    update = (await anext(session.receive())).session_resumption_update
    return said, update.new_handle


async def test_11_go_away_and_the_close_at_the_deadline(emulator: Emulator):
    async with dial(emulator) as session:
        emulator.go_away(0.1)
        messages = session.receive()
        assert (await anext(messages)).go_away.time_left == "0.1s"
        with pytest.raises(errors.APIError) as caught:
            await anext(messages)
    assert caught.value.code == 1011


async def test_11_resumption_restores_history(emulator: Emulator):
    async with dial(emulator, RESUMABLE) as session:
        _, handle = await ask(session, "good morning")
    async with dial(emulator, RESUMABLE | {"session_resumption": {"handle": handle}}) as session:
        fresh = (await anext(session.receive())).session_resumption_update
        assert fresh.new_handle != handle
        said, _ = await ask(session, "what did I say before")
    assert said == "Before this you said: good morning"


@conformance
async def test_11_invalid_handle(emulator: Emulator):
    with pytest.raises(errors.APIError, match="BidiGenerateContent session not found") as caught:
        async with dial(emulator, {"session_resumption": {"handle": "nonsense"}}):
            pass
    assert caught.value.code == 1008


async def test_11_resuming_over_an_open_predecessor(emulator: Emulator):
    async with dial(emulator, RESUMABLE) as session:
        _, handle = await ask(session, "hello")
        with pytest.raises(errors.APIError) as caught:
            async with dial(emulator, {"session_resumption": {"handle": handle}}):
                pass
    assert caught.value.code == 1011


@pytest.mark.parametrize("code", [1000, 1007, 1008, 1011])
async def test_13_close_all(emulator: Emulator, code: int):
    async with dial(emulator) as session:
        emulator.close_all(code, "because")
        with pytest.raises(errors.APIError, match="because") as caught:
            await turn(session)
    assert caught.value.code == code


async def test_13_abort_all(emulator: Emulator):
    async with dial(emulator) as session:
        emulator.abort_all()
        with pytest.raises(errors.APIError) as caught:
            await turn(session)
    assert caught.value.code == 1006


@pytest.mark.parametrize("status", [429, 503])
async def test_13_refused_upgrade(emulator: Emulator, status: int):
    emulator.faults.add("refuse_upgrade", status=status)
    with pytest.raises(InvalidStatus) as caught:
        async with dial(emulator):
            pass
    assert caught.value.response.status_code == status
    assert emulator.dials == 1


async def test_13_no_setup_complete(emulator: Emulator):
    emulator.faults.add("withhold_setup_complete")
    async with raw(emulator) as ws:
        await ws.send({"setup": {"model": f"models/{MODEL}"}})
        await emulator.until(lambda: emulator.sessions and emulator.sessions[0].setup)
        emulator.inject({"serverContent": {"waitingForInput": True}})
        assert await ws.receive() == {"serverContent": {"waitingForInput": True}}, "nothing came before this"


async def test_13_duplicate_tool_calls(emulator: Emulator):
    emulator.faults.add("duplicate_tool_calls")
    async with dial(emulator, {"tools": [{"function_declarations": [WEATHER]}]}) as session:
        await session.send_realtime_input(text="What is the weather in Rome?")
        messages = session.receive()
        first, second = await anext(messages), await anext(messages)
    assert first.tool_call.function_calls == second.tool_call.function_calls


async def test_13_injected_messages_arrive_in_order(emulator: Emulator):
    async with dial(emulator) as session:
        for number in range(5):
            emulator.inject({"serverContent": {"outputTranscription": {"text": str(number)}}})
        emulator.inject({"serverContent": {"interrupted": True}})
        emulator.inject({"serverContent": {"turnComplete": True}})
        messages = await turn(session)
    assert spoken(messages) == "01234"
    assert events(messages) == ["interrupted", "turn_complete"]


async def test_in_a_thread_with_another_loop():
    with emulator_in_thread(speed=0) as emulator:
        async with asyncio.timeout(GIVE_UP_SECONDS), dial(emulator, RESUMABLE) as session:
            assert (await ask(session, "thank you"))[0] == "You are welcome."
            emulator.close_all(1011, "enough")
            with pytest.raises(errors.APIError, match="enough"):
                await turn(session)
        await emulator.until(lambda: not emulator.sessions)
        assert emulator.all_sessions[0].received["realtimeInput.text"] == 1


async def test_it_can_start_afresh(emulator: Emulator):
    emulator.faults.add("delay")
    async with raw(emulator, {"model": f"models/{MODEL}", "sessionResumption": {}}) as ws:
        await ws.send({"realtimeInput": {"text": "hello"}})
        while "sessionResumptionUpdate" not in (update := await ws.receive()):
            pass
        await emulator.start_afresh()
        assert await ws.closed() == (1006, "")
    assert (emulator.dials, len(emulator.all_sessions), emulator.faults.describe()) == (0, 0, [])
    handle = update["sessionResumptionUpdate"]["newHandle"]
    with pytest.raises(errors.APIError, match="session not found"):
        async with dial(emulator, {"session_resumption": {"handle": handle}}):
            pass
    assert [session.number for session in emulator.all_sessions] == [1]


async def test_faults_of_the_start_are_there_afresh():
    async with Emulator(speed=0, faults=["unknown_keys"]) as emulator:
        emulator.faults.clear()
        await emulator.start_afresh()
        assert [fault["kind"] for fault in emulator.faults.describe()] == ["unknown_keys"]


def test_a_port_in_use_is_told_to_the_caller():
    with emulator_in_thread() as first, pytest.raises(OSError, match="address already in use"):  # noqa: SIM117
        with emulator_in_thread(port=first.port):
            pass
