import asyncio
import logging
import threading
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError

from sessions_app.models import LiveSession
from tests.waiting import GIVE_UP_SECONDS
from tools_app.exceptions import ToolError
from tools_app.models import ToolCall
from tools_app.registry import ToolDefinition, temporary_tools, tool
from tools_app.writer import writer


@pytest.fixture(autouse=True)
def _own_tools():
    with temporary_tools():
        yield


async def rows() -> list[dict[str, Any]]:
    return [row async for row in ToolCall.objects.order_by("id").values()]


async def eventually(condition):
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not (found := await condition()):
            await asyncio.sleep(0.01)
    return found


async def test_an_ok_call_is_answered_and_recorded(make_executor):
    @tool
    async def add(a: int, b: int = 1) -> dict:
        """Adds."""
        return {"sum": a + b}

    executor = make_executor()
    outcome = await executor.call("function-call-1", "add", {"a": 2.0})
    await executor.close(timeout=GIVE_UP_SECONDS)
    assert outcome.response == {"sum": 3}
    (row,) = await rows()
    assert {key: row[key] for key in ("session_id", "call_id", "name", "arguments", "result", "status", "error")} == {
        "session_id": executor.session_id,
        "call_id": "function-call-1",
        "name": "add",
        "arguments": {"a": 2.0},
        "result": {"sum": 3},
        "status": "ok",
        "error": "",
    }
    assert row["duration_ms"] == outcome.duration_ms


@pytest.mark.parametrize(("value", "response"), [(3, {"result": 3}), (None, {"result": None}), ({"a": 1}, {"a": 1})])
async def test_gemini_always_gets_an_object(call, value, response):
    @tool
    def give():
        """Gives."""
        return value

    assert (await call("give")).response == response


async def test_the_seeds_handlers_run_async_and_plain_and_as_a_lambda(call):
    async def handler(args: dict):
        return {"got": args["param1"]}

    schema = {"type": "object", "properties": {"param1": {"type": "string"}}, "required": ["param1"]}
    for name, function in {
        "one": handler,
        "two": lambda args: {"got": args["param1"]},
        "three": lambda a: handler(a),
    }.items():
        with temporary_tools(ToolDefinition(name=name, description="d", parameters=schema, handler=function)):
            assert (await call(name, param1="x")).response == {"got": "x"}


async def test_an_unknown_tool_is_an_error_that_names_the_known(call):
    outcome = await call("get_wether")
    assert outcome.status == "error"
    assert "There is no tool called 'get_wether'" in outcome.error
    assert "get_weather" in outcome.error


async def test_a_tool_outside_the_sessions_list_is_denied_and_never_runs(make_executor):
    ran = []

    @tool
    async def secret() -> None:
        """Secret."""
        ran.append(1)

    executor = make_executor(allowed=["get_weather"])
    outcome = await executor.call("1", "secret", {})
    await executor.close(timeout=GIVE_UP_SECONDS)
    assert outcome.status == "denied"
    assert outcome.response == {"error": "The tool secret is not allowed in this conversation."}
    assert [declared["name"] for declared in executor.declarations()] == ["get_weather"]
    assert [row["status"] for row in await rows()] == ["denied"]
    assert ran == []


async def test_wrong_arguments_never_reach_the_tool(call):
    ran = []

    @tool
    async def strict(count: int) -> None:
        """Strict."""
        ran.append(count)

    outcome = await call("strict", count="many", more=1)
    assert outcome.status == "error"
    assert "'count' is wrong" in outcome.error
    assert "'more' is not an argument" in outcome.error
    assert ran == []


@pytest.mark.parametrize("args", [None, [1], "text", {"\x00": "\ud800"}, {"a": "x" * 200_000}])
async def test_hostile_arguments_leave_an_error_and_a_row(make_executor, args):
    @tool
    async def harmless() -> None:
        """Harmless."""

    executor = make_executor()
    outcome = await executor.call("id\x00" * 100, "harmless", args)
    await executor.close(timeout=GIVE_UP_SECONDS)
    assert outcome.status == "error"
    assert [row["status"] for row in await rows()] == ["error"]


async def test_a_tools_own_sentence_goes_to_the_model(call):
    @tool
    def lookup() -> None:
        """Looks up."""
        raise ToolError("No order has the number 5; ask for another.")

    assert (await call("lookup")).response == {"error": "No order has the number 5; ask for another."}


@pytest.mark.parametrize(
    "error", [ValueError("canary"), SystemExit("canary"), KeyboardInterrupt("canary"), TimeoutError("canary")]
)
@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_a_surprise_is_opaque_to_the_model_and_whole_in_the_log(call, caplog, error, kind):
    if kind == "async":

        @tool
        async def explode() -> None:
            """Explodes."""
            await asyncio.sleep(0)
            raise error

    else:

        @tool
        def explode() -> None:
            """Explodes."""
            raise error

    with caplog.at_level(logging.ERROR, "tools_app.executor"):
        outcome = await call("explode")
    incident = outcome.error.split()[-1].rstrip(".")
    assert outcome.status == "error"
    assert "canary" not in outcome.error
    assert incident in caplog.text
    assert "canary" in caplog.text


async def test_a_tool_that_cancels_itself_does_not_cancel_the_conversation(call):
    @tool
    async def confused() -> None:
        """Confused."""
        raise asyncio.CancelledError

    assert (await call("confused")).status == "error"


async def test_what_json_cannot_hold_is_an_error(call):
    @tool
    def odd() -> object:
        """Odd."""
        return {"value": object()}

    outcome = await call("odd")
    assert outcome.status == "error"
    assert "which JSON cannot hold" in outcome.error


@pytest.mark.parametrize("value", ["x" * 5_000_000, {"rows": [["x" * 100]] * 100_000}])
async def test_a_flood_is_cut_and_said_so(call, value):
    @tool
    def flood():
        """Floods."""
        return value

    outcome = await call("flood")
    assert outcome.response["truncated"] is True
    assert len(str(outcome.response)) < 40_000


@pytest.mark.parametrize("kind", ["async", "plain", "stubborn"])
async def test_a_tool_that_hangs_times_out(call, kind):
    release = threading.Event()
    if kind == "async":

        @tool(timeout=0.05)
        async def hang() -> None:
            """Hangs."""
            await asyncio.Event().wait()

    elif kind == "plain":

        @tool(timeout=0.05)
        def hang() -> None:
            """Hangs."""
            release.wait(GIVE_UP_SECONDS)

    else:

        @tool(timeout=0.05)
        async def hang() -> None:
            """Hangs, and will not be stopped."""
            while not release.is_set():
                try:
                    await asyncio.sleep(0.05)
                except asyncio.CancelledError:
                    continue

    outcome = await call("hang")
    release.set()
    assert outcome.status == "timeout"
    assert outcome.error == "hang did not finish within 0.05 seconds; try again later."


async def test_the_settings_time_out_is_the_default(call, settings):
    settings.TOOLS_TIMEOUT = 0.05

    @tool
    async def hang() -> None:
        """Hangs."""
        await asyncio.Event().wait()

    outcome = await call("hang")
    assert (outcome.status, outcome.error) == (
        "timeout", "hang did not finish within 0.05 seconds; try again later."
    )  # fmt: skip


async def test_a_cancelled_call_stops_its_tool_and_has_its_final_status_when_it_ends(make_executor, monkeypatch):
    started, stopped, release = threading.Event(), threading.Event(), threading.Event()
    save = ToolCall.save

    def slow(self, **kwargs):
        release.wait(GIVE_UP_SECONDS)
        save(self, **kwargs)

    monkeypatch.setattr(ToolCall, "save", slow)

    @tool
    async def slow() -> None:
        """Slow."""
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    task = asyncio.create_task(make_executor().call("1", "slow", {}))
    async with asyncio.timeout(GIVE_UP_SECONDS):
        await asyncio.to_thread(started.wait, GIVE_UP_SECONDS)
        task.cancel()
        asyncio.get_running_loop().call_later(0.2, release.set)
        with pytest.raises(asyncio.CancelledError):
            await task
    assert stopped.is_set()
    (row,) = await rows()
    assert row["status"] == "cancelled"
    assert row["duration_ms"] is not None


async def test_a_call_that_runs_can_be_seen_running(make_executor):
    release = threading.Event()

    @tool
    async def slow() -> str:
        """Slow."""
        await asyncio.to_thread(release.wait, GIVE_UP_SECONDS)
        return "done"

    task = asyncio.create_task(make_executor().call("1", "slow", {}))
    assert [row["status"] for row in await eventually(rows)] == ["running"]
    release.set()
    assert (await task).result == "done"


async def test_plain_tools_run_beside_each_other_and_block_nobody(make_executor):
    together = threading.Barrier(8)
    ticks = 0

    @tool
    def meet() -> int:
        """Waits until eight are here."""
        return together.wait(GIVE_UP_SECONDS)

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    executor = make_executor()
    ticking = asyncio.create_task(tick())
    first = [asyncio.create_task(executor.call(str(number), "meet", {})) for number in range(7)]
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while ticks < 20:
            await asyncio.sleep(0.001)
        outcomes = await asyncio.gather(*first, executor.call("7", "meet", {}))
    ticking.cancel()
    assert [outcome.status for outcome in outcomes] == ["ok"] * 8


async def test_plain_tools_use_the_orm(call):
    @tool
    def sessions() -> int:
        """Counts sessions."""
        return LiveSession.objects.count()

    assert (await call("sessions")).result == 1


async def test_a_broken_database_costs_the_row_and_not_the_answer(make_executor, monkeypatch, caplog):
    def broken(self, **kwargs):
        raise DatabaseError("disk full")

    @tool
    async def add() -> int:
        """Adds."""
        return 3

    monkeypatch.setattr(ToolCall, "save", broken)
    executor = make_executor()
    assert (await executor.call("1", "add", {})).result == 3
    await executor.close(timeout=GIVE_UP_SECONDS)
    assert "could not be saved: disk full" in caplog.text


async def test_a_database_that_comes_back_still_gets_the_row(make_executor, monkeypatch):
    save = ToolCall.save
    failures = [DatabaseError("locked")]

    def once_broken(self, **kwargs):
        if failures:
            raise failures.pop()
        save(self, **kwargs)

    @tool
    async def add() -> int:
        """Adds."""
        return 3

    monkeypatch.setattr(ToolCall, "save", once_broken)
    executor = make_executor()
    await executor.call("1", "add", {})
    await executor.close(timeout=GIVE_UP_SECONDS)
    assert [row["status"] for row in await rows()] == ["ok"]


async def test_a_hanging_database_holds_up_neither_call_nor_cancellation(make_executor, monkeypatch):
    release = threading.Event()
    save = ToolCall.save

    def slow(self, **kwargs):
        release.wait(GIVE_UP_SECONDS)
        save(self, **kwargs)

    @tool
    async def add() -> int:
        """Adds."""
        return 3

    @tool
    async def hang() -> None:
        """Hangs."""
        await asyncio.Event().wait()

    monkeypatch.setattr(ToolCall, "save", slow)
    monkeypatch.setattr("tools_app.executor.RECORD_SECONDS", 0.05)
    executor = make_executor()
    hanging = asyncio.create_task(executor.call("2", "hang", {}))
    async with asyncio.timeout(GIVE_UP_SECONDS):
        assert (await executor.call("1", "add", {})).result == 3
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
    release.set()
    await executor.close(timeout=GIVE_UP_SECONDS)
    assert sorted(row["status"] for row in await rows()) == ["cancelled", "ok"]


async def test_a_session_that_is_deleted_meanwhile_is_no_failure(make_executor):
    @tool
    async def delete_session() -> str:
        """Deletes the conversation."""
        await eventually(lambda: sync_to_async(ToolCall.objects.exists)())
        await LiveSession.objects.all().adelete()
        return "gone"

    assert (await make_executor().call("1", "delete_session", {})).result == "gone"


async def test_calls_of_a_dead_server_get_their_final_status(transactional_db):
    status = ToolCall.Status
    for number, one in enumerate((status.RUNNING, status.OK, status.RUNNING)):
        await ToolCall.objects.acreate(name="x", call_id=str(number), status=one)
    abandoned = await sync_to_async(ToolCall.objects.exclude(call_id="2").abandon)()
    found = {call.call_id: call.status async for call in ToolCall.objects.all()}
    assert [(call.call_id, call.status) for call in abandoned] == [("0", "cancelled")]
    assert found == {"0": "cancelled", "1": "ok", "2": "running"}


async def test_a_flood_of_calls_waits_for_no_row_and_ends_with_one_each(make_executor):
    go_on = threading.Event()

    @tool
    async def quick(number: int) -> int:
        """Quick."""
        return number

    executor = make_executor()
    writer.submit(lambda: go_on.wait(GIVE_UP_SECONDS) and None)
    try:
        async with asyncio.timeout(GIVE_UP_SECONDS / 2):  # who waits for a row, waits for all of RECORD_SECONDS
            outcomes = await asyncio.gather(*(executor.call(str(n), "quick", {"number": n}) for n in range(200)))
        assert await rows() == []
    finally:
        go_on.set()
    await executor.close(timeout=GIVE_UP_SECONDS)
    assert [outcome.result for outcome in outcomes] == list(range(200))
    found = await rows()
    assert sorted(int(row["call_id"]) for row in found) == list(range(200))
    assert {row["status"] for row in found} == {"ok"}
