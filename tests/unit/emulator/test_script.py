"""Phrases, arguments and replies of the script."""

from __future__ import annotations

import datetime

import pytest

from sessions_app.emulator.script import Script, ScriptError
from sessions_app.emulator.templates import describe, fill

TODAY = datetime.date(2026, 3, 1)


@pytest.fixture(scope="module")
def script() -> Script:
    return Script.load()


@pytest.mark.parametrize(
    ("text", "tool", "arguments"),
    [
        ("What's the weather in New York?", "get_weather", {"location": "New York"}),
        ("whats the weather in new york", "get_weather", {"location": "New York"}),
        ("Please, what is the weather like in PARIS today?", "get_weather", {"location": "Paris"}),
        ("What’s the weather in Reykjavík?", "get_weather", {"location": "Reykjavík"}),
        ("Get analytics for the last week", "get_analytics",
         {"metric": "revenue", "startDate": "2026-02-23", "endDate": "2026-03-01"}),
        ("show me the users for yesterday", "get_analytics",
         {"metric": "users", "startDate": "2026-02-28", "endDate": "2026-02-28"}),
        ("Search the knowledge base for information about AI", "search_knowledge_base", {"query": "AI"}),
        ("search the knowledge base for gift cards", "search_knowledge_base", {"query": "gift cards"}),
        ("how many customers do we have", "execute_sql_query",
         {"query": "SELECT COUNT(*) AS customers FROM customers"}),
        ("run the query SELECT count(*) FROM orders", "execute_sql_query", {"query": "SELECT count(*) FROM orders"}),
        ("call the api at https://example.com/a?b=1", "call_external_api",
         {"url": "https://example.com/a?b=1", "method": "GET"}),
    ],
)  # fmt: skip
def test_typed_text_becomes_a_call(script: Script, text: str, tool: str, arguments: dict):
    match = script.match(text, TODAY)
    assert match is not None
    [call] = match.intent.calls
    assert (call.tool, match.arguments(call)) == (tool, arguments)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Hello!", "greeting"), ("thanks a lot", "thanks"), ("Stop!", "stop"), ("Tell me a long story", "story"),
        ("So, who are you then?", "who"),
    ],
)  # fmt: skip
def test_small_talk(script: Script, text: str, name: str):
    assert script.match(text).intent.name == name


@pytest.mark.parametrize(
    "text", ["", "?!", "I would like to stop smoking before the next summer", "helloing", "weather"]
)
def test_what_is_not_understood(script: Script, text: str):
    assert script.match(text) is None


def test_every_example_is_understood(script: Script):
    assert 6 <= len(script.examples) <= 8
    assert all(script.match(example) for example in script.examples)


def test_a_template_whose_fields_are_missing_gives_way_to_the_next():
    templates = ("{rows.0.1} of {rowCount}", "{rowCount} rows", "nothing")
    assert fill(templates, {"rows": [[1, "Ada"]], "rowCount": 1}) == "Ada of 1"
    assert fill(templates, {"rows": [], "rowCount": 0}) == "0 rows"
    assert fill(templates, {}) == "nothing"
    assert fill(("{rows}", "{trend.percent}"), {"rows": [1], "trend": {"percent": None}}) is None


def test_a_result_without_a_template_is_described():
    assert describe({"windSpeed": 3.5, "list": [1], "is_open": True}) == "The result is: wind speed: 3.5, is open: yes."
    assert describe({}) == "That is done."


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, r"no \[\[intents\]\]"),
        ({"intents": [{"name": "a", "phrases": ["x"]}]}, "needs `phrases` and a `reply` or a `tool`"),
        ({"intents": [{"name": "a", "phrases": ["in {city}"], "reply": "b"}]}, r"add \[slots.city\]"),
        ({"intents": [{"name": "a", "phrases": "x", "reply": "b", "tol": "c"}]}, "unknown keys: tol"),
    ],
)
def test_a_wrong_script_says_what_is_wrong(data: dict, sentence: str):
    with pytest.raises(ScriptError, match=sentence):
        Script.from_data(data)


def test_files_that_are_no_script(tmp_path):
    with pytest.raises(ScriptError, match="cannot be read"):
        Script.load(tmp_path / "missing.toml")
    (tmp_path / "bad.toml").write_text("examples = [")
    with pytest.raises(ScriptError, match="not valid TOML"):
        Script.load(tmp_path / "bad.toml")
