import dataclasses
import datetime
import decimal
import enum
import itertools
import json
import math
import uuid

import pytest
from pydantic import BaseModel, Field

from tools_app.exceptions import ToolError
from tools_app.results import MAX_BYTES, to_json


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    when: datetime.date


class Row(BaseModel):
    first_name: str = Field(alias="firstName")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ({"a": [1, 2.5, True, "ü"]}, {"a": [1, 2.5, True, "ü"]}),
        (datetime.datetime(2026, 1, 2, 3, 4), "2026-01-02T03:04:00"),
        (decimal.Decimal("9.90"), "9.90"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Color.RED, "red"),
        (Point(1, datetime.date(2026, 1, 2)), {"x": 1, "when": "2026-01-02"}),
        ([Row(firstName="Ada")], [{"firstName": "Ada"}]),
        ((1, 2), [1, 2]),
        ({3: math.nan, 4: math.inf}, {"3": None, "4": None}),
        ("a\x00b\ud800", "a\ufffdb?"),
    ],
)
def test_what_json_can_hold(value, expected):
    assert to_json(value) == (expected, False)


@pytest.mark.parametrize(
    "value",
    [object(), [lambda: 1], {"a": itertools.count()}, (n for n in [1]), 10**5000, b"\xff"],
    ids=["object", "function", "iterator", "generator", "integer", "bytes"],
)
def test_what_it_cannot_hold_is_said_in_a_sentence(value):
    with pytest.raises(ToolError, match="JSON"):
        to_json(value)


def test_a_value_inside_itself_is_refused():
    value: list = []
    value.append(value)
    with pytest.raises(ToolError, match="nested too deeply"):
        to_json(value)


class Endless(list):
    """A list that claims to have, and gives, more than memory holds."""

    def __iter__(self):
        return itertools.repeat({"word": "flood"})

    def __len__(self):
        return 10**12


@pytest.mark.parametrize(
    "value",
    [
        "x" * 50_000_000,
        "\x01" * 100_000,
        "ü" * 100_000,
        Endless(),
        {"a": {"b": Endless()}},
        ["x" * 20_000] * 5,
        [[]] * 10**6,
    ],
    ids=["text", "control characters", "umlauts", "endless", "endless inside", "texts", "lists"],
)
def test_a_flood_is_cut_at_the_limit(value):
    encoded, truncated = to_json(value)
    size = len(json.dumps(encoded, ensure_ascii=False, separators=(",", ":")).encode())
    assert truncated
    assert MAX_BYTES // 2 < size <= MAX_BYTES + 100


def test_what_just_fits_is_whole():
    text = "x" * (MAX_BYTES - 100)
    assert to_json([text]) == ([text], False)
