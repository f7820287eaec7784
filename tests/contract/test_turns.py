"""Points 6, 7, 9, 12: what a turn looks like on the wire."""

from __future__ import annotations

import base64

import pytest
from google.genai import types

from sessions_app.emulator import Emulator
from sessions_app.emulator.speech import BYTES_PER_SECOND, synthesise

from .clock import HeldClock
from .conftest import MODEL, conformance, dial, events, raw, spoken, turn

SETUP = {"model": f"models/{MODEL}"}
TRANSCRIBED = {"output_audio_transcription": {}}


def said(text: str, role: str = "user") -> types.Content:
    return types.Content(role=role, parts=[types.Part(text=text)])


async def test_06_incomplete_client_content_produces_nothing(emulator: Emulator):
    async with dial(emulator, TRANSCRIBED) as session:
        await session.send_client_content(turns=said("who are you"), turn_complete=False)
        await session.send_client_content(turns=said("hello"), turn_complete=True)
        assert spoken(await turn(session)) == "Hello! How can I help you?"
        # One turn only: what comes next answers the next question.
        await session.send_client_content(turns=said("thank you"))
        assert spoken(await turn(session)) == "You are welcome."


async def test_06_client_content_interrupts_the_active_turn(steady: Emulator):
    async with dial(steady, TRANSCRIBED) as session:
        await session.send_client_content(turns=said("tell me a long story"))
        async for message in session.receive():
            if message.data:
                await session.send_client_content(turns=said("thank you"))
                break
        assert events(await turn(session))[-2:] == ["interrupted", "turn_complete"]
        steady.clock.let_go()
        assert spoken(await turn(session)) == "You are welcome."


async def test_06_history_seeding_triggers_no_generation(emulator: Emulator):
    async with dial(emulator, TRANSCRIBED | {"history_config": {"initial_history_in_client_content": True}}) as session:
        await session.send_client_content(turns=[said("My name is Ada."), said("Hello Ada.", "model")])
        await session.send_realtime_input(text="what did I ask before")
        assert spoken(await turn(session)) == "Before this you said: My name is Ada."


async def test_06_a_complete_history_is_not_answered(emulator: Emulator):
    """Nothing interrupts here: an answer to it would come before that to the question."""
    options = {
        "history_config": {"initial_history_in_client_content": True},
        "realtime_input_config": {"activity_handling": "NO_INTERRUPTION"},
    }
    async with dial(emulator, TRANSCRIBED | options) as session:
        await session.send_client_content(turns=[said("My name is Ada."), said("Hello Ada.", "model")])
        await session.send_realtime_input(text="what did I ask before")
        assert spoken(await turn(session)) == "Before this you said: My name is Ada."


async def test_06_recall_knows_the_turn_before(emulator: Emulator):
    async with dial(emulator, TRANSCRIBED) as session:
        await session.send_realtime_input(text="good morning")
        await turn(session)
        await session.send_realtime_input(text="what did I say before?")
        assert spoken(await turn(session)) == "Before this you said: good morning"


async def test_07_audio_order_and_format(emulator: Emulator):
    async with dial(emulator, {"session_resumption": {}}) as session:
        await session.send_realtime_input(text="hello")
        messages = await turn(session)
        assert events(messages) == ["audio", "generation_complete", "turn_complete"]
        after = await anext(session.receive())
        assert after.session_resumption_update.resumable
        assert after.session_resumption_update.new_handle
    parts = [part for m in messages if m.server_content.model_turn for part in m.server_content.model_turn.parts]
    assert {part.inline_data.mime_type for part in parts} == {"audio/pcm;rate=24000"}
    assert all(len(part.inline_data.data) % 2 == 0 for part in parts)
    pcm = b"".join(part.inline_data.data for part in parts)
    assert abs(len(pcm) - len(synthesise("Hello! How can I help you?"))) < BYTES_PER_SECOND / 10
    assert pcm == emulator.all_sessions[0].sent_audio


@conformance
async def test_07_frames_are_small_and_binary(emulator: Emulator):
    async with raw(emulator, SETUP) as ws:
        await ws.send({"realtimeInput": {"text": "tell me a long story"}})
        frame = b""
        while b"turnComplete" not in frame:
            frame = await ws.websocket.recv()
            assert isinstance(frame, bytes)
            assert len(frame) < 2**20


async def test_07_pace_is_faster_than_real_time_but_not_at_once(steady: Emulator):
    steady.clock.let_go()
    async with dial(steady) as session:
        await session.send_realtime_input(text="who are you")
        seconds = sum(len(message.data or b"") for message in await turn(session)) / BYTES_PER_SECOND
    audio = [frame for frame in steady.all_sessions[0].frames if frame.kind == "serverContent.modelTurn"]
    took = audio[-1].seconds - audio[0].seconds
    assert took == pytest.approx((seconds - 1) / 2, abs=0.2), "twice real time, after a second at once"
    at_once = sum(frame.seconds == audio[0].seconds for frame in audio)
    assert 0.8 / 0.26 < at_once < 1.2 / 0.14 + 1, "pieces of 0.14 to 0.26 seconds, a second of them at first"


async def test_07_turn_complete_waits_for_the_listener():
    clock = HeldClock()
    clock.let_go()
    async with Emulator(speed=20, playback_gap=0.3, clock=clock) as emulator, dial(emulator) as session:
        await session.send_realtime_input(text="hello")
        await turn(session)
        generated, complete = emulator.sessions[0].frames[-2:]
    assert (generated.kind, complete.kind) == (
        "serverContent.generationComplete", "serverContent.turnComplete+usageMetadata",
    )  # fmt: skip
    assert complete.seconds - generated.seconds == pytest.approx(0.3)


@conformance
async def test_09_transcription_only_where_configured(emulator: Emulator):
    async with dial(emulator) as session:
        await session.send_realtime_input(text="hello")
        assert spoken(await turn(session)) == ""


async def test_09_deltas_join_to_the_whole_text(emulator: Emulator):
    async with dial(emulator, TRANSCRIBED) as session:
        await session.send_realtime_input(text="who are you")
        messages = await turn(session)
    text = spoken(messages)
    assert text.startswith("I am the emulator of Gemini Live")
    assert text.endswith("last week.")
    deltas = [m for m in messages if m.server_content.output_transcription]
    assert len(deltas) > 10
    first_audio = next(i for i, m in enumerate(messages) if m.data)
    last_audio = max(i for i, m in enumerate(messages) if m.data)
    assert first_audio < messages.index(deltas[3]) < last_audio


async def test_09_what_is_not_understood_is_said(emulator: Emulator):
    async with dial(emulator, TRANSCRIBED) as session:
        await session.send_realtime_input(text="Explain quantum chromodynamics")
        text = spoken(await turn(session))
    assert "did not understand" in text
    assert "what's the weather in London" in text


async def test_12_usage(emulator: Emulator):
    async with dial(emulator) as session:
        await session.send_realtime_input(text="hello")
        messages = await turn(session)
        await session.send_realtime_input(video={"data": b"\xff\xd8", "mime_type": "image/jpeg"})
        await session.send_realtime_input(text="thank you")
        later = (await turn(session))[-1].usage_metadata
    usage = messages[-1].usage_metadata
    seconds = sum(len(m.data or b"") for m in messages) / BYTES_PER_SECOND
    assert abs(usage.response_token_count - seconds * 25) < 2
    assert usage.total_token_count == usage.prompt_token_count + usage.response_token_count
    assert [(d.modality.value, d.token_count) for d in usage.response_tokens_details] == [
        ("AUDIO", usage.response_token_count)
    ]
    by_modality = {detail.modality.value: detail.token_count for detail in later.prompt_tokens_details}
    assert by_modality["IMAGE"] == 258
    assert by_modality["AUDIO"] >= usage.response_token_count, "what was said is context of the next turn"
    assert later.prompt_token_count == sum(by_modality.values())


async def test_pictures_are_counted_and_not_claimed_to_be_seen(emulator: Emulator):
    async with raw(emulator, SETUP | {"outputAudioTranscription": {}}) as ws:
        await ws.send({"realtimeInput": {"text": "what do you see?"}})
        nothing = await ws.turn()
        data = base64.b64encode(bytes(2500)).decode()
        await ws.send({"realtimeInput": {"video": {"data": data, "mimeType": "image/jpeg"}}})
        await ws.send({"realtimeInput": {"mediaChunks": [{"data": data, "mimeType": "image/png"}]}})
        await ws.send({"realtimeInput": {"text": "what do you see?"}})
        pictures = await ws.turn()

    def words(messages: list[dict]) -> str:
        return "".join(m["serverContent"].get("outputTranscription", {}).get("text", "") for m in messages)

    assert words(nothing) == "I have not received any picture yet."
    assert words(pictures).startswith("I have received 2 pictures. The last one is 2.5 kilobytes of png.")
