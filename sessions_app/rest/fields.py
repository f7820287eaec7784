"""Fields that Django REST framework does not have."""

import json
import math
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ..gemini.settings import SCHEMAS, ModelSettings, WrongSetting

NO_TIME = {"invalid": "Write a time in ISO 8601, such as 2026-11-24T12:00:00Z (a + in an address is %2B)."}
METADATA_BYTES = 16 * 1024
METADATA_DEPTH = 8


class Text(serializers.CharField):
    """A string, and no number in its place."""

    def to_internal_value(self, value: Any) -> str:
        if not isinstance(value, str):
            self.fail("invalid")
        return super().to_internal_value(value)


class Time(serializers.DateTimeField):
    """ISO 8601; a date alone is its midnight, and without a time zone it is UTC."""

    def __init__(self, **options: Any):
        super().__init__(error_messages=NO_TIME, **options)


class ModelSettingField(serializers.Field):
    """One field of ModelSettings, which knows its type and limits."""

    def to_internal_value(self, value: Any) -> Any:
        try:
            return ModelSettings.read({self.field_name: value}).given()[self.field_name]
        except WrongSetting as error:
            raise serializers.ValidationError(str(error)) from None

    @classmethod
    def of(cls, name: str) -> "ModelSettingField":
        # Without the pattern, which is Python's own.
        schema = {"type": "string"} | {key: value for key, value in SCHEMAS[name].items() if key != "pattern"}
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
        described = extend_schema_field(schema)(type(f"{name[0].upper()}{name[1:]}Field", (cls,), {}))
        return described(required=False, allow_null=True)


@extend_schema_field({"type": "object", "additionalProperties": {}})
class MetadataField(serializers.Field):
    """A JSON object, bounded, that every database can keep."""

    def to_internal_value(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise serializers.ValidationError('Give a JSON object, such as {"ticket": 7}.')
        if _depth(value) > METADATA_DEPTH:
            raise serializers.ValidationError(f"At most {METADATA_DEPTH} objects or lists inside one another.")
        if problem := _unstorable(value):
            raise serializers.ValidationError(problem)
        if len(json.dumps(value, ensure_ascii=False).encode()) > METADATA_BYTES:
            raise serializers.ValidationError(f"At most {METADATA_BYTES // 1024} KB as JSON.")
        return value

    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:
        return value


def _inner(value: Any) -> list[Any]:
    return [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []


def _depth(value: Any) -> int:
    """Of the objects and lists; stops counting beyond what is allowed."""
    level, depth = [value], 0
    while (level := [item for item in level if isinstance(item, dict | list)]) and depth <= METADATA_DEPTH:
        depth += 1
        level = [inner for item in level for inner in _inner(item)]
    return depth


def _unstorable(value: Any) -> str | None:
    if isinstance(value, str) and ("\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value)):
        return "A text may have no null character and no half of a surrogate pair."
    if (isinstance(value, float) and not math.isfinite(value)) or (isinstance(value, int) and abs(value) >= 2**63):
        return "A number must be finite, and a whole one must fit into 64 bits."
    return next(filter(None, map(_unstorable, _inner(value))), None)


@extend_schema_field({"oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "format": "date-time"}]})
class SequenceOrTimeField(serializers.Field):
    """A position in a transcript, or a time. As what to look for in the queryset."""

    def to_internal_value(self, value: str) -> dict[str, Any]:
        if value.isdecimal() and value.isascii():
            return {"sequence__gt": serializers.IntegerField(max_value=2**31 - 1).run_validation(value)}
        try:
            return {"ended_at__gte": Time().run_validation(value)}
        except serializers.ValidationError:
            raise serializers.ValidationError(
                f"Give the sequence of the last message that you have, or a time. {NO_TIME['invalid']}"
            ) from None
