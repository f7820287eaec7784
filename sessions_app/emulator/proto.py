"""Reads JSON as Google's frontends read proto3 JSON, and refuses it with their sentences.

Every field may be spelled `camelCase` or `snake_case`, null is the same as absent, bytes are base64 in either alphabet,
numbers may be strings, and enum values are matched without regard to case. What is read comes out as plain dicts in
camelCase. https://protobuf.dev/programming-guides/json/
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

MAX_CLOSE_REASON = 123  # bytes, RFC 6455: 125 less the two of the code
MAX_NESTING = 100  # proto3 JSON parsers stop there
INT32, INT64 = 2**31, 2**63


class Refusal(Exception):
    """The client asked for something that Gemini Live refuses: the connection closes with `code` and `reason`."""

    def __init__(self, reason: str, code: int = 1007):
        super().__init__(reason)
        self.code = code
        self.reason = shorten(reason)


def shorten(reason: str) -> str:
    """Cut `reason` to what a close frame can carry."""
    return reason.encode(errors="replace")[:MAX_CLOSE_REASON].decode(errors="ignore")


class Mismatch(Exception):
    """A value that does not fit. The path grows on its way up, so that what fits pays nothing for it."""

    def __init__(self, sentence: str, value: Any = None, *, shown: bool = False):
        super().__init__(sentence)
        self.sentence = sentence
        self.shown = f", {json.dumps(value)[:40]}" if shown and isinstance(value, str | int | float) else ""
        self.path = ""

    def inside(self, step: str) -> Mismatch:
        """The same, one level further up."""
        self.path = step + ("." if self.path and not self.path.startswith("[") else "") + self.path
        return self

    @property
    def reason(self) -> str:
        return self.sentence.replace("%", f"'{self.path}'" if self.path else "''", 1) + self.shown


class Reader(Protocol):
    """Turns a JSON value into what it means. Raises `Mismatch`."""

    def __call__(self, value: Any) -> Any: ...


def wrong_type(kind: str, value: Any) -> Mismatch:
    return Mismatch(f"Invalid value at % ({kind})", value, shown=True)


def camel(name: str) -> str:
    return re.sub(r"_+([a-zA-Z0-9])", lambda found: found[1].upper(), name)


def snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), name)


class Message:
    """A message with known fields. `Message(mimeType=string, …)`; fields may be added later, for messages that nest."""

    def __init__(self, **fields: Reader):
        self.fields: dict[str, Reader] = {}
        self._spelled: dict[str, tuple[str, Reader]] = {}
        self.add(**fields)

    def add(self, **fields: Reader) -> None:
        self.fields |= fields
        for name, reader in fields.items():
            self._spelled[name] = self._spelled[snake(name)] = (name, reader)

    def __call__(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong_type("TYPE_MESSAGE", value)
        result = {}
        for key, item in value.items():
            found = self._spelled.get(key)
            if found is None:
                raise Mismatch(f'Invalid JSON payload received. Unknown name "{key[:40]}" at %: Cannot find field.')
            name, reader = found
            if item is not None:
                try:
                    result[name] = reader(item)
                except Mismatch as mismatch:
                    raise _as_google_says(mismatch, key, name, reader, item) from None
        return result


def _as_google_says(mismatch: Mismatch, key: str, name: str, reader: Reader, value: Any) -> Mismatch:
    """A list or an object where neither can be is told of the field's parent; all else of the field itself."""
    if not mismatch.path and isinstance(value, list) and not isinstance(reader, Listed):
        return Mismatch(
            f'Invalid JSON payload received. Unknown name "{key[:40]}" at %: Proto field is not repeating, '
            "cannot start list."
        )
    item = reader.item if isinstance(reader, Listed) else reader
    if not mismatch.path and isinstance(value, dict) and not isinstance(item, Message | Mapped) and item not in FREE:
        return Mismatch(f"Invalid value at % ({snake(name)}), Starting an object on a scalar field")
    return mismatch.inside(snake(name))


@dataclass(frozen=True)
class Listed:
    """A repeated field. One value is taken for a list of one, as Google's frontends do."""

    item: Reader

    def __call__(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            return [self.item(value)]
        result = []
        for index, item in enumerate(value):
            try:
                result.append(self.item(item))
            except Mismatch as mismatch:
                raise mismatch.inside(f"[{index}]") from None
        return result


@dataclass(frozen=True)
class Mapped:
    """A map field: free keys, values of one kind."""

    item: Reader

    def __call__(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong_type("TYPE_MESSAGE", value)
        result = {}
        for index, (key, item) in enumerate(value.items()):
            try:
                result[key] = self.item(item)
            except Mismatch as mismatch:
                raise mismatch.inside(f"[{index}].value") from None  # entries of a map have numbers, in their words
        return result


@dataclass(frozen=True)
class OneOf:
    """An enum. `kind` is its full name in Google's API, which stands in the refusal."""

    kind: str
    names: tuple[str, ...]

    def __call__(self, value: Any) -> str:
        if isinstance(value, str) and value.upper() in self.names:
            return value.upper()
        if type(value) is int and 0 <= value < len(self.names):
            return self.names[value]
        raise wrong_type(f"type.googleapis.com/google.ai.generativelanguage.v1beta.{self.kind}", value)


@dataclass(frozen=True)
class Scalar:
    """A field of one of protobuf's own types."""

    kind: str
    read: Callable[[Any], Any]  # raises ValueError

    def __call__(self, value: Any) -> Any:
        try:
            return self.read(value)
        except ValueError:
            raise wrong_type(self.kind, value) from None


def _only(*kinds: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) not in kinds:
            raise ValueError
        return value

    return read


def _number(value: Any) -> float:
    if type(value) not in (int, float, str):
        raise ValueError
    if type(value) is str and ("_" in value or value != value.strip()):
        raise ValueError  # Python is more lenient than JSON
    try:
        return float(value)
    except OverflowError:
        raise ValueError from None


def _integer(limit: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if type(value) is str and re.fullmatch(r"-?\d{1,19}", value):
            value = int(value)  # not by way of a float, which is too coarse for these
        number = value if type(value) is int else _number(value)
        if not -limit <= number < limit or number != int(number):
            raise ValueError
        return int(number)

    return read


string = Scalar("TYPE_STRING", _only(str))
boolean = Scalar("TYPE_BOOL", _only(bool))
number = Scalar("TYPE_FLOAT", _number)
int32 = Scalar("TYPE_INT32", _integer(INT32))
int64 = Scalar("TYPE_INT64", _integer(INT64))


def _free(value: Any) -> Any:
    """Free JSON, whose numbers are doubles. Raises ValueError for those that are too large for one."""
    if isinstance(value, dict):
        return {key: _free(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_free(item) for item in value]
    if type(value) is int and not -INT64 <= value < INT64:
        return _number(value)
    return value


def _struct(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise ValueError
    return _free(value)


struct = Scalar("type.googleapis.com/google.protobuf.Struct", _struct)
anything = Scalar("type.googleapis.com/google.protobuf.Value", _free)
FREE = (struct, anything)

_TO_STANDARD_BASE64 = bytes.maketrans(b"-_", b"+/")


def data(value: Any) -> bytes:
    """Bytes: base64, standard or URL-safe, with or without padding."""
    if type(value) is not str:
        raise wrong_type("TYPE_BYTES", value)
    try:
        text = value.encode("ascii").translate(_TO_STANDARD_BASE64)
        if len(text) % 4:
            text = text.rstrip(b"=")
            text += b"=" * (-len(text) % 4)
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise Mismatch("Invalid value at % (TYPE_BYTES), Base64 decoding failed.") from None


def check_nesting(value: Any) -> None:
    """Raises `Refusal` for JSON that nests deeper than parsers of proto3 JSON go. Not recursive itself."""
    level = [value]
    for _ in range(MAX_NESTING):
        level = [
            item
            for holder in level
            if isinstance(holder, dict | list)
            for item in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(item, dict | list)
        ]
        if not level:
            return
    raise Refusal("Invalid JSON payload received. Nesting too deep.")
