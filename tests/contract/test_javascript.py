"""Google's JavaScript SDK as the client: a program that none of us wrote, on the same wire."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sessions_app.emulator import Emulator
from sessions_app.emulator.speech import synthesise
from tests.programs import require_program
from tests.waiting import GIVE_UP_SECONDS

from .conftest import MODEL, WEATHER
from .test_tools import RESULT, SPOKEN

SOURCE = Path(__file__).with_name("javascript")
CACHE = Path(__file__).resolve().parents[2] / "var" / "javascript"
TRANSCRIBED = {"responseModalities": ["AUDIO"], "inputAudioTranscription": {}, "outputAudioTranscription": {}}
Step = tuple[str, Any]


@pytest.fixture(scope="session")
def folder() -> Path:
    """The program with its packages, installed once for each state of the lock file, outside the source."""
    require_program("Node.js 20 or newer", "node")
    require_program("npm", "npm")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").split(".")[0]) < 20:
        pytest.skip(f"The SDK needs Node.js 20 or newer; this is {version.strip()}.")
    lock = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()[:16]
    place = CACHE / lock
    for name in ("package.json", "package-lock.json", ".npmrc", "conversation.mjs"):
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(SOURCE / name, place / name)
    if not (place / "node_modules" / "installed").exists():
        command = ["npm", "ci", "--ignore-scripts", "--no-progress"]
        installed = subprocess.run(command, cwd=place, check=False, capture_output=True, text=True, timeout=300)
        assert installed.returncode == 0, f"npm could not install the SDK: {installed.stderr}"
        (place / "node_modules" / "installed").touch()
    return place


class Heard:
    """What the program printed."""

    def __init__(self, output: str):
        self.events = [json.loads(line) for line in output.splitlines()]
        self.messages = [event["data"] for event in self.events if event["event"] == "message"]
        self.contents = [message.get("serverContent", {}) for message in self.messages]

    def close(self) -> tuple[int, str]:
        [closed] = [event["data"] for event in self.events if event["event"] == "close"]
        return closed["code"], closed["reason"]

    def said(self, side: str = "outputTranscription") -> str:
        return "".join(content.get(side, {}).get("text", "") for content in self.contents)

    def has(self, name: str) -> int:
        return sum(name in content for content in self.contents)


@pytest.fixture
def talk(folder: Path, emulator: Emulator) -> Callable[..., Any]:
    async def run(*steps: Step, config: dict | None = None, meanwhile: Any = None, **job: Any) -> Heard:
        whole = {
            "url": emulator.url, "key": "key", "version": "v1beta", "model": MODEL, "config": config or TRANSCRIBED,
            "steps": [{"step": step, "value": value} for step, value in steps], **job,
        }  # fmt: skip
        program = await asyncio.create_subprocess_exec(
            "node", "conversation.mjs", cwd=folder, env=os.environ | {"NODE_EXTRA_CA_CERTS": str(emulator.ca_file)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        speaking = asyncio.create_task(program.communicate(json.dumps(whole).encode()))
        try:
            if meanwhile:
                await meanwhile()
            async with asyncio.timeout(GIVE_UP_SECONDS):
                output, errors = await speaking
        finally:
            if program.returncode is None:
                program.kill()
        assert program.returncode == 0, errors.decode()
        return Heard(output.decode())

    return run


async def test_02_connects_and_closes(talk, emulator: Emulator):
    heard = await talk()
    assert heard.messages == [{"setupComplete": {}}]
    assert heard.close() == (1005, "")
    [session] = emulator.all_sessions
    assert session.setup["model"] == f"models/{MODEL}"
    assert session.setup["inputAudioTranscription"] == {}


async def test_06_a_turn_by_content(talk):
    heard = await talk(("content", "hello"), ("until", "turnComplete"))
    assert heard.said() == "Hello! How can I help you?"
    names = [name for content in heard.contents for name in content if name != "outputTranscription"]
    assert names[-2:] == ["generationComplete", "turnComplete"]
    blobs = [part["inlineData"] for content in heard.contents for part in content.get("modelTurn", {}).get("parts", [])]
    assert {blob["mimeType"] for blob in blobs} == {"audio/pcm;rate=24000"}
    assert all(message["audioBytes"] % 2 == 0 for message in heard.messages if "audioBytes" in message)


async def test_06_content_interrupts(talk, emulator: Emulator):
    emulator.faults.add("slow_audio", speed=4)  # else the story is over before the client can say a word
    heard = await talk(
        ("text", "tell me a long story"), ("until", "audio"), ("content", "thank you"),
        ("until", "turnComplete"), ("until", "turnComplete"),
    )  # fmt: skip
    cut = next(index for index, content in enumerate(heard.contents) if content.get("interrupted"))
    assert heard.contents[cut + 1].get("turnComplete")
    assert not any(content.get("generationComplete") for content in heard.contents[:cut])
    assert heard.said().endswith("You are welcome.")


async def test_08_a_spoken_question(talk, tmp_path: Path):
    file = tmp_path / "question.pcm"
    file.write_bytes(bytes(16_000) + synthesise("Who are you?", rate=16_000) + bytes(32_000))
    heard = await talk(("audio", str(file)), ("until", "turnComplete"))
    assert heard.said("inputTranscription") == "who are you"
    assert heard.said().startswith("I am the emulator")


async def test_08_marked_activity(talk, tmp_path: Path):
    file = tmp_path / "question.pcm"
    file.write_bytes(synthesise("Who are you?", rate=16_000))
    manual = TRANSCRIBED | {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}
    heard = await talk(
        ("activity", "start"), ("audio", str(file)), ("activity", "end"), ("until", "turnComplete"), config=manual
    )
    assert heard.said("inputTranscription") == "who are you"


async def test_10_a_tool(talk, emulator: Emulator):
    config = TRANSCRIBED | {"tools": [{"functionDeclarations": [WEATHER]}]}
    heard = await talk(
        ("text", "What's the weather in Paris?"), ("answer", RESULT), ("until", "turnComplete"), config=config
    )
    [call] = next(message["toolCall"] for message in heard.messages if "toolCall" in message)["functionCalls"]
    assert (call["name"], call["args"]) == ("get_weather", {"location": "Paris"})
    assert heard.said() == SPOKEN
    [response] = emulator.all_sessions[0].messages("toolResponse")
    assert response["functionResponses"][0]["id"] == call["id"]


async def test_11_resuming(talk):
    resumable = TRANSCRIBED | {"sessionResumption": {}}
    first = await talk(("text", "good morning"), ("until", "handle"), config=resumable)
    update = next(m["sessionResumptionUpdate"] for m in first.messages if "sessionResumptionUpdate" in m)
    again = TRANSCRIBED | {"sessionResumption": {"handle": update["newHandle"]}}
    second = await talk(("text", "what did I say before"), ("until", "turnComplete"), config=again)
    assert second.said() == "Before this you said: good morning"


async def test_11_go_away(talk, emulator: Emulator):
    async def leave() -> None:
        await emulator.until(lambda: emulator.sessions and emulator.sessions[0].turns)
        emulator.go_away(0.2)

    heard = await talk(("until", "goAway"), ("until", "nothing more"), meanwhile=leave)
    assert heard.messages[-1] == {"goAway": {"timeLeft": "0.2s"}}
    assert heard.close() == (1011, "Deadline expired before operation could complete.")


async def test_12_usage(talk):
    heard = await talk(("text", "hello"), ("until", "turnComplete"))
    usage = next(message["usageMetadata"] for message in heard.messages if "usageMetadata" in message)
    assert usage["responseTokenCount"] == usage["responseTokensDetails"][0]["tokenCount"] > 0


@pytest.mark.parametrize(
    ("job", "code", "sentence"),
    [
        ({"key": "bad"}, 1007, "API key not valid. Please pass a valid API key."),
        ({"model": "gpt"}, 1008, "models/gpt is not found for API version v1beta"),
        ({"config": {"responseModalities": ["TEXT"]}}, 1007, "The requested combination of response modalities"),
    ],
)
async def test_05_refusals(talk, job: dict, code: int, sentence: str):
    heard = await talk(**job)
    [refused] = [event["data"] for event in heard.events if event["event"] == "refused"]
    assert f"(code {code}): {sentence}" in refused


async def test_01_an_ephemeral_token(talk, emulator: Emulator):
    locked = {"uses": 1, "liveConnectConstraints": {"model": MODEL, "config": {"systemInstruction": "Be brief."}}}
    heard = await talk(
        ("text", "hello"), ("until", "turnComplete"), version="v1alpha", token=locked, config={"temperature": 0.1}
    )
    assert heard.has("turnComplete") == 1
    setup = emulator.all_sessions[0].setup
    assert setup["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert "temperature" not in setup.get("generationConfig", {}), "the token locks all"
