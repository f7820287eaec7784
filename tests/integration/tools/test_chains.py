"""What a sensitive tool has told the model does not leave by another tool unless a person agrees."""

import asyncio

import pytest

from sessions_app.browser.commands import ConnectData
from sessions_app.models import LiveSession
from sessions_app.wiring import build_bridge
from tools_app.executor import ToolExecutor
from tools_app.models import ToolCall
from tools_app.registry import registry, temporary_tools, tool

pytestmark = pytest.mark.django_db(transaction=True)


class Person:
    def __init__(self, agrees: bool):
        self.agrees = agrees
        self.asked = 0

    async def approve(self) -> bool:
        self.asked += 1
        return self.agrees

    def progress(self, text): ...
    def part(self, value): ...


@pytest.fixture
def sent():
    return []


@pytest.fixture(autouse=True)
def tools(sent):
    with temporary_tools():

        @tool(sensitive=True)
        def salaries() -> str:
            """What everybody earns."""
            return "Ada earns 7000"

        @tool(outside=True)
        def post(text: str) -> str:
            """Post a text on the internet."""
            sent.append(text)
            return "posted"

        @tool
        def clock() -> str:
            """The time."""
            return "noon"

        yield


def executor(**options) -> ToolExecutor:
    return ToolExecutor(session_id=None, user_id=None, allowed=None, **options)


async def test_the_chain_is_stopped_and_the_click_lets_it_go_on(sent):
    mine = executor()
    person = Person(agrees=False)
    assert (await mine.call("1", "post", {"text": "hello"}, person)).status == "ok"
    await mine.call("2", "clock", {}, person)
    assert not mine.needs_approval("post")
    assert (await mine.call("3", "salaries", {}, person)).status == "ok"
    assert person.asked == 0
    assert mine.needs_approval("post")
    refused = await mine.call("4", "post", {"text": "Ada earns 7000"}, person)
    assert (refused.status, person.asked) == ("denied", 1)
    assert sent == ["hello"]
    person.agrees = True
    assert (await mine.call("5", "post", {"text": "Ada earns 7000"}, person)).status == "ok"
    assert sent == ["hello", "Ada earns 7000"]
    assert (await mine.call("6", "clock", {}, person)).status == "ok"
    assert person.asked == 2
    await mine.close()


async def test_another_conversation_of_the_session_knows_it_still(gemini):
    session = await LiveSession.objects.acreate()

    async def needs_approval() -> bool:
        bridge = await asyncio.to_thread(build_bridge, session, None, None, ConnectData(), "user:1")
        return bridge._tools.needs_approval("post")

    assert not await needs_approval()
    await ToolCall.objects.acreate(session=session, name="salaries", status="ok")
    assert await needs_approval()


def test_the_built_in_tools_that_read_and_that_reach_out_are_marked():
    marked = {(one.name, one.sensitive, one.outside) for one in registry.all() if one.sensitive or one.outside}
    assert marked >= {
        ("execute_sql_query", True, False), ("search_knowledge_base", True, False), ("call_external_api", False, True),
    }  # fmt: skip
