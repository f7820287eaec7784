"""Tools of MCP servers are told, called and answered like our own."""

import asyncio
import json
import os
import subprocess
import sys

import pytest
from rest_framework.test import APIClient

from tests.forms import in_long_form
from tests.processes import migrate
from tests.server import ROOT, Server
from tests.waiting import GIVE_UP_SECONDS, wait_until
from tools_app.registry import registry

from .conftest import WAYS, names


async def test_a_tool_is_called_and_its_row_is_saved(shared, call):
    assert (await call("crm_add", a=2, b=3)).response == {"result": 5}


async def test_arguments_in_arguments_are_understood(shared, call):
    order = {"customer": "Ada", "items": [{"name": "tea", "amount": 2}, {"name": "cup"}]}
    assert (await call("crm_place_order", order=order)).response == {"customer": "Ada", "pieces": 3}


async def test_a_list_that_changes_is_listed_anew(use, entry, call):
    source = use(crm=entry)
    assert "crm_learned" not in names(source)
    assert (await call("crm_learn")).status == "ok"
    await asyncio.to_thread(wait_until, lambda: "crm_learned" in names(source), "the new tool is listed")
    assert (await call("crm_learned")).response == {"result": "learned"}


@pytest.mark.parametrize("entry", ["stdio", *in_long_form(WAYS[1:])], indirect=True)
async def test_a_call_that_takes_too_long_is_cancelled_at_the_server(use, entry, call, notes):
    """It is the same cancellation as in the next test, which has every way."""
    use(crm=entry | {"timeout": 2})  # long enough for the call to be there
    outcome = await call("crm_sleep", seconds=600)
    assert (outcome.status, outcome.error) == (
        "timeout",
        "crm_sleep did not finish within 2 seconds; try again later.",
    )
    await asyncio.to_thread(wait_until, lambda: "cancelled" in notes(), "the server hears of it")


async def test_a_call_that_is_withdrawn_is_cancelled_at_the_server(shared, make_executor):
    task = asyncio.create_task(make_executor().call("1", "crm_sleep", {"seconds": 600}))
    await asyncio.to_thread(wait_until, lambda: "sleeping" in shared(), "the call is at the server")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(wait_until, lambda: "cancelled" in shared(), "the server hears of it")


async def test_calls_run_beside_each_other(shared, make_executor):
    executor = make_executor()
    slow = [asyncio.create_task(executor.call(str(n), "crm_sleep", {"seconds": 600})) for n in range(5)]
    await asyncio.to_thread(wait_until, lambda: shared().count("sleeping") == 5, "all five are at the server")
    assert (await executor.call("6", "crm_add", {"a": 1})).result == {"result": 2}
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    await asyncio.to_thread(wait_until, lambda: shared().count("cancelled") == 5, "the server is free again")


async def test_an_error_of_a_tool_is_said_to_the_model(use, stdio, call):
    use(crm=stdio())
    outcome = await call("crm_fail", reason="No order has the number 5.")
    assert outcome.status == "error"
    assert "No order has the number 5." in outcome.error


async def test_text_is_given_as_text_and_pictures_are_named(use, stdio, call):
    use(crm=stdio())
    assert (await call("crm_picture")).response == {"result": "Here it is.\n(an image, image/png)"}


async def test_wrong_arguments_are_told_in_a_sentence_and_never_sent(use, stdio, call):
    use(crm=stdio())
    outcome = await call("crm_add", a="many", more=1)
    assert outcome.error == (
        "crm_add was called with wrong arguments: 'more' is not an argument (the arguments are: a, b); "
        "'a' is wrong: 'many' is not of type 'integer'. Call it again with these corrected."
    )
    assert "'a' is missing" in (await call("crm_add")).error
    inner = await call("crm_place_order", order={"customer": "Ada", "items": [{"name": "tea", "amount": 0}]})
    assert "'order.items.0.amount' is wrong: 0 is less than the minimum of 1" in inner.error


async def test_null_means_you_choose(use, stdio, call):
    use(crm=stdio())
    assert (await call("crm_add", a=2, b=None)).response == {"result": 3}


def test_rest_lists_them_beside_our_own(use, stdio, db):
    use(crm=stdio(tools=["place_order"]))
    listed = {tool["name"]: tool for tool in APIClient().get("/api/tools").json()["tools"]}
    assert "get_weather" in listed
    assert listed["crm_place_order"]["description"] == "Places an order."
    order = listed["crm_place_order"]["parameters"]["properties"]["order"]
    assert order["required"] == ["customer", "items"]
    assert order["properties"]["items"]["items"]["properties"]["amount"] == {
        "type": "integer",
        "minimum": 1,
        "default": 1,
    }
    assert [name for name in listed if name.startswith("crm_")] == ["crm_place_order"]


async def test_two_servers_may_have_tools_of_one_name(use, stdio, http, call):
    use(one=stdio(tools=["who"]), two=http().entry(tools=["who"]))
    first, second = (await call("one_who")).result, (await call("two_who")).result
    assert first["pid"] != second["pid"]


async def test_a_name_that_is_taken_stays_with_its_owner(use, stdio, caplog):
    before = registry.get("get_weather")
    source = use(one=stdio(prefix=""), two=stdio(prefix="", tools=["add"]))
    assert names(source).count("add") == 1
    assert registry.get("get_weather") is before
    assert "'two' leaves out add: another server has a tool of that name" in caplog.text


def test_the_keys_of_an_entry_come_to_its_tools(use, stdio, caplog):
    use(crm=stdio(prefix="shop.", tools=["add", "who", "gone"], timeout=7, approval=["add"], permission="shop.view"))
    add, who = registry.get("shop.add"), registry.get("shop.who")
    assert (add.timeout, add.approval, add.permission) == (7, True, "shop.view")
    assert who.approval is False
    assert registry.get("shop.sleep") is None
    assert "has no tool 'gone', which 'tools' allows" in caplog.text


def test_what_leaves_the_house_and_what_is_not_for_strangers_is_said_by_server_or_tool(use, stdio):
    """Unless it is said that it does not, what a tool of somebody else's server is given leaves the house."""
    use(
        plain=stdio(tools=["add", "who"]),
        inner=stdio(tools=["add", "who"], outside=False, sensitive=True),
        mixed=stdio(tools=["add", "who"], outside=["add"], sensitive=["who"]),
    )
    marks = {
        name: (tool.outside, tool.sensitive)
        for name in ("plain_add", "plain_who", "inner_add", "inner_who", "mixed_add", "mixed_who")
        if (tool := registry.get(name))
    }
    assert list(marks.values()) == [
        *((True, False), (True, False)), *((False, True), (False, True)), *((True, False), (False, True)),
    ]  # fmt: skip


async def test_what_sql_has_told_leaves_by_a_server_only_with_a_click(use, stdio, make_executor):
    use(crm=stdio(tools=["add"]), inner=stdio(tools=["add"], outside=False))
    executor = make_executor()
    assert not executor.needs_approval("crm_add")
    assert (await executor.call("1", "search_knowledge_base", {"query": "returns"})).status == "ok"
    assert executor.needs_approval("crm_add")
    assert not executor.needs_approval("inner_add")


async def test_a_process_gets_the_environment_of_its_entry_and_no_secret_of_ours(use, stdio, call, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "canary")
    use(crm=stdio())
    told = (await call("crm_who")).result
    assert "MCP_NOTES" in told["environment"]
    assert "canary" not in str(told)


async def test_headers_go_to_the_server(use, http, call):
    use(crm=http().entry(headers={"Authorization": "Bearer canary"}, tools=["header"]))
    assert (await call("crm_header", field="authorization")).response == {"result": "Bearer canary"}


def test_the_command_line_waits_for_a_servers_tools(stdio, tmp_path, environment):
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"own": stdio()}}))
    variables = os.environ | environment | {"MCP_SERVERS_FILE": str(file)}
    variables["DJANGO_SETTINGS_MODULE"] = "gemlive_project.settings"

    def manage(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=GIVE_UP_SECONDS)

    migrate(Server(0, environment, tmp_path / "log", forked=True))
    listed = manage("list_tools")
    assert "own_add(a, b" in listed.stdout
    assert "MCP server 'own'" in listed.stdout
    called = manage("call_tool", "own_add", '{"a": 2, "b": 5}')
    assert (called.returncode, json.loads(called.stdout)) == (0, {"result": 7})
