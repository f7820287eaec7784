"""Tool calls: each runs once, ends once, and is answered exactly once while it is alive."""

import pytest

from sessions_app.emulator import Emulator
from tests.forms import in_long_form
from tests.processes import create, on_each_server
from tests.reliability.conftest import Trace
from tests.reliability.page import Page
from tests.server import Server
from tests.waiting import wait_until

BLOCKING = "gemini-3.1-flash-live-preview"


@pytest.fixture
def answered(emulator: Emulator):
    """What the connections of this test were answered; one of an earlier test may still be."""
    before = emulator.all_sessions[-1].number if emulator.all_sessions else 0
    return lambda: [
        answer
        for session in list(emulator.all_sessions)
        if session.number > before
        for message in session.messages("toolResponse")
        for answer in message["functionResponses"]
    ]


@pytest.mark.parametrize(
    ("moment", "model"),
    [
        ("tool_call", "gemini-3.8-live"),
        ("tool_call", BLOCKING),
        ("tool_response", "gemini-2.5-flash-native-audio-latest"),
        *in_long_form(
            [
                ("tool_call", "gemini-2.5-flash-native-audio-latest"),
                ("tool_response", "gemini-3.8-live"),
                ("tool_response", BLOCKING),
            ]
        ),
    ],
)
async def test_a_tool_with_side_effects_runs_once_though_its_connection_is_lost(
    moment, model, emulator: Emulator, server: Server, trace: Trace
):
    """Promise 15: while it runs, or when its answer was on its way; the user gets the answer all the same."""
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse(model=model)
        emulator.faults.add("close", at=moment, after=0.1 if moment == "tool_call" else 0, times=1)
        await page.send("text", text="order books")
        await page.until("transcription", text=" made.")
        await page.until("turn", state="complete")
    assert trace.lines == ["order books"]
    assert len(page.of_type("function_call")) == len(page.of_type("function_result")) == 1
    [row] = server.session(session_id)["toolCalls"]
    assert (row["name"], row["status"], row["delivered"]) == ("order", "ok", True)


async def test_the_result_of_a_call_that_outlived_its_turn_is_told_in_words(
    emulator: Emulator, server: Server, trace: Trace
):
    """Google's resumed session does nothing with an answer to a call that it has not made."""
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse()
        await page.send("text", text="wait for books")
        await page.until("function_call")
        await page.ask("hello")
        emulator.abort_all()
        await page.until("status", status="CONNECTED", resumed=True)
        trace.release("books")
        await page.until("function_result", status="ok")
        await page.until("turn", state="complete")
        [told] = emulator.sessions[-1].messages("realtimeInput")
        assert "wait_for" in told["text"]
        assert '"thing":"books"' in told["text"]
    assert trace.lines == ["begin books", "end books"]


async def test_a_call_delivered_twice_runs_once_and_is_answered_once(
    emulator: Emulator, server: Server, trace: Trace, answered
):
    """Promise 15."""
    emulator.faults.add("duplicate_tool_calls")
    async with Page(server) as page:
        await page.converse()
        await page.ask("order books")
        await page.ask("hello")
    assert trace.lines == ["order books"]
    assert [answer["name"] for answer in answered()] == ["order"]


async def test_parallel_calls_run_in_parallel_and_each_is_answered(server: Server, trace: Trace, answered):
    """Promise 15."""
    async with Page(server) as page:
        await page.converse()
        await page.send("text", text="both at once")
        wait_until(lambda: trace.lines == ["begin one", "begin two"], "both run")
        trace.release("two")
        await page.until("function_result", status="ok")
        trace.release("one")
        await page.until("turn", state="complete")
    assert trace.lines == ["begin one", "begin two", "end two", "end one"]
    assert sorted(answer["response"]["thing"] for answer in answered()) == ["one", "two"]


@pytest.mark.parametrize(("model", "words"), [("gemini-3.8-live", "stop"), (BLOCKING, "hello")])
async def test_a_withdrawn_call_is_cancelled_for_real_and_never_answered(
    model, words, server: Server, trace: Trace, answered
):
    """Promise 15: Gemini withdraws it when the user says stop, and a blocking one on anything new."""
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse(model=model)
        await page.send("text", text="wait for books")
        wait_until(lambda: trace.lines == ["begin books"], "the tool runs")
        await page.send("text", text=words)
        await page.until("function_result", status="cancelled")
        await page.ask("hello")
    assert trace.lines == ["begin books", "cancelled books"]
    assert answered() == []
    assert [call["status"] for call in server.session(session_id)["toolCalls"]] == ["cancelled"]


@pytest.mark.parametrize(("model", "scheduling"), [("gemini-3.8-live", "WHEN_IDLE"), (BLOCKING, None)])
async def test_a_tools_scheduling_goes_with_its_answer_where_nobody_waits_for_it(
    model, scheduling, server: Server, answered
):
    """The behaviour is the tool's where the model takes it, and else the model's own."""
    async with Page(server) as page:
        await page.converse(model=model)
        await page.ask("look up books")
    assert [answer.get("scheduling") for answer in answered()] == [scheduling]


@on_each_server
@pytest.mark.parametrize("how", ["sleeping", "spinning", "counting"])
async def test_a_hanging_tool_holds_up_nobody(how, server: Server, trace: Trace):
    """Promise 3: while one sleeps, spins or keeps the database busy, others talk and hear; it ends after they do."""
    async with Page(server) as stuck, Page(server) as other:
        await stuck.converse()
        await stuck.send("text", text=f"hang {how}")
        await stuck.until("function_call")
        wait_until(lambda: trace.lines == [f"hang {how}"], "the tool hangs")
        await other.converse()
        await other.ask("hello")
        await stuck.ask("hello")
        assert stuck.of_type("function_result") == []
        assert other.audio
        trace.release(how)
        await stuck.until("function_result", status="ok")


async def test_the_end_of_a_conversation_cancels_its_tools(server: Server, trace: Trace):
    """Promise 15: no tool outlives a conversation that the user has ended."""
    session_id = await create(server)
    async with Page(server, session_id) as page:
        await page.converse()
        await page.send("text", text="wait for books")
        await page.until("function_call")
        wait_until(lambda: trace.lines == ["begin books"], "the tool runs")
        await page.send("disconnect")
        assert await page.until_closed() == 1000
    wait_until(lambda: server.session(session_id)["status"] == "ended", "the session has ended")
    assert trace.lines == ["begin books", "cancelled books"]
    assert [call["status"] for call in server.session(session_id)["toolCalls"]] == ["cancelled"]
