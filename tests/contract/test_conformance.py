"""What holds for any server that speaks this wire: nothing here depends on what the model says."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from google.genai import types

from sessions_app.emulator import emulator_in_thread

from . import conformance as program
from .conftest import MODEL, WEATHER, conformance, dial, events, raw, spoken, turn
from .test_tools import RESULT, answer, config, next_call
from .test_turns import said
from .test_voice import MANUAL, SILENCE, question, speak

TRANSCRIBED = {"input_audio_transcription": {}, "output_audio_transcription": {}}


@conformance
async def test_07_a_turn(emulator):
    async with dial(emulator, TRANSCRIBED | {"session_resumption": {}}) as session:
        await session.send_client_content(turns=said("Say hello."))
        messages = await turn(session)
        assert events(messages) == ["audio", "generation_complete", "turn_complete"]
        assert spoken(messages)
        async for message in session.receive():
            if message.session_resumption_update and message.session_resumption_update.new_handle:
                break
    blobs = [p.inline_data for m in messages if m.server_content and m.server_content.model_turn
             for p in m.server_content.model_turn.parts if p.inline_data]  # fmt: skip
    assert {blob.mime_type for blob in blobs} == {"audio/pcm;rate=24000"}
    assert all(len(blob.data) % 2 == 0 for blob in blobs)


@conformance
async def test_08_a_spoken_question(emulator):
    async with dial(emulator, TRANSCRIBED) as session:
        await speak(session, SILENCE + question("What is the weather in New York?") + SILENCE * 2)
        messages = await turn(session)
    assert events(messages)[-1] == "turn_complete"
    assert spoken(messages)


@conformance
async def test_08_a_marked_question(emulator):
    async with dial(emulator, TRANSCRIBED | MANUAL) as session:
        await session.send_realtime_input(activity_start={})
        await speak(session, question("Good morning"))
        await session.send_realtime_input(activity_end={})
        assert events(await turn(session))[-1] == "turn_complete"


@conformance
async def test_10_a_tool(emulator):
    asked = "Call get_weather for Paris. What's the weather in Paris?"
    async with dial(emulator, config(WEATHER)) as session:
        await session.send_client_content(turns=said(asked))
        call = await next_call(session)
        assert call.id
        assert call.name == "get_weather"
        assert "Paris" in call.args["location"]
        await session.send_tool_response(function_responses=answer(RESULT)(call))
        assert events(await turn(session))[-3:] == ["audio", "generation_complete", "turn_complete"]


@conformance
async def test_11_resuming(emulator):
    resumable = {"session_resumption": {}}
    async with dial(emulator, resumable) as session:
        await session.send_client_content(turns=said("Say hello."))
        await turn(session)
        async for message in session.receive():
            update = message.session_resumption_update
            if update and update.new_handle:
                break
    async with dial(emulator, {"session_resumption": {"handle": update.new_handle}}) as session:
        await session.send_client_content(turns=said("Say hello."))
        assert events(await turn(session))[-1] == "turn_complete"


@conformance
async def test_12_usage(emulator):
    async with dial(emulator) as session:
        await session.send_client_content(turns=said("Say hello."))
        usage = next(m.usage_metadata for m in reversed(await turn(session)) if m.usage_metadata)
    assert usage.response_token_count > 0
    assert usage.total_token_count >= usage.prompt_token_count + usage.response_token_count
    assert types.MediaModality.AUDIO in {detail.modality for detail in usage.response_tokens_details}


@conformance
async def test_06_an_empty_completion_answers_what_was_said_before(emulator):
    async with raw(emulator, {"model": f"models/{MODEL}"}) as ws:
        content = {"turns": [{"role": "user", "parts": [{"text": "Say hello."}]}]}
        await ws.send({"clientContent": content})
        await ws.send({"clientContent": {"turnComplete": True}})
        assert (await ws.turn())[-1]["serverContent"]["turnComplete"]


# The program itself.


def test_without_a_key_it_says_so_and_stops():
    environment = {name: value for name, value in os.environ.items() if name != "GEMINI_API_KEY"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract.conformance"],
        cwd=program.ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("make conformance talks to Google's servers, and needs a key")
    assert done.stdout == ""


def test_another_server_is_tested_and_recorded_in_googles_place(tmp_path):
    """A second emulator stands in for Google; one test, which both record alike."""
    with emulator_in_thread(speed=0, bad_keys=["bad"]) as google:
        environment = os.environ | {
            "CONFORMANCE_TARGET": "google", "CONFORMANCE_KEY": "the-key", "CONFORMANCE_URL": google.url,
            "CONFORMANCE_CA_FILE": str(google.ca_file), "CONFORMANCE_RECORD": str(tmp_path),
        }  # fmt: skip
        test = "tests/contract/test_conformance.py::test_12_usage"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", test]
        done = subprocess.run(
            command, cwd=program.ROOT, env=environment, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert google.dials == 1
        frames = google.all_sessions[0].frames
    [file] = tmp_path.iterdir()
    recorded = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["message"] for line in recorded if not line["sent"]] == [
        frame.message for frame in frames if frame.sent
    ][: sum(not line["sent"] for line in recorded)]
    assert "the-key" not in file.read_text()
    found = program.received_fields(tmp_path)
    assert "serverContent.modelTurn.parts[].inlineData.data: bytes" in found
    assert "usageMetadata.responseTokenCount: int" in found


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ({"a": {"b": [1, {"c": "x"}]}}, ["a.b[]: int", "a.b[].c: str"]),
        ({"data": {"bytes": 5}}, ["data: bytes"]),
        ({"setupComplete": {}}, []),
    ],
)
def test_fields(message: dict, wanted: list[str]):
    assert list(program.fields(message)) == wanted
