"""What a tool returned → JSON of a bounded size. A flood is cut where the limit is reached, not read to its end."""

import dataclasses
import json
from collections.abc import Mapping, Sequence, Set
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python

from .exceptions import ToolError

MAX_BYTES = 32 * 1024
MAX_DEPTH = 50


def to_json(value: Any, limit: int = MAX_BYTES) -> tuple[Any, bool]:
    """The value in JSON's own types, at most `limit` bytes of UTF-8 text, and whether something was cut off.

    Dates, Decimals, UUIDs, enums, dataclasses, pydantic models and sets are fine; NaN becomes null.
    Raises ToolError for what JSON cannot hold.
    """
    encoder = _Encoder(limit)
    return encoder.encode(value, 0), encoder.truncated


class _Encoder:
    def __init__(self, limit: int):
        self.left = limit
        self.truncated = False

    def encode(self, value: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ToolError("The tool returned a value that JSON cannot hold: it is nested too deeply.")
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        elif isinstance(value, BaseModel):
            value = {(info.alias or name): getattr(value, name) for name, info in type(value).model_fields.items()}
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return self._object(value, depth)
        if isinstance(value, (Sequence, Set)) and not isinstance(value, (bytes, bytearray, memoryview)):
            return self._array(value, depth)
        return self._leaf(value, depth)

    def _object(self, value: Mapping, depth: int) -> dict[str, Any]:
        self.left -= 2
        result = {}
        for key, item in value.items():
            if self._full():
                break
            name = self._text(key if isinstance(key, str) else str(self._leaf(key, depth)))
            self.left -= 2
            result[name] = self.encode(item, depth + 1)
        return result

    def _array(self, value: Sequence | Set, depth: int) -> list[Any]:
        self.left -= 2
        result = []
        for item in value:
            if self._full():
                break
            self.left -= 1
            result.append(self.encode(item, depth + 1))
        return result

    def _text(self, value: str) -> str:
        if len(value) > max(self.left, 0):
            value = value[: max(self.left, 0)]
            self.truncated = True
        # PostgreSQL's JSON holds no NUL, and UTF-8 no lone surrogate.
        value = value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
        size = _size(value)
        while size > max(self.left, 2):
            value = value[: len(value) * self.left // size] if self.left > 2 else ""
            size = _size(value)
            self.truncated = True
        self.left -= size
        return value

    def _leaf(self, value: Any, depth: int) -> Any:
        if not isinstance(value, (type(None), bool, int, float)):
            value = self._jsonable(value)
            if not isinstance(value, (type(None), bool, int, float)):
                return self.encode(value, depth + 1)
        if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
            value = None
        try:
            self.left -= len(json.dumps(value))
        except ValueError:  # an int of more than 4300 digits
            raise ToolError("The tool returned a number that is too long for JSON.") from None
        return value

    def _jsonable(self, value: Any) -> Any:
        try:
            if hasattr(value, "__next__"):
                raise TypeError
            return to_jsonable_python(value)
        except (PydanticSerializationError, TypeError, ValueError):
            raise ToolError(
                f"The tool returned a {type(value).__name__}, which JSON cannot hold; "
                "its author must return dicts, lists, text, numbers, dates or None."
            ) from None

    def _full(self) -> bool:
        if self.left <= 0:
            self.truncated = True
        return self.truncated


def _size(value: str) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
