"""Point 2, field by field: wrong values wherever a client can put one."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from sessions_app.emulator import Emulator, proto, wire
from tests.forms import long_form

from .test_bad_input import bystander
from .test_mutations import FAST, url

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


@pytest.mark.parametrize("step", [7, long_form(1)])
async def test_02_wrong_values_and_unknown_fields_close_the_connection(emulator: Emulator, step: int):
    """All of them are refused where they are read: another test has them all, without a connection for each."""
    context = emulator.ssl_context()
    async with bystander(emulator):
        for message, wanted in itertools.islice(mistakes(values=1), 0, None, step):
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
