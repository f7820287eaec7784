"""One conversation between doubles of its two ends."""

import asyncio

import pytest
from google.genai.errors import APIError
from websockets.exceptions import ConnectionClosedError

from sessions_app.browser import commands
from sessions_app.gemini.errors import Remedy
from sessions_app.live.limits import Limits
from sessions_app.live.marks import Marks
from tests.doubles import (
    COMPLETE,
    GENERATED,
    INTERRUPTED,
    BridgeUnderTest,
    KeepingBrowser,
    ScriptedGemini,
    Tools,
    asks_for,
    heard,
    is_message,
    said,
    server,
    spoke,
)


def command(text):
    return commands.decode(text)


async def test_a_turn_reaches_page_and_recorder():
    gemini = ScriptedGemini(heard("hello"), spoke(b"\1\0" * 10), said("Hi."), GENERATED, COMPLETE)
    async with BridgeUnderTest(gemini) as under_test:
        await under_test.browser.until_type("turn", state="complete")
    browser = under_test.browser
    assert browser.of_type("status")[0] == {
        "status": "CONNECTED", "backend": "gemini", "model": "m", "voice": "v", "resumed": False,
    }  # fmt: skip
    assert browser.audio() == b"\1\0" * 10
    texts = [(item["text"], item["isUser"], item["isFinal"]) for item in browser.of_type("transcription")]
    assert texts == [("hello", True, False), ("Hi.", False, False), ("", True, True), ("", False, True)]
    [turn] = under_test.recorder.turns
    assert (turn.user.text, turn.model.text) == ("hello", "Hi.")


async def test_a_final_waits_for_the_commit():
    gemini = ScriptedGemini(said("Hi."), COMPLETE)
    async with BridgeUnderTest(gemini) as under_test:
        under_test.recorder.hold = asyncio.Event()
        gemini.says(said("Next"))
        # The conversation goes on while the database takes its time.
        await under_test.browser.until_type("transcription", text="Next")
        assert not [item for item in under_test.browser.of_type("transcription") if item["isFinal"]]
        under_test.recorder.hold.set()
        await under_test.browser.until_type("transcription", isFinal=True)


async def test_a_turn_that_cannot_be_saved_is_never_called_final():
    gemini = ScriptedGemini()
    async with BridgeUnderTest(gemini) as under_test:
        under_test.recorder.error = RuntimeError("disk full")
        gemini.says(said("Hi."), COMPLETE)
        await under_test.browser.until_type("error", code="not_saved")
    assert not [item for item in under_test.browser.of_type("transcription") if item["isFinal"]]


async def test_microphone_text_and_marks_go_out_in_order():
    gemini = ScriptedGemini()
    async with BridgeUnderTest(gemini, marks=Marks(manual=True)) as under_test:
        await under_test.browser.until_type("status", status="CONNECTED")
        bridge = under_test.bridge
        bridge.obey(command('{"type":"activity_start"}'))
        bridge.hear(b"\1\0")
        bridge.hear(b"\2\0")
        bridge.obey(command('{"type":"activity_end"}'))
        bridge.obey(command('{"type":"text","data":{"text":"hi"}}'))
        bridge.obey(command('{"type":"image","data":{"data":"AAAA"}}'))
        while len(gemini.sent) < 5:
            await asyncio.sleep(0)
    assert gemini.sent == [
        ("activity_start", None),
        ("audio", b"\1\0\2\0"),
        ("activity_end", None),
        ("text", "hi"),
        ("image", b"\0\0\0"),
    ]


async def test_what_a_page_says_again_because_it_may_be_lost_is_asked_once():
    gemini = ScriptedGemini()
    async with BridgeUnderTest(gemini) as under_test:
        browser = under_test.browser
        await browser.until_type("status", status="CONNECTED")
        again = command('{"type":"text","data":{"text":"yes","messageId":"7"}}')
        under_test.bridge.obey(again)
        gemini.says(said("Good."), COMPLETE)
        await browser.until_type("turn", state="complete")
        under_test.bridge.leave()
        under_test.bridge.come_back(browser)
        under_test.bridge.obey(again)
        under_test.bridge.obey(command('{"type":"text","data":{"text":"yes","messageId":"8"}}'))
        under_test.bridge.obey(command('{"type":"text","data":{"text":"yes"}}'))
        while len(gemini.sent) < 3:
            await asyncio.sleep(0)
    assert gemini.sent == [("text", "yes")] * 3
    echoes = [(item["turnId"], item["text"]) for item in browser.of_type("transcription") if item["isUser"]]
    assert [echo for echo in echoes if echo[1]] == [(1, "yes"), (1, "yes"), (2, "yes"), (2, " yes")]


@pytest.mark.parametrize(("marks", "told"), [
    ("start start end end start", "start end start"),
    ("end end start start end", "start end"),
])  # fmt: skip
async def test_marks_go_out_in_pairs_only(marks, told):
    gemini = ScriptedGemini()
    async with BridgeUnderTest(gemini, marks=Marks(manual=True)) as under_test:
        await under_test.browser.until_type("status", status="CONNECTED")
        for mark in marks.split():
            under_test.bridge.obey(command(f'{{"type":"activity_{mark}"}}'))
        under_test.bridge.obey(command('{"type":"audio_end"}'))  # for conversations in which Gemini listens by itself
        under_test.bridge.obey(command('{"type":"text","data":{"text":"hi"}}'))
        while ("text", "hi") not in gemini.sent:
            await asyncio.sleep(0)
    assert [kind for kind, _ in gemini.sent] == [*(f"activity_{mark}" for mark in told.split()), "text"]


async def test_a_mark_is_refused_where_gemini_listens_by_itself():
    gemini = ScriptedGemini()
    async with BridgeUnderTest(gemini) as under_test:
        await under_test.browser.until_type("status", status="CONNECTED")
        with pytest.raises(commands.CommandError, match="activityDetection"):
            under_test.bridge.obey(command('{"type":"activity_start"}'))
        under_test.bridge.obey(command('{"type":"audio_end"}'))
        while not gemini.sent:
            await asyncio.sleep(0)
    assert gemini.sent == [("audio_stream_end", None)]


async def test_who_is_lost_while_he_holds_the_button_has_let_go_of_it():
    first, second = ScriptedGemini(), ScriptedGemini()
    async with BridgeUnderTest(first, second, marks=Marks(manual=True)) as under_test:
        await under_test.browser.until_type("status", status="CONNECTED")
        bridge = under_test.bridge
        bridge.obey(command('{"type":"activity_start"}'))
        bridge.hear(b"\1\0")
        while len(first.sent) < 2:
            await asyncio.sleep(0)
        bridge.leave()
        bridge.come_back(under_test.browser)
        while ("activity_end", None) not in second.sent:
            await asyncio.sleep(0)
    assert [kind for kind, _ in second.sent] == ["activity_start", "audio", "activity_end"]


async def test_nothing_more_is_sent_to_a_connection_that_has_ended():
    first, second = ScriptedGemini(), ScriptedGemini()
    async with BridgeUnderTest(first, second) as under_test:
        await under_test.browser.until_type("status", status="CONNECTED")
        first.hangs_up()
        await under_test.browser.until_type("status", status="RECONNECTING")
        await under_test.browser.until(lambda item: len(under_test.handles) == 2)
        for number in range(4):
            under_test.bridge.hear(bytes([number, 0]))
            while len(second.sent) <= number:
                await asyncio.sleep(0)
    assert first.sent == []
    assert second.sent == [("audio", bytes([number, 0])) for number in range(4)]


async def test_a_message_that_cannot_be_sent_does_not_hold_up_those_behind_it():
    """The SDK refuses some messages (ValueError, TypeError); the connection is well all the same."""
    gemini = ScriptedGemini()
    async with BridgeUnderTest(gemini) as under_test:
        await under_test.browser.until_type("status", status="CONNECTED")
        gemini.refuses = ValueError("the SDK does not like it")
        under_test.bridge.obey(command('{"type":"text","data":{"text":"poison"}}'))
        await under_test.browser.until_type("error", code="not_sent")
        gemini.refuses = None
        under_test.bridge.hear(b"\1\0")
        while not gemini.sent:
            await asyncio.sleep(0)
    assert gemini.sent == [("audio", b"\1\0")]


async def test_interruption_is_told_before_the_next_audio():
    gemini = ScriptedGemini(spoke(b"\1\0"), spoke(b"\2\0", interrupted=True), COMPLETE, spoke(b"\3\0"))
    async with BridgeUnderTest(gemini) as under_test:
        await under_test.browser.until(lambda item: item == b"\3\0")
    heard_in_order = [
        item if isinstance(item, bytes) else "interrupt"
        for item in under_test.browser.received
        if isinstance(item, bytes) or is_message(item, "audio", interrupt=True)
    ]
    assert heard_in_order == [b"\1\0", "interrupt", b"\3\0"]


async def test_a_lost_connection_is_resumed_with_its_handle_and_nothing_said_meanwhile_is_lost():
    handle = server(sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
    first, second = ScriptedGemini(handle), ScriptedGemini()
    async with BridgeUnderTest(first, second) as under_test:
        await under_test.browser.until_type("status", status="CONNECTED")
        first.refuses = ConnectionClosedError(None, None)
        under_test.bridge.hear(b"\1\0")
        under_test.bridge.obey(command('{"type":"text","data":{"text":"still here"}}'))
        first.hangs_up(APIError(1006, {"message": "gone"}))
        await under_test.browser.until_type("status", status="CONNECTED", resumed=True)
        while len(second.sent) < 2:
            await asyncio.sleep(0)
    assert second.sent == [("audio", b"\1\0"), ("text", "still here")]
    assert under_test.handles == [None, "h1"]
    assert under_test.recorder.fields["resumption_handle"] == "h1"
    statuses = [item["status"] for item in under_test.browser.of_type("status")]
    assert statuses == ["CONNECTED", "RECONNECTING", "CONNECTED"]


async def test_an_update_without_a_handle_leaves_the_last_one():
    """Gemini says so while a tool works: a session cannot be resumed in the midst of a call."""
    good = server(sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
    none = server(sessionResumptionUpdate={"resumable": False})
    first, second = ScriptedGemini(good, none, said("Hm")), ScriptedGemini()
    async with BridgeUnderTest(first, second) as under_test:
        await under_test.browser.until_type("transcription", text="Hm")
        first.hangs_up()
        await under_test.browser.until(lambda item: len(under_test.handles) == 2)
    assert under_test.handles == [None, "h1"]
    assert under_test.recorder.fields["resumption_handle"] == "h1"


async def test_a_question_that_breaks_every_connection_is_given_up():
    geminis = [ScriptedGemini() for _ in range(6)]
    async with BridgeUnderTest(*geminis) as under_test:
        await under_test.browser.until_type("status", status="CONNECTED")
        under_test.bridge.obey(command('{"type":"text","data":{"text":"poison"}}'))
        for gemini in geminis[:5]:
            while ("text", "poison") not in gemini.sent:
                await asyncio.sleep(0)
            gemini.hangs_up()
        await under_test.browser.until_type("error", code="not_answered")
        under_test.bridge.obey(command('{"type":"text","data":{"text":"hello"}}'))
        while not geminis[5].sent:
            await asyncio.sleep(0)
    assert geminis[5].sent == [("history", ([("user", "poison")], False)), ("text", "hello")]  # known, not asked again


async def test_a_page_that_comes_back_is_told_what_it_missed():
    first, second = ScriptedGemini(said("Hi.")), ScriptedGemini()
    async with BridgeUnderTest(first, second) as under_test:
        await under_test.browser.until_type("transcription", text="Hi.")
        under_test.recorder.hold = asyncio.Event()
        first.says(COMPLETE, said("Next"))
        await under_test.browser.until_type("transcription", text="Next")
        under_test.bridge.leave()
        under_test.recorder.hold.set()
        while not under_test.recorder.turns:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)  # the commit is told by callbacks of the loop
        reloaded = KeepingBrowser()
        under_test.bridge.come_back(reloaded)
        await reloaded.until_type("transcription", turnId=1, isFinal=True)
        await reloaded.until_type("turn", turnId=1, state="complete")
    assert not [item for item in under_test.browser.of_type("transcription") if item["isFinal"]]


async def test_go_away_between_turns_changes_the_connection_at_once():
    first, second = ScriptedGemini(server(goAway={"timeLeft": "50s"})), ScriptedGemini()
    async with BridgeUnderTest(first, second) as under_test:
        await under_test.browser.until(lambda item: len(under_test.handles) == 2)
        assert first.closed


async def test_go_away_waits_for_the_end_of_the_turn():
    first = ScriptedGemini(said("Half"), server(goAway={"timeLeft": "50s"}), said(" a sentence."))
    async with BridgeUnderTest(first, ScriptedGemini()) as under_test:
        await under_test.browser.until_type("transcription", text=" a sentence.")
        first.says(said(" And another."))  # which nobody would hear who had left
        await under_test.browser.until_type("transcription", text=" And another.")
        assert not first.closed
        first.says(COMPLETE)
        await under_test.browser.until_type("status", status="RECONNECTING")
    [turn] = under_test.recorder.turns
    assert (turn.model.text, turn.interrupted) == ("Half a sentence. And another.", False)


async def test_go_away_followed_by_silence_is_left_by_the_clock():
    first, second = ScriptedGemini(said("Half"), server(goAway={"timeLeft": "1s"})), ScriptedGemini()
    async with BridgeUnderTest(first, second) as under_test:
        await under_test.browser.until_type("status", status="RECONNECTING")
        assert first.closed


async def test_a_refused_handle_is_dropped_once():
    refused = APIError(1008, {"message": "BidiGenerateContent session not found"})
    async with BridgeUnderTest(refused, ScriptedGemini(), handle="old") as under_test:
        await under_test.browser.until_type("status", status="CONNECTED", resumed=False)
    assert under_test.handles == ["old", None]


async def test_a_wrong_key_is_told_in_words_and_not_tried_again():
    refused = APIError(1007, {"message": "API key not valid. Please pass a valid API key."})
    async with BridgeUnderTest(refused, ScriptedGemini()) as under_test:
        failure = await under_test.running
    assert (failure.code, failure.remedy) == ("api_key_invalid", Remedy.FATAL)
    [error] = under_test.browser.of_type("error")
    assert "GEMINI_API_KEY" in error["message"]
    assert under_test.browser.of_type("status")[-1]["status"] == "ERROR"
    assert under_test.handles == [None]


async def test_an_unreachable_gemini_is_tried_a_few_times_then_told():
    async with BridgeUnderTest(*[ConnectionRefusedError("refused")] * 9) as under_test:
        failure = await under_test.running
    assert failure.code == "gemini_unavailable"
    assert len(under_test.handles) == 3


async def test_connections_that_were_of_use_are_no_failures_in_a_row():
    """Gemini may close often; what counts is how often it does without having answered anything."""
    geminis = [ScriptedGemini(said("Yes."), COMPLETE) for _ in range(12)]
    async with BridgeUnderTest(*geminis) as under_test:
        for number, gemini in enumerate(geminis[:-1], start=1):
            await under_test.browser.until(
                lambda item, number=number: (
                    len(under_test.recorder.turns) == number
                    and len(under_test.browser.of_type("status")) == 2 * number - 1
                )
            )
            gemini.hangs_up(APIError(1011, {"message": "Internal error encountered."}))
        await under_test.browser.until(lambda item: len(under_test.recorder.turns) == 12)
    assert under_test.browser.of_type("error") == []


async def test_leaving_saves_the_turn_that_was_going_on():
    async with BridgeUnderTest(ScriptedGemini(heard("hello"), said("Good mor"))) as under_test:
        await under_test.browser.until_type("transcription", text="Good mor")
    await asyncio.sleep(0)
    [turn] = under_test.recorder.turns
    assert (turn.model.text, turn.interrupted) == ("Good mor", True)


async def test_leaving_leaves_no_task_behind():
    async def slow():
        await asyncio.Event().wait()

    gemini = ScriptedGemini(asks_for("1", "slow"), said("Hm"), INTERRUPTED)
    async with BridgeUnderTest(gemini, tools=Tools(slow=slow)) as under_test:
        await under_test.browser.until_type("audio", interrupt=True)
    left = {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task() and not task.done()}
    assert not {name for name in left if name.startswith(("uplink", "tool", "turn"))}


async def test_escape_stops_the_reply_at_the_page():
    gemini = ScriptedGemini(spoke(b"\1\0"), said("Once"))
    async with BridgeUnderTest(gemini) as under_test:
        await under_test.browser.until_type("transcription", text="Once")
        under_test.bridge.obey(command('{"type":"interrupt"}'))
        gemini.says(spoke(b"\2\0"), COMPLETE, spoke(b"\3\0"))
        await under_test.browser.until(lambda item: item == b"\3\0")
        await under_test.browser.until_type("turn", state="interrupted")
    assert under_test.browser.audio() == b"\1\0\3\0"


async def test_tokens_add_up_over_the_turns():
    usage = server(usageMetadata={"promptTokenCount": 10, "responseTokenCount": 5, "totalTokenCount": 15})
    async with BridgeUnderTest(ScriptedGemini(said("a"), usage, COMPLETE, said("b"), usage, COMPLETE)) as under_test:
        await under_test.browser.until_type("usage", totalTokens=30)
    assert under_test.recorder.fields["total_tokens"] == 30


async def test_what_a_slow_gemini_does_not_take_is_dropped_counted_and_told():
    """The oldest audio beyond 15 seconds; the microphone goes on."""
    gemini = ScriptedGemini()
    gemini.takes.clear()
    limits = Limits(silence=0.1)
    async with BridgeUnderTest(gemini, limits=limits) as under_test:
        await under_test.browser.until_type("status", status="CONNECTED")
        for _ in range(20):
            under_test.bridge.hear(bytes(32_000))
        await under_test.browser.until_type("error", code="audio_dropped")
        while "dropped_audio_ms" not in under_test.recorder.fields:
            await asyncio.sleep(0)
    assert 3_000 <= under_test.recorder.fields["dropped_audio_ms"] <= 5_000
