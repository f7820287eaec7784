"""Points 8 and 9: what is heard, and being interrupted."""

from __future__ import annotations

import pytest
from google.genai import errors

from sessions_app.emulator import Emulator
from sessions_app.emulator.speech import synthesise

from .clock import HeldClock
from .conftest import conformance, dial, events, heard, spoken, turn

TRANSCRIBED = {"input_audio_transcription": {}, "output_audio_transcription": {}}
MANUAL = {"realtime_input_config": {"automatic_activity_detection": {"disabled": True}}}
SILENCE = bytes(32_000)  # one second


def question(text: str, rate: int = 16_000) -> bytes:
    return synthesise(text, rate=rate)


async def speak(session, pcm: bytes, rate: int = 16_000) -> None:
    size = rate * 2 // 25  # 40 ms
    for start in range(0, len(pcm), size):
        await session.send_realtime_input(
            audio={"data": pcm[start : start + size], "mime_type": f"audio/pcm;rate={rate}"}
        )


async def until_audio(session) -> None:
    async for message in session.receive():
        if message.data:
            return


async def test_08_speech_is_heard_and_answered(emulator: Emulator):
    async with dial(emulator, TRANSCRIBED) as session:
        await speak(session, SILENCE + question("Who are you?") + SILENCE)
        messages = await turn(session)
    assert heard(messages) == "who are you"
    assert spoken(messages).startswith("I am the emulator")


async def test_08_other_rates_are_resampled(emulator: Emulator):
    async with dial(emulator, TRANSCRIBED) as session:
        await speak(session, question("Who are you?", 48_000) + SILENCE * 3, 48_000)
        assert heard(await turn(session)) == "who are you"


async def test_08_barge_in(steady: Emulator):
    async with dial(steady, TRANSCRIBED) as session:
        await session.send_realtime_input(text="Tell me a long story")
        await until_audio(session)
        await speak(session, question("Who are you?") + SILENCE)
        cut = await turn(session)
        assert events(cut)[-2:] == ["interrupted", "turn_complete"]
        assert "generation_complete" not in events(cut)
        steady.clock.let_go()
        answer = await turn(session)
    assert heard(answer) == "who are you"
    assert spoken(answer).startswith("I am the emulator"), "nothing of the story comes after the interruption"


async def test_08_late_barge_in_cuts_what_is_still_being_heard():
    clock = HeldClock()
    clock.let_go()
    async with Emulator(speed=50, clock=clock) as emulator, dial(emulator, TRANSCRIBED) as session:
        await session.send_realtime_input(text="Tell me a long story")
        await turn(session)
        await speak(session, question("Who are you?") + SILENCE)
        assert events(await turn(session)) == ["interrupted", "audio", "generation_complete", "turn_complete"]


async def test_08_no_interruption(steady: Emulator):
    config = {"realtime_input_config": {"activity_handling": "NO_INTERRUPTION"}}
    async with dial(steady, TRANSCRIBED | config) as session:
        await session.send_realtime_input(text="Who are you?")
        await until_audio(session)
        kept = steady.sessions[0]
        await speak(session, question("Show me the latest orders"))
        await steady.until(lambda: kept.turns.user_is_speaking)
        await speak(session, SILENCE)
        await steady.until(lambda: not kept.turns.user_is_speaking)
        steady.clock.let_go()
        assert events(await turn(session)) == ["audio", "generation_complete", "turn_complete"]
        assert "execute_sql_query" in spoken(await turn(session)), "the second question is answered after the first"


@conformance
async def test_08_automatic_mode_refuses_activity_marks(emulator: Emulator):
    async with dial(emulator) as session:
        await session.send_realtime_input(activity_start={})
        with pytest.raises(errors.APIError, match="Explicit activity control is not supported"):
            await turn(session)


async def test_08_manual_mode_ends_the_turn_only_on_activity_end(emulator: Emulator):
    async with dial(emulator, TRANSCRIBED | MANUAL) as session:
        await session.send_realtime_input(activity_start={})
        await speak(session, question("Who") + question("are you") + SILENCE * 2)
        await session.send_realtime_input(video={"data": b"\xff\xd8", "mime_type": "image/jpeg"})
        kept = emulator.sessions[0]
        await emulator.until(lambda: kept.images)
        assert not kept.history, "two seconds of silence end no turn"
        await session.send_realtime_input(activity_end={})
        assert heard(await turn(session)) == "who are you"


async def test_08_manual_activity_start_interrupts(steady: Emulator):
    async with dial(steady, TRANSCRIBED | MANUAL) as session:
        await session.send_realtime_input(text="Tell me a long story")
        await until_audio(session)
        await session.send_realtime_input(activity_start={})
        assert events(await turn(session))[-2:] == ["interrupted", "turn_complete"]


async def test_08_audio_stream_end_flushes(emulator: Emulator):
    async with dial(emulator, TRANSCRIBED) as session:
        await speak(session, SILENCE + question("Who are you?"))
        await session.send_realtime_input(audio_stream_end=True)
        assert heard(await turn(session)) == "who are you"


async def test_08_silence_and_hum_start_nothing(emulator: Emulator):
    async with dial(emulator, TRANSCRIBED) as session:
        await speak(session, SILENCE * 3)
        await session.send_realtime_input(text="hello")
        assert events(await turn(session)) == ["audio", "generation_complete", "turn_complete"]


async def test_09_unknown_speech_is_marked_and_answered(emulator: Emulator):
    async with dial(emulator, TRANSCRIBED) as session:
        await speak(session, question("Banana banana banana banana") + SILENCE)
        messages = await turn(session)
    assert heard(messages) == "<noise>"
    assert "did not understand" in spoken(messages)
