"""Point 13: everything that can be made to go wrong, several at once, and the same again in every run."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from google.genai import errors
from websockets.exceptions import InvalidStatus

from sessions_app.emulator import Emulator, Fault
from sessions_app.emulator.faults import FaultError, Faults
from tests.waiting import GIVE_UP_SECONDS

from .conftest import MODEL, WEATHER, dial, events, raw, spoken, turn
from .test_lives import RESUMABLE, ask
from .test_tools import config

SETUP = {"model": f"models/{MODEL}"}


@pytest.mark.parametrize(("at", "nth"), [("ready", 1), ("turn", 1), ("audio", 3), ("turn_complete", 2), ("input", 2)])
async def test_13_close_at_a_moment(emulator: Emulator, at: str, nth: int):
    emulator.faults.add("close", at=at, nth=nth, code=1008)
    async with raw(emulator, SETUP if at != "ready" else None) as ws:
        if at == "ready":
            await ws.send({"setup": SETUP})
        for number in range(nth):
            await ws.send({"realtimeInput": {"text": "hello"}})
            if at == "turn_complete" and number < nth - 1:
                await ws.turn()
        assert await ws.closed() == (1008, "Operation is not implemented, or supported, or enabled.")
    kinds = [frame.kind for frame in emulator.all_sessions[0].frames if frame.sent]
    assert kinds.count("serverContent.modelTurn") == 3 if at == "audio" else True
    assert sum("turnComplete" in kind for kind in kinds) == (nth if at == "turn_complete" else 0)


@pytest.mark.parametrize("code", [1000, 1007, 1011, 4000])
async def test_13_close_codes(emulator: Emulator, code: int):
    emulator.faults.add("close", code=code, reason="because")
    async with raw(emulator, SETUP) as ws:
        assert await ws.closed() == (code, "because")


async def test_13_abort_later(emulator: Emulator):
    emulator.faults.add("abort", after=0.05)
    async with dial(emulator) as session:
        with pytest.raises(errors.APIError) as caught:
            await turn(session)
    assert caught.value.code == 1006


async def test_13_refusals_end(emulator: Emulator):
    emulator.faults.add("refuse_upgrade", status=503, times=2)
    for _ in range(2):
        with pytest.raises(InvalidStatus) as caught:
            async with dial(emulator):
                pass
        assert caught.value.response.status_code == 503
        assert json.loads(caught.value.response.body)["error"]["status"] == "UNAVAILABLE"
    async with dial(emulator):
        assert emulator.dials == 3


async def test_13_oversized_message(emulator: Emulator):
    emulator.faults.add("oversized_message")
    async with dial(emulator) as session:  # the SDK's own limit is 1 MiB
        await session.send_realtime_input(text="hello")
        with pytest.raises(errors.APIError) as caught:
            await turn(session)
    assert caught.value.code == 1006
    async with dial(emulator, max_size=None) as session:
        await session.send_realtime_input(text="hello")
        assert max(len(message.data or b"") for message in await turn(session)) == 1_500_000


async def test_13_withheld_pongs(emulator: Emulator):
    emulator.faults.add("withhold_pongs", session=2)
    async with raw(emulator, SETUP, ping_interval=None) as ws:
        assert await (await ws.websocket.ping()) > 0
    async with raw(emulator, SETUP, ping_interval=None) as ws:
        pong = await ws.websocket.ping()
        await ws.send({"realtimeInput": {"text": "hello"}})
        await ws.turn()
        assert not pong.done(), "what was asked after the ping is answered, and the ping is not"


async def test_13_slow_audio(emulator: Emulator):
    emulator.faults.add("slow_audio", speed=4)
    async with dial(emulator) as session:
        began = time.monotonic()
        await session.send_realtime_input(text="hello")
        size = sum(len(message.data or b"") for message in await turn(session))
    assert time.monotonic() - began > size / 48_000 / 4 * 0.9


async def test_13_silence_reads_on_and_answers_nothing(emulator: Emulator):
    emulator.faults.add("silence")
    async with raw(emulator, SETUP) as ws:
        for number in range(3):
            await ws.send({"realtimeInput": {"text": f"hello {number}"}})
        kept = emulator.sessions[0]
        await emulator.until(lambda: kept.received["realtimeInput.text"] == 3)
        emulator.inject({"serverContent": {"turnComplete": True}})
        emulator.close_all(1000, "enough")
        assert await ws.closed() == (1000, "enough")
    assert [frame.kind for frame in kept.frames if frame.sent] == ["setupComplete"]


async def test_13_go_away_and_silence_until_the_deadline(emulator: Emulator):
    emulator.faults.add("go_away", at="turn", seconds=0.3, silent=True)
    async with raw(emulator, SETUP) as ws:
        began = time.monotonic()
        await ws.send({"realtimeInput": {"text": "hello"}})
        assert await ws.receive() == {"goAway": {"timeLeft": "0.3s"}}
        assert await ws.closed() == (1011, "Deadline expired before operation could complete.")
    assert time.monotonic() - began > 0.3
    assert not [frame for frame in emulator.all_sessions[0].frames if frame.sent and "serverContent" in frame.message]


async def test_13_handles_late_and_withheld(emulator: Emulator):
    emulator.faults.add("late_handle", seconds=0.1, session=1)
    emulator.faults.add("withhold_handle", session=2)
    async with dial(emulator, RESUMABLE) as session:
        _, handle = await ask(session, "hello")
        assert handle
    frames = emulator.all_sessions[0].frames
    complete, late = (
        next(frame.seconds for frame in frames if name in frame.kind)
        for name in ("turnComplete", "sessionResumptionUpdate")
    )
    assert late - complete > 0.08
    async with dial(emulator, RESUMABLE) as session:
        for text in ("hello", "thank you"):
            await session.send_realtime_input(text=text)
            assert await turn(session)
    assert not [frame for frame in emulator.all_sessions[1].frames if "sessionResumptionUpdate" in frame.message]


@pytest.mark.parametrize("kind", ["unknown_keys", "malformed", "error"])
async def test_13_messages_that_are_none(emulator: Emulator, kind: str):
    emulator.faults.add(kind, code=503, times=1)
    async with raw(emulator, SETUP) as ws:
        await ws.send({"realtimeInput": {"text": "hello"}})
        frame = await ws.websocket.recv()
        if kind == "malformed":
            with pytest.raises(ValueError, match="Expecting value"):
                json.loads(frame)
        else:
            assert set(json.loads(frame)) == {"somethingNew" if kind == "unknown_keys" else "error"}
        assert (await ws.turn())[-1]["serverContent"]["turnComplete"], "the conversation goes on"
    async with dial(emulator) as session:
        emulator.faults.add(kind, code=503)
        await session.send_realtime_input(text="hello")
        with pytest.raises((TypeError, ValueError, errors.APIError)):
            await turn(session)


async def test_13_around_a_tool_call(emulator: Emulator):
    emulator.faults.add("turn_complete_after_tool_call", session=1)
    emulator.faults.add("audio_after_tool_call", session=2)
    for wanted in (["tool_call", "turn_complete"], ["tool_call", "audio"]):
        async with dial(emulator, config()) as session:
            await session.send_realtime_input(text="What's the weather in Paris?")
            messages = session.receive()
            assert events([await anext(messages), await anext(messages)]) == wanted


async def test_13_interruptions_that_surprise(steady: Emulator):
    steady.faults.add("audio_with_interrupted")
    steady.faults.add("spurious_interrupted", nth=2)
    async with dial(steady, {"output_audio_transcription": {}}) as session:
        await session.send_realtime_input(text="Tell me a long story")
        async for message in session.receive():
            if message.data:
                break
        await session.send_realtime_input(text="thank you")
        cut = await turn(session)
        [surprise] = [m for m in cut if m.server_content and m.server_content.interrupted]
        assert surprise.data, "speech of the turn that is cut"
        steady.clock.let_go()
        assert spoken(await turn(session)) == "You are welcome."
        assert events([await anext(session.receive())]) == ["interrupted"]


async def test_13_delay(emulator: Emulator):
    emulator.faults.add("delay", seconds=0.2)
    async with dial(emulator) as session:
        began = time.monotonic()
        await session.send_realtime_input(text="hello")
        await anext(session.receive())
    assert time.monotonic() - began > 0.2


async def test_13_several_at_once(emulator: Emulator):
    """The worst day: two calls for one, an unknown message, slow speech, and the end in the middle of it."""
    for kind, settings in {
        "duplicate_tool_calls": {}, "unknown_keys": {}, "slow_audio": {"speed": 50},
        "close": {"at": "audio", "nth": 2, "code": 1011},
    }.items():  # fmt: skip
        emulator.faults.add(kind, **settings)
    async with raw(emulator, SETUP | {"tools": [{"functionDeclarations": [WEATHER]}]}) as ws:
        await ws.send({"realtimeInput": {"text": "What's the weather in Paris?"}})
        got = [await ws.receive() for _ in range(3)]
        assert [next(iter(message)) for message in got] == ["somethingNew", "toolCall", "toolCall"]
        assert got[1] == got[2]
        call = got[1]["toolCall"]["functionCalls"][0]
        response = {"id": call["id"], "name": call["name"], "response": {"temperature": 1}}
        await ws.send({"toolResponse": {"functionResponses": [response]}})
        assert (await ws.closed())[0] == 1011


# Chance, and being told what is wrong.


def struck(faults: Faults, order: list[tuple[int, int]]) -> dict[tuple[int, int], bool]:
    return {(session, count): bool(faults.due("audio", session, count)) for session, count in order}


def test_13_chance_repeats_itself_however_sessions_interleave():
    places = [(session, count) for session in range(1, 4) for count in range(1, 200)]
    fault = Fault.read({"kind": "abort", "at": "audio", "probability": 0.3, "seed": 7})
    first = struck(Faults([fault]), places)
    assert first == struck(Faults([fault]), sorted(places, key=lambda place: place[::-1]))
    assert 0.2 < sum(first.values()) / len(first) < 0.4
    other = Fault.read({"kind": "abort", "at": "audio", "probability": 0.3, "seed": 8})
    assert first != struck(Faults([other]), places)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("close", {"kind": "close", "at": "ready", "code": 1011}),
        ("close,at=audio,nth=3,code=4000,reason=enough", {"at": "audio", "nth": 3, "code": 4000, "reason": "enough"}),
        ("go_away,seconds=2.5,silent=1", {"seconds": 2.5, "silent": True}),
        ("abort, probability=0.5, seed=3", {"probability": 0.5, "seed": 3}),
    ],
)
def test_13_flags(text: str, wanted: dict[str, Any]):
    fault = Fault.parse(text)
    assert {name: getattr(fault, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "A fault is an object with a `kind`"),
        ({"kind": "explode"}, "There is no fault 'explode': choose one of refuse_upgrade, close"),
        ({"kind": "close", "at": "noon"}, "There is no moment 'noon': choose one of upgrade, setup"),
        ({"kind": "close", "when": 1}, "A fault has no 'when': it may have kind, at"),
        ({"kind": "close", "code": "many"}, "A fault's 'code' is of type int: 'many' is not."),
        ({"kind": "close", "code": True}, "'code' is of type int"),
        ({"kind": "close", "code": 1006}, "A server closes with 1000, 1007, 1008, 1011 or 3000 to 4999, not 1006."),
        ({"kind": "refuse_upgrade", "at": "turn"}, "'refuse_upgrade' can strike only at the moment 'upgrade'."),
        ({"kind": "close", "at": "upgrade"}, "only 'refuse_upgrade' can strike"),
        ({"kind": "close", "nth": 0}, "nth is 1 or more"),
        ({"kind": "abort", "probability": 2.0}, "probability from 0 to 1"),
        ({"kind": "slow_audio", "speed": 0}, "speed above 0"),
        ({"kind": "refuse_upgrade", "status": 200}, "status from 400 to 599"),
    ],
)
def test_13_a_wrong_fault_is_told(data: dict[str, Any], sentence: str):
    with pytest.raises(FaultError) as caught:
        Fault.read(data)
    assert sentence in str(caught.value)


def test_13_a_flag_that_is_no_number():
    with pytest.raises(FaultError, match="'nth=few' does not fit: nth is a number"):
        Fault.parse("close,nth=few")


async def test_faults_may_be_given_at_the_start():
    script = {"intents": [{"name": "n", "phrases": "hello", "reply": "Hi."}], "faults": [{"kind": "unknown_keys"}]}
    async with (
        asyncio.timeout(GIVE_UP_SECONDS),
        Emulator(
            speed=0, script=script, faults=["duplicate_tool_calls", {"kind": "delay", "seconds": 0.01}]
        ) as running,
    ):
        kinds = [fault["kind"] for fault in running.faults.describe()]
        assert kinds == ["unknown_keys", "duplicate_tool_calls", "delay"]
        async with raw(running, SETUP) as ws:
            await ws.send({"realtimeInput": {"text": "hello"}})
            assert "somethingNew" in await ws.receive()
