import datetime
import decimal
import enum
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from tools_app.arguments import documented_parameters, from_function, from_json_schema, summary
from tools_app.exceptions import ToolDefinitionError, ToolError
from tools_app.schema import KEPT


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Address(BaseModel):
    street: str
    zip_code: int | None = None


class Node(BaseModel):
    child: "Node | None" = None


def everything(
    city: Annotated[str, Field(description="A city.", max_length=20)],
    day: datetime.date,
    moment: datetime.datetime | None = None,
    limit: Annotated[int, Field(alias="maxResults", gt=0)] = 5,
    units: Literal["celsius", "fahrenheit"] = "celsius",
    size: Size = Size.SMALL,
    price: decimal.Decimal = decimal.Decimal(1),
    address: Address | None = None,
    addresses: list[Address] = [],  # noqa: B006
    json: dict[str, Any] | None = None,
    model_name: str = "m",
) -> None:
    """Do all of it.

    In two paragraphs.

    Args:
        city: not used, the annotation says more
        day (date): the day
            that is meant
    """


def values(arguments, args):
    validated = arguments.validate("everything", args)
    return {name: validated.__dict__[name] for name in arguments.model.model_fields}


def parts(schema):
    yield schema
    for value in schema.get("properties", {}).values():
        yield from parts(value)
    if "items" in schema:
        yield from parts(schema["items"])
    for choice in schema.get("anyOf", []):
        yield from parts(choice)


def test_a_signature_becomes_a_schema_in_geminis_words():
    schema = from_function(everything, "everything")[0].schema
    properties = schema["properties"]
    assert schema["required"] == ["city", "day"]
    assert properties["city"] == {"type": "string", "description": "A city.", "maxLength": 20}
    assert properties["day"]["description"] == "A date as YYYY-MM-DD."
    assert properties["moment"] == {"type": "string", "format": "date-time", "nullable": True}
    assert properties["maxResults"] == {"type": "integer", "default": 5, "description": "More than 0."}
    assert properties["units"]["enum"] == ["celsius", "fahrenheit"]
    assert properties["size"]["enum"] == ["small", "large"]
    assert properties["address"] == {
        "type": "object",
        "nullable": True,
        "properties": {"street": {"type": "string"}, "zip_code": {"type": "integer", "nullable": True}},
        "required": ["street"],
    }
    assert properties["addresses"]["items"]["required"] == ["street"]
    for part in parts(schema):
        assert set(part) <= KEPT | {"format"}
        assert part.get("format", "date-time") == "date-time"
        assert "type" in part or "anyOf" in part
    json.dumps(schema)


def test_an_empty_signature_is_an_empty_object():
    def nothing() -> None: ...

    assert from_function(nothing, "nothing")[0].schema == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"maxResults": 5.0}, "limit", 5),
        ({"maxResults": "7"}, "limit", 7),
        ({"maxResults": None}, "limit", 5),
        ({"units": None}, "units", "celsius"),
        ({"city": 10115}, "city", "10115"),
        ({"city": "  Rome "}, "city", "Rome"),
        ({"moment": None}, "moment", None),
        ({"size": "large"}, "size", Size.LARGE),
        ({"day": "2026-02-28"}, "day", datetime.date(2026, 2, 28)),
        ({"json": {"a": [1]}}, "json", {"a": [1]}),
        ({"address": {"street": "Main"}}, "address", Address(street="Main")),
        ({"model_name": "x"}, "model_name", "x"),
    ],
)
def test_a_models_loose_json_is_understood(given, name, value):
    arguments, _ = from_function(everything, "everything")
    assert values(arguments, {"city": "Rome", "day": "2026-01-01"} | given)[name] == value


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({"day": "2026-01-01"}, "'city' is missing"),
        ({"city": None, "day": "2026-01-01"}, "'city' is wrong"),
        ({"city": "Rome", "day": "soon"}, "'day' is wrong: .*soon"),
        ({"city": "x" * 21, "day": "2026-01-01"}, "at most 20 characters"),
        ({"city": "Rome", "day": "2026-01-01", "unit": "celsius"}, "'unit' is not an argument .*units, size"),
        ({"city": "Rome", "day": "2026-01-01", "limit": 3}, "'limit' is not an argument .*maxResults"),
        ({"city": "Rome", "day": "2026-01-01", "units": "kelvin"}, "'celsius' or 'fahrenheit'"),
        ({"city": "Rome", "day": "2026-01-01", "maxResults": 5.5}, "'maxResults' is wrong"),
        (
            {"city": "Rome", "day": "2026-01-01", "address": {"street": "a", "x": 1, "zip_code": "z"}},
            "address.zip_code",
        ),
        (["Rome"], "must be a JSON object"),
        (None, "must be a JSON object"),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(args, sentence):
    arguments, _ = from_function(everything, "everything")
    with pytest.raises(ToolError, match=sentence) as caught:
        arguments.validate("everything", args)
    assert "everything" in str(caught.value)


def test_a_refusal_repeats_little_of_a_huge_argument():
    arguments, _ = from_function(everything, "everything")
    with pytest.raises(ToolError) as caught:
        arguments.validate("everything", {"city": "x" * 100_000, "y" * 100_000: 1})
    assert len(str(caught.value)) < 1000


def unannotated(city): ...
def starred(*cities: str): ...
def keywords(**cities: str): ...
def underscored(_city: str): ...
def unknown_type(city: "Nowhere"): ...  # noqa: F821
def no_json(city: object()): ...  # type: ignore[valid-type]
def callback(done: Callable[[], None]): ...
def recursive(node: Node): ...


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (unannotated, "has no annotation"),
        (starred, "spell them out"),
        (keywords, "spell them out"),
        (underscored, "must not start with an underscore"),
        (unknown_type, "cannot be read"),
        (no_json, "annotat"),
        (callback, "have no JSON schema"),
        (recursive, "Node contains itself"),
    ],
)
def test_a_function_that_no_model_can_call_is_refused(function, sentence):
    with pytest.raises(ToolDefinitionError, match=sentence):
        from_function(function, "wrong")


def test_a_hand_written_schema_may_be_written_as_google_does():
    arguments = from_json_schema(
        {
            "type": "OBJECT",
            "title": "T",
            "additionalProperties": False,
            "properties": {
                "my-id": {"type": "STRING", "minLength": 2},
                "count": {"type": ["integer", "null"], "minimum": 1},
                "where": {"type": "object", "properties": {"street": {"type": "string"}}, "required": ["street"]},
                "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
            },
            "required": ["my-id"],
        },
        "classic",
    )
    assert set(arguments.schema) == {"type", "properties", "required"}
    assert arguments.schema["properties"]["my-id"] == {"type": "string", "minLength": 2}
    assert arguments.schema["properties"]["count"] == {"type": "integer", "minimum": 1, "nullable": True}

    def dump(args):
        return arguments.validate("classic", args).model_dump(by_alias=True, exclude_unset=True)

    given = {"my-id": "ab", "count": "3", "where": {"street": "Main"}, "tags": ["a"]}
    assert dump(given) == given | {"count": 3}
    assert dump({"my-id": "ab", "count": None}) == {"my-id": "ab", "count": None}
    for wrong in ({"my-id": "a"}, {"my-id": "ab", "count": 0}, {"my-id": "ab", "tags": ["c"]}, {"my-id": "ab", "x": 1}):
        with pytest.raises(ToolError):
            arguments.validate("classic", wrong)


def test_a_docstring_is_summary_and_parameters():
    assert summary(everything) == "Do all of it.\n\nIn two paragraphs."
    assert documented_parameters(everything)["day"] == "the day that is meant"
