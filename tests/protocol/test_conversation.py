"""Gemini's messages → events, without any I/O."""

from datetime import UTC, datetime, timedelta

import pytest

from sessions_app.live import events
from sessions_app.live.protocol import Conversation
from tests.doubles import COMPLETE, GENERATED, INTERRUPTED, asks_for, heard, said, server, spoke


class Clock:
    def __init__(self):
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def conversation(clock):
    return Conversation(clock=clock)


def feed(conversation, *messages):
    return [event for message in messages for event in conversation.receive(message)]


def of(kind, happened):
    return [event for event in happened if isinstance(event, kind)]


def test_a_turn_from_question_to_answer(conversation, clock):
    happened = feed(conversation, heard("what"), heard(" time"))
    clock.advance(0.4)
    happened += feed(conversation, spoke(b"\1\0"), said("Ten"), spoke(b"\2\0"), said(" o'clock."), GENERATED, COMPLETE)

    assert [type(event).__name__ for event in happened] == [
        "TurnStarted", "Said", "Said", "ReplyStarted", "Audio", "Said", "Audio", "Said", "Generated", "TurnEnded",
    ]  # fmt: skip
    ended = happened[-1]
    assert (ended.user.text, ended.model.text, ended.interrupted) == ("what time", "Ten o'clock.", False)
    assert ended.time_to_first_audio_ms == 400


def test_every_part_of_every_message_is_read_in_order(conversation):
    parts = [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}} for data in ("AQA=", "AgA=")]
    message = server(
        serverContent={
            "modelTurn": {"parts": [parts[0], {"text": "a thought", "thought": True}, parts[1]]},
            "outputTranscription": {"text": "Hi"},
            "generationComplete": True,
            "turnComplete": True,
        },
        usageMetadata={"promptTokenCount": 3, "responseTokenCount": 4, "totalTokenCount": 7},
        sessionResumptionUpdate={"newHandle": "h", "resumable": True},
    )
    happened = conversation.receive(message)
    assert b"".join(event.pcm for event in of(events.Audio, happened)) == b"\1\0\2\0"
    assert of(events.Said, happened)[0].text == "Hi"
    assert of(events.UsageReported, happened) == [events.UsageReported(3, 4, 7, {})]
    assert of(events.HandleRenewed, happened) == [events.HandleRenewed("h")]
    assert [type(event).__name__ for event in happened][-3:] == ["UsageReported", "TurnEnded", "HandleRenewed"]


def test_audio_that_shares_a_message_with_interrupted_is_not_heard(conversation):
    feed(conversation, heard("a story"), spoke(b"\1\0"), said("Once"))
    happened = feed(conversation, spoke(b"\2\0", interrupted=True), spoke(b"\3\0"), COMPLETE)
    assert of(events.Audio, happened) == []
    assert len(of(events.Interrupted, happened)) == 1
    ended = of(events.TurnEnded, happened)
    assert [(turn.interrupted, turn.model.text) for turn in ended] == [(True, "Once")]


def test_the_turn_after_an_interruption_is_heard_and_saved(conversation):
    feed(conversation, spoke(b"\1\0"), said("Once"), INTERRUPTED)
    happened = feed(conversation, heard("stop"), COMPLETE, spoke(b"\2\0"), said("Fine."), GENERATED, COMPLETE)
    assert [event.pcm for event in of(events.Audio, happened)] == [b"\2\0"]
    [ended] = of(events.TurnEnded, happened)
    assert (ended.user.text, ended.model.text, ended.interrupted) == ("stop", "Fine.", False)


def test_audio_flows_again_when_the_end_of_an_interrupted_turn_is_lost(conversation, clock):
    feed(conversation, spoke(b"\1\0"), INTERRUPTED)
    clock.advance(3.5)
    assert of(events.Audio, feed(conversation, spoke(b"\2\0")))


def test_interrupted_without_a_reply_ends_no_turn(conversation):
    happened = feed(conversation, heard("well"), INTERRUPTED)
    assert of(events.TurnEnded, happened) == []
    assert len(of(events.Interrupted, happened)) == 1


def test_the_same_call_delivered_twice_runs_once(conversation):
    happened = feed(conversation, asks_for("1", "f", city="Rome"), asks_for("1", "f", city="Rome"), asks_for("2", "f"))
    assert of(events.ToolCallRequested, happened) == [
        events.ToolCallRequested("1", "f", {"city": "Rome"}),
        events.ToolCallRequested("2", "f", {}),
    ]


def test_several_calls_in_one_message(conversation):
    calls = [{"id": str(n), "name": "f"} for n in range(3)]
    happened = conversation.receive(server(toolCall={"functionCalls": calls}))
    assert [call.call_id for call in of(events.ToolCallRequested, happened)] == ["0", "1", "2"]


def test_typed_text_during_a_reply_belongs_to_the_next_turn(conversation):
    feed(conversation, said("Once upon"))
    [typed] = conversation.user_typed("shorter please")
    happened = feed(conversation, INTERRUPTED, COMPLETE, said("Fine."), COMPLETE)
    first, second = of(events.TurnEnded, happened)
    assert (first.user, first.model.text, first.interrupted) == (None, "Once upon", True)
    assert (second.user.text, second.model.text) == ("shorter please", "Fine.")
    assert typed.turn_id == second.turn_id


def test_silence_leaves_out_the_rest_of_the_reply_and_only_that(conversation):
    feed(conversation, spoke(b"\1\0"), said("Once"))
    stopped = conversation.silence()
    assert [turn.interrupted for turn in of(events.TurnEnded, stopped)] == [True]
    rest = feed(conversation, spoke(b"\2\0"), said(" upon"), GENERATED, COMPLETE)
    assert of(events.Audio, rest) == of(events.Said, rest) == of(events.TurnEnded, rest) == []
    assert of(events.Audio, feed(conversation, spoke(b"\3\0")))


def test_thinking_turns_in_progress_do_not_end_the_turn(conversation):
    in_progress = server(serverContent={"turnComplete": True, "interactionStatus": "IN_PROGRESS"})
    idle = server(serverContent={"turnComplete": True, "interactionStatus": "IDLE"})
    happened = feed(conversation, said("Let me"), in_progress, said(" think."), idle)
    [ended] = of(events.TurnEnded, happened)
    assert ended.model.text == "Let me think."


def test_usage_after_the_turn_is_not_lost(conversation):
    happened = feed(
        conversation,
        said("Hi"),
        COMPLETE,
        server(
            usageMetadata={
                "promptTokenCount": 5,
                "candidatesTokenCount": 6,
                "totalTokenCount": 11,
                "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 5}],
            }
        ),
    )
    assert of(events.UsageReported, happened) == [events.UsageReported(5, 6, 11, {"prompt.audio": 5})]


def test_go_away_comes_as_a_string():
    assert Conversation().receive(server(goAway={"timeLeft": "49.5s"})) == [events.GoingAway(49.5)]


def test_an_update_without_a_handle_says_so(conversation):
    assert feed(conversation, server(sessionResumptionUpdate={})) == [events.HandleRenewed("")]


def test_the_end_keeps_what_was_said_so_far(conversation):
    feed(conversation, heard("hello"), said("Good mor"))
    [ended] = of(events.TurnEnded, conversation.end())
    assert (ended.user.text, ended.model.text, ended.interrupted) == ("hello", "Good mor", True)
    assert conversation.end() == []


def test_a_question_waits_for_the_next_connection(conversation):
    feed(conversation, heard("are you there"))
    assert conversation.disconnected() == []
    [ended] = of(events.TurnEnded, feed(conversation, said("Yes."), COMPLETE))
    assert (ended.user.text, ended.model.text) == ("are you there", "Yes.")
