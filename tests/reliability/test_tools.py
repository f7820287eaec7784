"""Approvals, streams and tools that misbehave, in a real server process and over real WebSockets."""

import pytest

from sessions_app.emulator import Emulator
from tests.processes import create, on_each_server
from tests.reliability.conftest import Trace
from tests.reliability.page import Page
from tests.server import Server
from tests.waiting import wait_until


async def click(page: Page, call: dict, approved: bool) -> None:
    await page.send("tool_approval", callId=call["callId"], approved=approved, argsHash=call["argsHash"])


@pytest.mark.parametrize(("approved", "status"), [(True, "ok"), (False, "denied")])
async def test_a_call_that_wants_an_approval_waits_for_the_click(approved, status, server: Server, trace: Trace):
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse()
        await page.send("text", text="refund books")
        call = await page.until("function_call", needsApproval=True)
        assert call["args"] == {"item": "books"}
        await page.ask("hello")  # the conversation goes on meanwhile
        assert trace.lines == []
        await click(page, call, approved)
        await page.until("function_result", status=status)
        # The page is told first, then Gemini, and then the row says so.
        row = wait_until(
            lambda: next((row for row in server.session(session_id)["toolCalls"] if row["delivered"]), None),
            "the answer is delivered",
        )
    assert trace.lines == ["refund books"] * approved
    assert row["status"] == status
    if not approved:
        assert row["error"] == "The user did not agree to refund, so it was not done."


@on_each_server
async def test_a_page_that_was_loaded_again_is_asked_again(server: Server, trace: Trace):
    """And what the lost page was shown cannot be approved twice."""
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse()
        await page.send("text", text="refund books")
        first = await page.until("function_call", needsApproval=True)
    async with Page(server, session_id) as page:
        await page.converse()
        [call] = page.of_type("function_call")
        assert call == first
        await click(page, {**call, "argsHash": "0" * 32}, True)
        await page.until("error", code="approval_mismatch")
        await click(page, call, True)
        await page.until("function_result", status="ok")
        await click(page, call, True)
        await page.until("error", code="nothing_to_approve")
    assert trace.lines == ["refund books"]


async def test_a_stream_is_told_to_page_and_model_while_it_runs(server: Server, trace: Trace, emulator: Emulator):
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse()
        await page.send("text", text="find books")
        await page.until("tool_progress", text="Looking for books…")
        trace.release("the cellar")
        await page.until("tool_progress", part={"place": "the cellar"})
        await page.until_said("the cellar.")
        assert trace.lines == ["look into the cellar", "look into the attic"]
        trace.release("the attic")
        await page.until("function_result", status="ok", result=[{"place": "the cellar"}, {"place": "the attic"}])
        await page.until_said("the attic.")
        await page.ask("hello")
    told = [
        (answer["response"], answer.get("willContinue", False), answer.get("scheduling"))
        for message in emulator.sessions[-1].messages("toolResponse")
        for answer in message["functionResponses"]
    ]
    assert told == [
        ({"progress": "Looking for books…"}, True, "INTERRUPT"),
        ({"place": "the cellar"}, True, "INTERRUPT"),
        ({"place": "the attic"}, True, "INTERRUPT"),
        ({}, False, "SILENT"),
    ]


@on_each_server
async def test_an_async_tool_that_forgets_to_await_holds_up_nobody(server: Server, trace: Trace):
    """Promise 3: neither a voice nor another conversation's async tool waits for it."""
    async with Page(server) as stuck, Page(server) as other:
        await stuck.converse()
        await stuck.send("text", text="block the loop")
        await stuck.until("function_call")
        wait_until(lambda: trace.lines == ["block"], "the tool blocks its loop")
        await other.converse()
        await other.ask("hello")
        await stuck.ask("hello")
        await other.ask("look up books")
        assert other.of_type("function_result")[-1]["status"] == "ok"
        assert stuck.of_type("function_result") == []
        trace.release("block")
        await stuck.until("function_result", status="ok")
