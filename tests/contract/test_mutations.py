"""Point 2, field by field: wrong values wherever a client can put one, and 10,000 mutated messages."""

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

from sessions_app.emulator import Emulator, emulator_in_thread, proto, wire

from .conftest import PATH, raw
from .test_bad_input import HELLO, SETUP, assert_hello, bystander
from .test_connect import FULL_SETUP

WIRE = Path(__file__).parents[1] / "wire"

# Every field that a client can send.

FEW = 2  # a message may hold itself so often, on the way to a field


def walk(reader: Any, steps: tuple = (), inside: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    """Every place where a value is read, and what reads it. A place is a path of field names, 0 (in a list) and "[k]"
    (in a map)."""
    yield steps, reader
    if isinstance(reader, proto.Message) and inside.count(id(reader)) < FEW:
        for name, field in reader.fields.items():
            yield from walk(field, (*steps, name), (*inside, id(reader)))
    elif isinstance(reader, proto.Listed):
        yield from walk(reader.item, (*steps, 0), inside)
    elif isinstance(reader, proto.Mapped):
        yield from walk(reader.item, (*steps, "[k]"), inside)


def build(steps: tuple, value: Any, spell=str) -> Any:
    """The smallest message that has `value` at that place."""
    for step in reversed(steps):
        value = [value] if step == 0 else {"k" if step == "[k]" else spell(step): value}
    return value


def snake(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), name)


def path(steps: tuple) -> str:
    text = "".join("[0]" if step == 0 else "[0].value" if step == "[k]" else "." + snake(step) for step in steps)
    return text.removeprefix(".")


def cut(sentence: str) -> str:
    return sentence.encode()[:123].decode(errors="ignore")


NO_OBJECT = [5, -1.5, "x", True, []]
NO_NUMBER = ["x", "", "1e", "1_0", " 7 ", True, [], {}]
WRONG = {
    "TYPE_STRING": [5, -1.5, True, [], {}, ["x"]],
    "TYPE_BOOL": [1, 0, "x", 1.5, [], {}],
    "TYPE_FLOAT": NO_NUMBER,
    "TYPE_INT32": [*NO_NUMBER, 2**31, -(2**31) - 1, 1.5, "1.5", "NaN", 1e300],
    "TYPE_INT64": [*NO_NUMBER, 2**63, -(2**63) - 1, 1.5, "1.5", "NaN", 1e300],
    "type.googleapis.com/google.protobuf.Struct": NO_OBJECT,
    "TYPE_BYTES": [5, 1.5, True, [], {}],
}
NO_BASE64 = ["not base64!", "A", "AAAAA", "é", "AA=A", "AA AA"]


def wrong_values(reader: Any) -> Iterator[tuple[Any, str]]:
    """Values that do not fit, and the sentence of each; % is the place."""
    sentence = "Invalid value at % ({})"
    if reader is proto.data:
        yield from ((value, sentence.format("TYPE_BYTES") + ", Base64 decoding failed.") for value in NO_BASE64)
        kind, values = "TYPE_BYTES", WRONG["TYPE_BYTES"]
    elif isinstance(reader, proto.Message | proto.Mapped):
        kind, values = "TYPE_MESSAGE", NO_OBJECT
    elif isinstance(reader, proto.Listed):  # one value is taken for a list of one
        yield from ((value, said) for value, said in wrong_values(reader.item) if not isinstance(value, list))
        return
    elif isinstance(reader, proto.OneOf):
        kind = f"type.googleapis.com/google.ai.generativelanguage.v1beta.{reader.kind}"
        values = ["NONSENSE", "", 99, -1, 1.5, True, [], {}]
    else:
        assert isinstance(reader, proto.Scalar)
        kind, values = reader.kind, WRONG[reader.kind]
    for value in values:
        shown = f", {json.dumps(value)[:40]}" if isinstance(value, str | int | float) else ""
        yield value, sentence.format(kind) + shown


def reason(steps: tuple, reader: Any, value: Any, sentence: str, spell=str) -> str:
    """The whole reason. A list or an object where neither can be is told of the parent."""
    last, parent = steps[-1], path(steps[:-1])
    at = f" at '{parent}'" if parent else ""
    item = reader.item if isinstance(reader, proto.Listed) else reader
    if last not in (0, "[k]"):
        if isinstance(value, list):
            no_list = "Proto field is not repeating, cannot start list."
            return cut(f'Invalid JSON payload received. Unknown name "{spell(last)}"{at}: {no_list}')
        if isinstance(value, dict) and not isinstance(item, proto.Message | proto.Mapped):
            return cut(f"Invalid value{at} ({snake(last)}), Starting an object on a scalar field")
    return cut(sentence.replace("%", f"'{path(steps)}'"))


PLACES = [(steps, reader) for steps, reader in walk(wire.CLIENT_MESSAGE) if steps and reader is not proto.anything]
MESSAGES = [steps for steps, reader in walk(wire.CLIENT_MESSAGE) if isinstance(reader, proto.Message)]
UNKNOWN = 'Invalid JSON payload received. Unknown name "surprise" at %: Cannot find field.'


def mistakes(values: int) -> Iterator[tuple[Any, str]]:
    """Messages with one mistake, at most so many for each place, and the reason of each."""
    for number, (steps, reader) in enumerate(PLACES):
        found = list(wrong_values(reader))
        for index in range(min(values, len(found))):
            value, sentence = found[(number + index) % len(found)]  # another one for each place
            yield build(steps, value), reason(steps, reader, value, sentence)
    for steps in MESSAGES:
        unknown = UNKNOWN.replace("%", f"'{path(steps)}'") if steps else UNKNOWN.replace(" at %", "")
        yield build(steps, {"surprise": 1}), cut(unknown)


def test_02_the_walk_sees_every_field():
    names = {step for steps, _ in PLACES for step in steps}
    assert {"setup", "speakerVoiceConfigs", "anyOf", "[k]", 0, "mediaChunks", "willContinue", "contextUpdate"} <= names
    assert len(PLACES) > 500


def test_02_wrong_values_and_unknown_fields_everywhere():
    for message, wanted in mistakes(values=99):
        with pytest.raises(wire.Refusal) as refusal:
            wire.parse(json.dumps(message))
        assert (refusal.value.code, refusal.value.reason) == (1007, wanted), message


def test_02_wrong_values_in_the_other_spelling():
    for steps, reader in PLACES:
        value, sentence = next(wrong_values(reader))
        with pytest.raises(wire.Refusal, match=re.escape(reason(steps, reader, value, sentence, snake))):
            wire.parse(json.dumps(build(steps, value, snake)))


async def test_02_wrong_values_and_unknown_fields_close_the_connection(emulator: Emulator):
    context = emulator.ssl_context()
    async with bystander(emulator):
        for message, wanted in mistakes(values=1):
            async with connect(url(emulator), ssl=context, **FAST) as ws:
                await ws.send(json.dumps(message))
                with pytest.raises(ConnectionClosed):
                    await ws.recv()
                assert (ws.close_code, ws.close_reason) == (1007, wanted), message
        await emulator.until(lambda: len(emulator.sessions) == 1)


def test_02_one_value_is_taken_for_a_list_of_one():
    part = {"text": "Be brief."}
    _, setup = wire.parse(json.dumps({"setup": {"model": "m", "systemInstruction": {"parts": part}}}))
    assert setup["systemInstruction"]["parts"] == [part]


@pytest.mark.parametrize(
    ("given", "read"), [("9007199254740993", 9007199254740993), ("-7", -7), (3.0, 3), ("1e2", 100)]
)
def test_02_whole_numbers_are_read_exactly(given: Any, read: int):
    setup = {"model": "m", "contextWindowCompression": {"triggerTokens": given}}
    assert wire.parse(json.dumps({"setup": setup}))[1]["contextWindowCompression"] == {"triggerTokens": read}


FAST: dict[str, Any] = {"proxy": None, "compression": None, "ping_interval": None, "max_size": None}


def url(emulator: Emulator) -> str:
    return emulator.url.replace("https", "wss") + PATH + "?key=k"


# 10,000 mutated messages.

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
        return {(proto.camel(key) if "_" in key else snake(key)): turn_around(item) for key, item in value.items()}
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
            holder[snake(key) if snake(key) != key else proto.camel(key)] = junk
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
        assert re.match(REASONS[ws.close_code], reason), (ws.close_code, reason, opening, rest)
        assert len(reason.encode()) <= 123
        taken = sum(not frame.sent for frame in session.frames) - len(asked) - (not own_setup)
        waiting = waiting[max(1, taken + (ws.close_code == 1007 and reason.startswith("Inv"))) :]
        closes[ws.close_code] += 1
    return closes


def is_setup(message: str | bytes) -> bool:
    return message[:9] in ('{"setup":', b'{"setup":')


def test_02_ten_thousand_mutated_messages(flooded: Emulator, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.ERROR, "sessions_app.emulator.wire")  # where the server says what its handlers raised
    context = flooded.ssl_context()
    closes: Counter[int] = Counter()
    sent = 0

    @settings(
        max_examples=510, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
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
    assert sent >= 10_000
    assert set(closes) >= {1007, 1008}
