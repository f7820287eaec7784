"""Point 2, by chance: 10,000 mutated messages; `make test` sends the first thousand."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import ssl
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from sessions_app.emulator import Emulator, emulator_in_thread, proto
from tests.forms import long_form

from .conftest import PATH, raw
from .test_bad_input import HELLO, SETUP, assert_hello
from .test_connect import FULL_SETUP

WIRE = Path(__file__).parents[1] / "wire"
FAST: dict[str, Any] = {"proxy": None, "compression": None, "ping_interval": None, "max_size": None}


def url(emulator: Emulator) -> str:
    return emulator.url.replace("https", "wss") + PATH + "?key=k"


TOOLS = [{"functionDeclarations": [{"name": "get_weather", "parameters": {"type": "OBJECT", "properties": {
    "location": {"type": "STRING"}}, "required": ["location"]}}]}]  # fmt: skip
CALL = {"realtimeInput": {"text": "what is the weather in Paris"}}
TEXT = {"generationConfig": {"responseModalities": ["TEXT"]}, "tools": TOOLS}
SETUPS = [  # one that speaks, one that writes, and one whose activity is marked by hand
    SETUP | {"tools": TOOLS, "inputAudioTranscription": {}, "sessionResumption": {}},
    {"model": "models/gemini-live-2.5-flash-preview", **TEXT},
    {"model": "models/gemini-live-2.5-flash-preview", "realtimeInputConfig": {
        "automaticActivityDetection": {"disabled": True}}, **TEXT},
]  # fmt: skip
RESULT = {"conditions": "sunny", "temperature": 21.5, "location": "Paris"}
VALID: list[dict[str, Any]] = [
    *json.loads((WIRE / "client_messages.json").read_text()).values(),
    json.loads((WIRE / "setup.json").read_text()),
    *({"setup": setup} for setup in (*SETUPS, FULL_SETUP)),
    {"setup": {"model": "models/gemini-3.8-live-extended-thinking", "contextWindowCompression": {"triggerTokens": "9"},
               "generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True}}}},
    {"setup": {"model": "models/gemini-2.5-flash-native-audio-preview-12-2025",
               "generationConfig": {"temperature": 1, "speechConfig": {"languageCode": "de-DE", "voiceConfig": {
                   "prebuiltVoiceConfig": {"voiceName": "Kore"}}}}}},
    {"setup": SETUP | {"generationConfig": {"speechConfig": {"languageCode": "zz", "voiceConfig": {
        "prebuiltVoiceConfig": {"voiceName": "en-zz"}}}}}},
    {"realtimeInput": {"audio": {"data": "AAECAwQFBgcICQ==", "mimeType": "audio/pcm;rate=24000"}}},
    {"realtime_input": {"media_chunks": [{"data": "_9j_", "mime_type": "image/png"}, {"mimeType": "audio/pcm"}]}},
    {"realtimeInput": {"text": "tell me the weather"}},
    CALL,
    {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "a"}, {"inlineData": {
        "mimeType": "image/png", "data": "AAAA"}}]}, {"role": "model", "parts": [{"text": "b"}]}]}},
    {"client_content": {"turns": [{"parts": [{"text": "hello"}]}], "turn_complete": True}},
    *({"toolResponse": {"functionResponses": [{"name": "get_weather", "response": response, "scheduling": how}]}}
      for response, how in [(RESULT, "INTERRUPT"), ({"result": json.dumps(RESULT)}, "SILENT"),
                            ({"output": str(RESULT)}, "WHEN_IDLE"), ({"error": "No."}, "WHEN_IDLE")]),
    *({"toolResponse": {"functionResponses": [{"name": "get_weather", "response": {"result": result}}]}}
      for result in ("{[]: 1}", "{1: 2}", '{"error": "\\ud800"}', "{'a': 0x" + "f" * 5000 + "}", "[" * 10_000)),
    {"toolResponse": {"functionResponses": [{"name": "get_weather", "willContinue": True, "response": RESULT}]}},
    {"contextUpdate": {"systemInstruction": {"parts": [{"text": "Be brief."}]}}},
    {"contextUpdate": {"tools": {"tools": TOOLS}}},
]  # fmt: skip
JUNK: list[Any] = [
    None, True, False, 0, -1, 3, 1.5, 1e308, 2**31, 2**63, 10**400, "", " ", "x", "é😀\u200b", "\0", "9" * 400, "NaN",
    "-inf", "0x10", "AAAA", "====", "low", "TYPE_UNSPECIFIED", "NON_BLOCKING", "INTERRUPT", "image/", "audio/pcm",
    "audio/pcm;rate=0", "audio/pcm;rate=191999", "audio/pcm;rate=999999", "models/", "auth_tokens/x", "en-gb", "en-zz",
    "function-call-1", "{previous}", "{'a': 1}", "{1: 2}", "{[]: 1}", "[{{}}]", '{"error": "\\ud800"}', "[" * 1000,
    [], [[]], [None], ["x"], [{}], {}, {"": None}, {"x": {}}, {"k": {"type": "STRING"}}, {"text": "hello"}, {"data": 1},
]  # fmt: skip
NAMES = ["", "x", "setup", "text", "data", "mimeType", "parts", "role", "response", "id", "\0", "é", "_", "Text"]
OTHER = {"string": "number", "user": "model", "model": "user", "AUDIO": "TEXT", "WHEN_IDLE": "SILENT"}


def places(value: Any) -> list[tuple[Any, Any]]:
    """(holder, key) of every value below."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in pairs for found in [(value, key), *places(item)]]


def turn_around(value: Any) -> Any:
    """The same in the other spelling."""
    if isinstance(value, dict):
        return {
            (proto.camel(key) if "_" in key else proto.snake(key)): turn_around(item) for key, item in value.items()
        }
    return [turn_around(item) for item in value] if isinstance(value, list) else value


def mutate(message: Any, how: str, where: int, junk: Any) -> Any:
    found = places(message)
    if not found:
        return message
    holder, key = found[where % len(found)]
    value = holder[key]
    match how:
        case "replace":
            holder[key] = junk
        case "replace a leaf":
            leaves = [(inner, name) for inner, name in found if not isinstance(inner[name], dict | list)]
            holder, key = leaves[where % len(leaves)] if leaves else (holder, key)
            holder[key] = junk
        case "drop":
            del holder[key]
        case "rename" if isinstance(holder, dict):
            holder[NAMES[where % len(NAMES)]] = holder.pop(key)
        case "respell":
            return turn_around(message)
        case "twin" if isinstance(holder, dict):  # the same field twice, once in each spelling
            holder[proto.snake(key) if proto.snake(key) != key else proto.camel(key)] = junk
        case "repeat" if isinstance(holder, list):
            holder += [json.loads(json.dumps(value))] * (where % 20)
        case "nest":
            holder[key] = [[value], {"x": value}, {str(key): value}, {"parts": [value]}][where % 4]
        case "another" if isinstance(value, str):
            holder[key] = OTHER.get(
                value, [value.lower(), value.upper(), value[:-1], value + "=", value * 2][where % 5]
            )
        case "huge" if isinstance(value, str):
            holder[key] = "x " * (where * 50)
    return message


def garble(text: str, how: str, where: int, junk: Any) -> str | bytes:
    match how:
        case "cut":
            return text[: where % (len(text) + 1)]
        case "flip":
            data = bytearray(text.encode())
            data[where % len(data)] ^= 1 << where % 8
            return bytes(data)
        case "duplicate key":
            at = [found.end() for found in re.finditer(r"\{(?=\")", text)] or [0]
            at = at[where % len(at)]
            name = re.match(r'"\w*"', text[at:])
            return f"{text[:at]}{name[0] if name else '0'}: {json.dumps(junk)}, {text[at:]}"
        case "splice":
            return text[: where % len(text)] + json.dumps(junk) + text[where % len(text) :]
    return text


TREE = ["replace", "replace a leaf", "replace a leaf", "drop", "rename", "respell", "respell", "twin", "repeat", "nest",
        "another", "another", "huge"]  # fmt: skip
FLAT = ["no"] * 26 + ["cut", "flip", "duplicate key", "splice"]
NUMBER = st.integers(0, 999)


@st.composite
def mutated(draw: st.DrawFn) -> str | bytes:
    message = json.loads(json.dumps(draw(st.sampled_from(VALID))))
    for how, where, junk in draw(st.lists(st.tuples(st.sampled_from(TREE), NUMBER, st.sampled_from(JUNK)), max_size=2)):
        message = mutate(message, how, where, json.loads(json.dumps(junk)))
    text = json.dumps(message, ensure_ascii=draw(st.booleans()))
    return garble(text, draw(st.sampled_from(FLAT)), draw(NUMBER), draw(st.sampled_from(JUNK)))


REASONS = {
    1007: "Invalid JSON payload received.|Invalid value at|Request contains an invalid argument|The first message|"
    "setup must be|Please use a valid role|Explicit activity control|The requested combination|Thinking|Duplicate",
    1008: "models/| is not found|.* is not found for API version|BidiGenerateContent session not found",
    1009: "",
    1011: "The service is currently unavailable|Deadline expired",
}


@pytest.fixture(scope="module")
def flooded() -> Iterator[Emulator]:
    with emulator_in_thread(speed=0) as running:
        yield running


async def throw(emulator: Emulator, context: ssl.SSLContext, batch: list[str | bytes], number: int) -> Counter:
    """Send every message to a session that is still open; what came of them, by close code."""
    closes: Counter[int] = Counter()
    waiting = batch
    while waiting:
        own_setup = is_setup(waiting[0])
        opening = waiting[0] if own_setup else json.dumps({"setup": SETUPS[number % len(SETUPS)]})
        rest = waiting[1:] if own_setup else waiting
        upto = next((index for index, message in enumerate(rest) if is_setup(message)), len(rest))
        # A few get time to act: on calls that wait for their answers, or for a whole turn.
        wait_for, asked = (b'"turnComplete"', [HELLO]) if own_setup else (b'"toolCall"', [CALL, CALL])
        asked = [] if number // 3 % 3 else asked
        async with connect(url(emulator), ssl=context, **FAST) as ws:
            try:
                await ws.send(opening)
                for question in asked:
                    await ws.send(json.dumps(question))
                    while wait_for not in await ws.recv():
                        pass
                for message in [*rest[:upto], "]"]:
                    await ws.send(message)
                while True:
                    await ws.recv()
            except ConnectionClosed:
                pass
        session = emulator.all_sessions[-1]
        reason = ws.close_reason or ""
        # A long name, of a model that nobody knows, leaves no room for what is wrong with it.
        is_cut = ws.close_code == 1008 and len(reason.encode()) >= 120
        assert is_cut or re.match(REASONS[ws.close_code], reason), (ws.close_code, reason, opening, rest)
        assert len(reason.encode()) <= 123
        taken = sum(not frame.sent for frame in session.frames) - len(asked) - (not own_setup)
        waiting = waiting[max(1, taken + (ws.close_code == 1007 and reason.startswith("Inv"))) :]
        closes[ws.close_code] += 1
    return closes


def is_setup(message: str | bytes) -> bool:
    return message[:9] in ('{"setup":', b'{"setup":')


@pytest.mark.parametrize("count", [1_000, long_form(10_000)])
def test_02_mutated_messages(flooded: Emulator, caplog: pytest.LogCaptureFixture, count: int):
    caplog.set_level(logging.ERROR, "sessions_app.emulator.wire")  # where the server says what its handlers raised
    context = flooded.ssl_context()
    closes: Counter[int] = Counter()
    sent = 0

    @settings(
        max_examples=count // 20 * 51 // 50, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.lists(mutated(), min_size=20, max_size=20))
    def run(batch: list[str | bytes]) -> None:
        nonlocal sent
        closes.update(runner.run(throw(flooded, context, batch, sent // 20)))
        sent += len(batch)
        assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR], batch

    async def answers() -> None:
        async with raw(flooded, SETUP) as ws:
            await assert_hello(ws)

    with asyncio.Runner() as runner:
        run()
        runner.run(answers())
    assert sent >= count
    assert set(closes) >= {1007, 1008}
