"""What is kept of what was sent, until it is answered."""

import pytest

from sessions_app.live.journal import Journal, Message

SECOND = 32_000
QUIET, LOUD = (bytes(1280), 16_000), (b"\0\x20" * 640, 16_000)
FRAMES = 25  # a second


async def nothing(gemini): ...


def message(kind: str, size: int = 0) -> Message:
    return Message(nothing, size, kind)


@pytest.fixture
def journal() -> Journal:
    return Journal(15 * SECOND)


def keep(journal: Journal, *items) -> None:
    for item in items:
        journal.keep(item)


def audio(items: list) -> bytes:
    return b"".join(item[0] for item in items if isinstance(item, tuple))


def test_silence_before_a_question_is_not_kept_and_the_question_is(journal):
    keep(journal, *[QUIET] * 60 * FRAMES, *[LOUD] * 2 * FRAMES, *[QUIET] * FRAMES)
    assert journal.speech_unanswered
    kept = audio(journal.take())
    assert LOUD[0] * 2 * FRAMES + QUIET[0] * FRAMES in kept
    assert len(kept) <= 4 * SECOND


def test_of_a_question_the_last_seconds_are_kept(journal):
    spoken = [(bytes([number, 0x20]) * 16_000, 16_000) for number in range(30)]
    keep(journal, *spoken)
    assert journal.take() == spoken[15:]


@pytest.mark.parametrize("begun", [False, True], ids=["before the answer", "in the answer"])
@pytest.mark.parametrize("how", ["typed", "spoken", "by push-to-talk"])
def test_a_question_outlasts_any_silence_after_it(journal, how, begun):
    typed, start, end = message("text", 20), message("mark"), message("mark")
    spoken = [LOUD] * 2 * FRAMES
    question = {"typed": [typed], "spoken": spoken, "by push-to-talk": [start, *spoken, end]}[how]
    keep(journal, *question)
    if begun:
        journal.reply_begins()
    after = [] if how == "by push-to-talk" else [QUIET] * (60 if begun or how == "typed" else 10) * FRAMES
    keep(journal, *after)
    kept = journal.take()
    assert kept[: len(question)] == question
    assert len(kept) - len(question) <= (FRAMES if begun or how == "typed" else 10 * FRAMES)


def test_what_is_whispered_with_the_button_held_is_kept(journal):
    start, whisper, end = message("mark"), [QUIET] * 5 * FRAMES, message("mark")
    keep(journal, start, *whisper, end)
    assert journal.take() == [start, *whisper, end]


def test_pictures_give_way_to_what_was_asked(journal):
    question, mark = message("text", 1000), message("mark")
    pictures = [message("passing", 100_000) for _ in range(60)]
    keep(journal, question, mark, *pictures)
    assert journal.take() == [question, mark, *pictures[-11:]]


def test_what_takes_no_bytes_is_bounded_too(journal):
    keep(journal, *(message("mark") for _ in range(10_000)))
    assert len(journal.take()) <= 1200


def test_speech_just_before_a_typed_message_is_noticed(journal):
    keep(journal, *[LOUD] * 10, message("text"), *[QUIET] * 3)
    assert journal.speech_unanswered


def test_what_follows_the_beginning_of_a_reply_is_not_answered_by_it(journal):
    first, second = message("text"), message("text")
    journal.keep(first)
    journal.reply_begins()
    journal.keep(second)
    journal.answered(interrupted=False)
    assert journal.take() == [second]
    assert journal.take() == []


def test_speech_over_a_reply_is_unanswered_when_that_ends(journal):
    journal.keep(message("text"))
    journal.reply_begins()
    keep(journal, *[LOUD] * FRAMES)
    journal.answered(interrupted=True)
    assert journal.speech_unanswered
    assert journal.take() == [LOUD] * FRAMES


@pytest.mark.parametrize("interrupted", [False, True])
def test_of_two_questions_before_a_reply_the_second_may_have_interrupted_it(journal, interrupted):
    first, second = message("text"), message("text")
    keep(journal, first, second)
    journal.reply_begins()
    keep(journal, *[QUIET] * FRAMES)
    journal.answered(interrupted=interrupted)
    assert [item for item in journal.take() if isinstance(item, Message)] == [second] * interrupted


@pytest.mark.parametrize("newer", ["text", "speech"])
def test_where_something_newer_interrupted_only_that_is_unanswered(journal, newer):
    keep(journal, message("text"), message("text"))
    journal.reply_begins()
    after = [message("text")] if newer == "text" else [LOUD] * FRAMES
    keep(journal, *after)
    journal.answered(interrupted=True)
    assert journal.take() == after
