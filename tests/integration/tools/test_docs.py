"""The examples of docs/tools.md do what it says."""

import re
from pathlib import Path

import pytest

from tools_app.registry import get_tool, temporary_tools

TEXT = (Path(__file__).parents[3] / "docs" / "tools.md").read_text(encoding="utf-8")


def example(containing: str) -> str:
    (found,) = [block for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if containing in block]
    return found


@pytest.fixture
def run():
    with temporary_tools():

        def run(containing: str) -> dict:
            names: dict = {}
            exec(example(containing), names)
            return names

        yield run


async def test_the_example_of_the_decorator(run, call):
    run("def roll_dice")
    outcome = await call("roll_dice", sides=6.0, count=3)
    assert len(outcome.result["dice"]) == 3
    assert set(outcome.result["dice"]) <= set(range(1, 7))
    assert "less than or equal to 100" in (await call("roll_dice", sides=101)).error
    assert (await call("get_parcel", trackingNumber="?")).error.startswith("A tracking number has only")
    assert get_tool("get_parcel").timeout == 6


async def test_the_example_of_the_definition(run, call):
    run("my_custom_tool_handler")
    assert (await call("my_custom_tool", param1="x")).response == {"result": "success", "param1": "x"}


async def test_the_example_of_the_test(run, transactional_db):
    await run("test_greeting")["test_greeting"]()


def test_every_tool_is_documented(client, db):
    for tool in client.get("/api/tools").json()["tools"]:
        assert f"`{tool['name']}({', '.join(tool['parameters']['properties'])}" in re.sub(r"=[^,)]+", "", TEXT)


async def test_the_example_of_a_stream(run, call):
    run("def search_archives")
    assert get_tool("search_archives").streams
    found = (await call("search_archives", subject="ships")).result
    assert [part["year"] for part in found] == [2024, 2025, 2026]


async def test_the_example_of_an_approval(run, call):
    run("def refund_order")
    outcome = await call("refund_order", number=7, reason="broken")
    assert (outcome.status, outcome.error) == ("denied", "The user did not agree to refund_order, so it was not done.")
