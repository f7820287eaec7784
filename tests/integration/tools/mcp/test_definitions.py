"""What servers list is not trusted: a tool that cannot be told to Gemini is left out with a line."""

import re
import time
from typing import Any

import pytest

from tools_app.exceptions import ToolError
from tools_app.mcp_servers.config import ServerConfig


def define(*schemas: dict[str, Any], names: list[str] | None = None, **keys: Any) -> tuple[list, list[str]]:
    from mcp import types

    from tools_app.mcp_servers.definitions import definitions

    lines: list[str] = []
    tools = [
        types.Tool(name=names[number] if names else f"tool{number}", input_schema=schema)
        for number, schema in enumerate(schemas)
    ]
    config = ServerConfig(url="http://localhost/mcp", **keys)
    return definitions("crm", config, tools, lambda name: lambda args: None, lines.append), lines


def bomb(levels: int) -> dict[str, Any]:
    inside = {f"l{n}": {"anyOf": [{"$ref": f"#/$defs/l{n + 1}"}] * 2} for n in range(levels)}
    return {"properties": {"a": {"$ref": "#/$defs/l0"}}, "$defs": {**inside, f"l{levels}": {"type": "string"}}}


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return {"properties": {"a": schema}}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (bomb(40), "its schema has more than 100 references"),
        (deep(400), "its schema|nested|cannot be told"),
        ({"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}}, "contains itself"),
        ({"properties": {"a": {"$ref": "#/properties/b"}}}, "its schema refers to 'b', which is not among"),
        ({"properties": {"a": {"type": "text"}}}, "its schema is no JSON schema"),
        ({"properties": {"a": True}}, "Gemini cannot be told its schema"),
        ({"properties": {"a": {"description": "x" * 20_000}}}, "its schema is longer than 16 KB"),
        ({"type": "string"}, "its arguments are no object"),
    ],
)
def test_a_schema_that_cannot_be_told_costs_its_tool_only(schema, reason):
    made, [line] = define(schema, {})
    assert [tool.name for tool in made] == ["crm_tool1"]
    assert line.startswith("leaves out 'tool0': ")
    assert re.search(reason, line)


def test_names_are_made_to_fit():
    made, lines = define({}, {}, {}, names=["get/it now", "get_it_now", "x" * 70])
    assert [tool.name for tool in made] == ["crm_get_it_now"]
    assert "another of its tools is called crm_get_it_now too" in lines[0]
    assert "64 characters at most" in lines[1]


@pytest.mark.parametrize(("name", "prefix"), [("my crm", "my_crm_"), ("3d", "_3d_"), ("crm.eu-1", "crm.eu-1_")])
def test_the_prefix_is_the_name_of_the_server(name, prefix):
    assert ServerConfig(command="x").prefix_for(name) == prefix


def test_a_pattern_that_takes_for_ever_is_left_to_the_server():
    [tool], _ = define({"properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}})
    started = time.thread_time()
    tool.bind({"a": "a" * 40 + "!"}, None)
    assert time.thread_time() - started < 1


def test_a_reference_is_never_looked_up_elsewhere():
    made, [line] = define({"properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}})
    assert made == []
    assert "refers to 'schema.json'" in line


@pytest.mark.parametrize(
    ("schema", "args", "reason"),
    [
        ({"properties": {"a": {"type": "integer"}}}, {"b": 1}, "'b' is not an argument (the arguments are: a)"),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"b": 1}, "'b' was unexpected"),
        ({"properties": {"a": {"enum": ["x", "y"]}}}, {"a": "z"}, "'a' is wrong: 'z' is not one of ['x', 'y']"),
        ({"properties": {"a": {}}, "required": ["a"]}, {}, "'a' is missing"),
        ({"properties": {}}, [1], "must be a JSON object"),
    ],
)
def test_wrong_arguments_are_told_in_a_sentence(schema, args, reason):
    [tool], _ = define(schema)
    with pytest.raises(ToolError) as told:
        tool.bind(args, None)
    assert reason in str(told.value)


def test_a_schema_that_is_open_takes_what_it_is_given():
    for schema in ({}, {"properties": {"a": {}}, "additionalProperties": True}):
        [tool], _ = define(schema)
        assert tool.bind({"b": [1, None], "c": {"d": None}}, None).args == ({"b": [1, None], "c": {"d": None}},)
