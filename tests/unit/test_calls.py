"""Tool calls of one conversation between doubles of its two ends."""

import asyncio

import msgspec
import pytest

from sessions_app.browser import commands
from sessions_app.live.calls import GIVEN_WAY, UNSENDABLE, CallRules
from tests.doubles import (
    COMPLETE,
    BridgeUnderTest,
    KeepingBrowser,
    Outcome,
    ScriptedGemini,
    Tools,
    asks_for,
    said,
    server,
    spoke,
)


def command(text):
    return commands.decode(text)


async def test_a_tool_is_run_answered_by_name_and_shown():
    async def weather(city):
        return f"sunny in {city}"

    gemini = ScriptedGemini(asks_for("1", "weather", city="Rome"))
    async with BridgeUnderTest(gemini, tools=Tools(weather=weather)) as under_test:
        result = await under_test.browser.until_type("function_result")
        while not gemini.sent:
            await asyncio.sleep(0)
    assert gemini.sent == [("tool_response", [("1", "weather", {"result": "sunny in Rome"}, None)])]
    assert result["data"].items() >= {"callId": "1", "name": "weather", "status": "ok"}.items()
    assert result["data"]["result"] == "sunny in Rome"
    [call] = under_test.browser.of_type("function_call")
    assert call == {"name": "weather", "args": {"city": "Rome"}, "callId": "1", "needsApproval": False}


async def test_a_tool_call_does_not_hold_up_audio():
    release = asyncio.Event()

    async def slow():
        await release.wait()
        return "done"

    gemini = ScriptedGemini(asks_for("1", "slow"), spoke(b"\1\0"), said("One moment."))
    async with BridgeUnderTest(gemini, tools=Tools(slow=slow)) as under_test:
        await under_test.browser.until_type("transcription", text="One moment.")
        assert under_test.browser.audio() == b"\1\0"
        assert not under_test.browser.of_type("function_result")
        release.set()
        await under_test.browser.until_type("function_result", status="ok")


async def test_calls_run_side_by_side():
    both = asyncio.Barrier(2)

    async def meet():
        await both.wait()
        return "met"

    calls = [{"id": "1", "name": "meet"}, {"id": "2", "name": "meet"}]
    gemini = ScriptedGemini(server(toolCall={"functionCalls": calls}))
    async with BridgeUnderTest(gemini, tools=Tools(meet=meet)) as under_test:
        await under_test.browser.until(lambda item: len(under_test.browser.of_type("function_result")) == 2)


async def test_cancelled_tool_call_is_never_answered():
    """Gemini withdraws a call when the user talks over it."""
    started = asyncio.Event()

    async def slow():
        started.set()
        await asyncio.Event().wait()

    gemini = ScriptedGemini(asks_for("1", "slow"))
    async with BridgeUnderTest(gemini, tools=Tools(slow=slow)) as under_test:
        await started.wait()
        gemini.says(server(toolCallCancellation={"ids": ["1"]}), said("Go on."))
        await under_test.browser.until_type("function_result", status="cancelled")
        await under_test.browser.until_type("transcription", text="Go on.")
    assert gemini.sent == []


async def test_an_answer_that_still_waits_is_not_sent_when_its_call_is_withdrawn():
    async def quick():
        return "done"

    gemini = ScriptedGemini()
    gemini.takes.clear()  # a slow upstream
    async with BridgeUnderTest(gemini, tools=Tools(quick=quick)) as under_test:
        under_test.bridge.hear(b"\1\0")
        gemini.says(asks_for("1", "quick"))
        await under_test.browser.until_type("function_result", status="ok")
        gemini.says(server(toolCallCancellation={"ids": ["1"]}), said("Go on."))
        await under_test.browser.until_type("transcription", text="Go on.")
        gemini.takes.set()
        under_test.bridge.obey(command('{"type":"audio_end"}'))
        while ("audio_stream_end", None) not in gemini.sent:
            await asyncio.sleep(0)
    assert gemini.sent == [("audio", b"\1\0"), ("audio_stream_end", None)]


async def test_a_call_that_is_asked_for_again_after_a_loss_runs_once():
    release = asyncio.Event()

    async def pay():
        await release.wait()
        return "paid"

    tools = Tools(pay=pay)
    first, second = ScriptedGemini(asks_for("1", "pay")), ScriptedGemini(asks_for("2", "pay"))
    async with BridgeUnderTest(first, second, tools=tools) as under_test:
        under_test.bridge.obey(command('{"type":"text","data":{"text":"pay"}}'))
        await under_test.browser.until_type("function_call")
        while not first.sent:
            await asyncio.sleep(0)
        first.hangs_up()
        while not second.sent:
            await asyncio.sleep(0)
        release.set()
        while len(second.sent) < 2:
            await asyncio.sleep(0)
    assert tools.called == ["1"]
    assert second.sent == [("text", "pay"), ("tool_response", [("2", "pay", {"result": "paid"}, None)])]


async def test_an_answer_that_waited_for_a_lost_connection_is_told_once():
    async def quick():
        return "done"

    first, second = ScriptedGemini(), ScriptedGemini()
    first.takes.clear()  # a slow upstream
    rules = CallRules(is_blocking=lambda name: False)
    async with BridgeUnderTest(first, second, tools=Tools(quick=quick), call_rules=rules) as under_test:
        under_test.bridge.hear(b"\1\0")
        first.says(asks_for("1", "quick"))
        await under_test.browser.until_type("function_result", status="ok")
        first.says(said("One moment."), COMPLETE)
        await under_test.browser.until_type("turn", state="complete")  # the question will not be said again
        first.hangs_up()
        under_test.bridge.obey(command('{"type":"audio_end"}'))
        while ("audio_stream_end", None) not in second.sent:
            await asyncio.sleep(0)
    [told] = [value for kind, value in second.sent if kind == "text"]
    assert "quick" in told
    assert "done" in told


class LongRunning:
    """A tool that has run for longer than a blocking call may when the user goes on."""

    def __init__(self, monkeypatch):
        monkeypatch.setattr("sessions_app.live.calls.LONG", -1)
        self.started, self.cancelled = asyncio.Event(), asyncio.Event()

    async def __call__(self):
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


async def test_a_long_blocking_call_gives_way_to_what_the_user_says_next(monkeypatch):
    """As 3.8 does by itself; other models wait for an answer, and get one."""
    tool = LongRunning(monkeypatch)
    gemini = ScriptedGemini(asks_for("1", "slow"))
    rules = CallRules(is_blocking=lambda name: True, gives_way=True)
    async with BridgeUnderTest(gemini, tools=Tools(slow=tool), call_rules=rules) as under_test:
        await tool.started.wait()
        under_test.bridge.obey(command('{"type":"text","data":{"text":"never mind"}}'))
        await tool.cancelled.wait()
        await under_test.browser.until_type("function_result", status="cancelled")
        while len(gemini.sent) < 2:
            await asyncio.sleep(0)
    assert gemini.sent == [("text", "never mind"), ("tool_response", [("1", "slow", {"error": GIVEN_WAY}, None)])]


@pytest.mark.parametrize(
    "rules",
    [
        CallRules(is_blocking=lambda name: False, gives_way=True),  # nobody waits for it
        CallRules(is_blocking=lambda name: True, gives_way=False),  # the model withdraws it itself
    ],
)
async def test_other_calls_run_on_when_the_user_goes_on(rules, monkeypatch):
    tool = LongRunning(monkeypatch)
    gemini = ScriptedGemini(asks_for("1", "slow"))
    async with BridgeUnderTest(gemini, tools=Tools(slow=tool), call_rules=rules) as under_test:
        await tool.started.wait()
        under_test.bridge.obey(command('{"type":"text","data":{"text":"never mind"}}'))
        while not gemini.sent:
            await asyncio.sleep(0)
        assert not tool.cancelled.is_set()


async def test_a_non_blocking_answer_carries_its_scheduling():
    async def quick():
        return "done"

    gemini = ScriptedGemini(asks_for("1", "quick"))
    rules = CallRules(is_blocking=lambda name: False, scheduling=lambda name: "WHEN_IDLE")
    async with BridgeUnderTest(gemini, tools=Tools(quick=quick), call_rules=rules):
        while not gemini.sent:
            await asyncio.sleep(0)
    assert gemini.sent == [("tool_response", [("1", "quick", {"result": "done"}, "WHEN_IDLE")])]


async def test_an_answer_that_the_sdk_refuses_is_replaced_by_a_sentence():
    """Gemini would wait for it for ever."""

    async def quick():
        return "done"

    class Refusing(ScriptedGemini):
        async def send_tool_response(self, responses, *, will_continue=False):
            if "result" in responses[0][2]:
                raise ValueError("the SDK does not like it")
            await super().send_tool_response(responses)

    gemini = Refusing(asks_for("1", "quick"))
    async with BridgeUnderTest(gemini, tools=Tools(quick=quick)):
        while not gemini.sent:
            await asyncio.sleep(0)
    assert gemini.sent == [("tool_response", [("1", "quick", {"error": UNSENDABLE}, None)])]


# --- Approvals -------------------------------------------------------------------------------------------------


def click(call: dict, approved: bool, **changes) -> commands.AnyCommand:
    data = {"callId": call["callId"], "approved": approved, "argsHash": call.get("argsHash")} | changes
    return command(msgspec.json.encode({"type": "tool_approval", "data": data}))


async def refund(number):
    return f"refunded {number}"


@pytest.mark.parametrize(("approved", "status"), [(True, "ok"), (False, "denied")])
async def test_a_call_that_wants_an_approval_waits_for_a_click(approved, status):
    tools = Tools(refund=refund, approval=("refund",))
    gemini = ScriptedGemini(asks_for("1", "refund", number=7), said("One moment."))
    async with BridgeUnderTest(gemini, tools=tools) as under_test:
        await under_test.browser.until_type("transcription", text="One moment.")
        [call] = under_test.browser.of_type("function_call")
        assert call["needsApproval"] is True
        assert tools.called == gemini.sent == []
        under_test.bridge.obey(click(call, approved))
        await under_test.browser.until_type("function_result", status=status)
        while not gemini.sent:
            await asyncio.sleep(0)
    assert tools.called == ["1"] * approved


async def test_a_click_is_for_the_arguments_that_were_shown_and_for_one_call():
    tools = Tools(refund=refund, approval=("refund",))
    gemini = ScriptedGemini(asks_for("1", "refund", number=7))
    async with BridgeUnderTest(gemini, tools=tools) as under_test:
        call = (await under_test.browser.until_type("function_call"))["data"]
        gemini.says(asks_for("2", "refund", number=7_000))
        other = (await under_test.browser.until_type("function_call", callId="2"))["data"]
        for wrong in (other["argsHash"], "", None):
            with pytest.raises(commands.CommandError) as refused:
                under_test.bridge.obey(click(call, True, argsHash=wrong))
            assert refused.value.code == "approval_mismatch"
        with pytest.raises(commands.CommandError) as refused:
            under_test.bridge.obey(click(call, True, callId="3"))
        assert refused.value.code == "nothing_to_approve"
        under_test.bridge.obey(click(call, True))
        with pytest.raises(commands.CommandError, match="waits for an approval"):
            under_test.bridge.obey(click(call, True))
        await under_test.browser.until_type("function_result", callId="1")
    assert tools.called == ["1"]


async def test_a_call_that_is_withdrawn_while_it_waits_for_a_click_cannot_be_approved_any_more():
    tools = Tools(refund=refund, approval=("refund",))
    gemini = ScriptedGemini(asks_for("1", "refund", number=7))
    async with BridgeUnderTest(gemini, tools=tools) as under_test:
        call = (await under_test.browser.until_type("function_call"))["data"]
        gemini.says(server(toolCallCancellation={"ids": ["1"]}))
        await under_test.browser.until_type("function_result", status="cancelled")
        with pytest.raises(commands.CommandError, match="waits for an approval"):
            under_test.bridge.obey(click(call, True))
    assert tools.called == gemini.sent == []


async def test_another_page_is_asked_again():
    tools = Tools(refund=refund, approval=("refund",))
    gemini, after = ScriptedGemini(asks_for("1", "refund", number=7)), ScriptedGemini()
    async with BridgeUnderTest(gemini, after, tools=tools) as under_test:
        first = (await under_test.browser.until_type("function_call"))["data"]
        under_test.bridge.leave()
        reloaded = KeepingBrowser()
        under_test.bridge.come_back(reloaded)
        again = (await reloaded.until_type("function_call"))["data"]
        assert again == first
        under_test.bridge.obey(click(again, True))
        await reloaded.until_type("function_result", status="ok")
    assert tools.called == ["1"]


# --- What comes before the end ---------------------------------------------------------------------------------


async def search(caller):
    caller.progress("Still looking…")
    caller.part({"title": "one"})
    caller.part("two")
    return [{"title": "one"}, "two"]


async def test_progress_and_parts_are_told_at_once_to_a_model_that_does_not_wait():
    gemini = ScriptedGemini(asks_for("1", "search"))
    rules = CallRules(is_blocking=lambda name: False, scheduling=lambda name: "WHEN_IDLE")
    async with BridgeUnderTest(gemini, tools=Tools(search=search), call_rules=rules) as under_test:
        await under_test.browser.until_type("function_result")
        while len(gemini.sent) < 4:
            await asyncio.sleep(0)
    assert gemini.sent == [
        ("tool_part", [("1", "search", {"progress": "Still looking…"}, "WHEN_IDLE")]),
        ("tool_part", [("1", "search", {"title": "one"}, "WHEN_IDLE")]),
        ("tool_part", [("1", "search", {"result": "two"}, "WHEN_IDLE")]),
        ("tool_response", [("1", "search", {}, "SILENT")]),  # the end says nothing new
    ]
    assert [{**told, "callId": None} for told in under_test.browser.of_type("tool_progress")] == [
        {"callId": None, "name": "search", "text": "Still looking…"},
        {"callId": None, "name": "search", "part": {"title": "one"}},
        {"callId": None, "name": "search", "part": "two"},
    ]


async def test_a_model_that_waits_gets_the_whole_at_the_end():
    gemini = ScriptedGemini(asks_for("1", "search"))
    async with BridgeUnderTest(gemini, tools=Tools(search=search)) as under_test:
        await under_test.browser.until_type("function_result")
        while not gemini.sent:
            await asyncio.sleep(0)
        assert len(under_test.browser.of_type("tool_progress")) == 3
    assert gemini.sent == [("tool_response", [("1", "search", {"result": [{"title": "one"}, "two"]}, None)])]


async def test_an_error_after_parts_is_told():
    async def breaks(caller):
        caller.part(1)
        await asyncio.sleep(0)
        return Outcome(status="error", error="The rest could not be read.")

    class Failing(Tools):
        async def call(self, call_id, name, args, caller):
            return (await super().call(call_id, name, args, caller)).result

    gemini = ScriptedGemini(asks_for("1", "breaks"))
    rules = CallRules(is_blocking=lambda name: False)
    async with BridgeUnderTest(gemini, tools=Failing(breaks=breaks), call_rules=rules):
        while len(gemini.sent) < 2:
            await asyncio.sleep(0)
    assert gemini.sent[1:] == [("tool_response", [("1", "breaks", {"error": "The rest could not be read."}, None)])]


async def test_after_a_lost_connection_the_whole_result_is_told():
    """The new connection has not heard the parts that the old one was told."""
    release = asyncio.Event()

    async def slow(caller):
        caller.part("one")
        await release.wait()
        caller.part("two")
        return ["one", "two"]

    first, second = ScriptedGemini(asks_for("1", "slow")), ScriptedGemini(asks_for("2", "slow"))
    rules = CallRules(is_blocking=lambda name: False)
    async with BridgeUnderTest(first, second, tools=Tools(slow=slow), call_rules=rules) as under_test:
        under_test.bridge.obey(command('{"type":"text","data":{"text":"go"}}'))
        while not any(kind == "tool_part" for kind, _ in first.sent):
            await asyncio.sleep(0)
        first.hangs_up()
        while not any(kind == "text" for kind, _ in second.sent):
            await asyncio.sleep(0)
        release.set()
        while not any(kind == "tool_response" for kind, _ in second.sent):
            await asyncio.sleep(0)
    assert second.sent[-1] == ("tool_response", [("2", "slow", {"result": ["one", "two"]}, None)])
