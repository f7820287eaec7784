"""Spoken questions, from a wave file in the fake microphone to the row in the database and the spoken answer.

That the sound itself is right, at both ends, is proved in test_microphone.py and test_loudspeaker.py.
"""

import re
from datetime import date, timedelta

import pytest

from .browser import browsers, loudest, open_page, wait_for_state
from .page import lines, open_voice_page, tool_card, type_message, until
from .sound import asked_until_answered, silence, write_wave

LAST_WEEK = (date.today() - timedelta(days=14), date.today())
QUESTIONS = {
    "What's the weather in New York?": ("get_weather", lambda arguments: arguments["location"] == "New York"),
    "Get analytics for the last week": (
        "get_analytics",
        lambda arguments: LAST_WEEK[0] <= date.fromisoformat(arguments["startDate"]) <= LAST_WEEK[1],
    ),
}


def words(text: str) -> list[str]:
    """Without what changes nothing: case, punctuation, articles, and whether "is" is spoken in full."""
    text = text.lower().replace("what's", "what is")
    return [word for word in re.sub(r"[^a-z ]", "", text).split() if word not in {"a", "the"}]


@pytest.mark.parametrize("question", QUESTIONS)
async def test_spoken_question_is_heard_answered_by_its_tool_saved_and_spoken(question, server, tmp_path):
    tool, is_right = QUESTIONS[question]
    wave = asked_until_answered(tmp_path / "question.wav", question)
    async with open_page(microphone=wave) as page:
        wire = await open_voice_page(page, server)
        await page.click("#start")
        await wait_for_state(page, "listening")

        card = await tool_card(page, tool)
        await page.click("#pause")
        assert is_right(card["arguments"])
        await wait_for_state(page, "speaking")
        await wait_for_state(page, "listening")

        said = await lines(page, speaker="user")
        assert words(said[-1]) == words(question)
        await page.click("#end")
        await wait_for_state(page, "idle")

    # The end of the conversation is written after the page has left.
    session = await until(lambda: (seen := server.session(wire.session_id))["status"] == "ended" and seen)
    call = session["toolCalls"][-1]
    assert call["name"] == tool
    assert call["status"] == "ok"
    assert call["arguments"] == card["arguments"]
    question_row, answer = session["transcript"][-2:]
    assert (question_row["role"], answer["role"]) == ("user", "model")
    assert words(question_row["text"]) == words(question)
    if len(said) == 1:  # it was understood at once: all sound is this answer's
        assert len(session["toolCalls"]) == 1
        assert len(session["transcript"]) == 2
        assert answer["heardMs"] == pytest.approx(sum(map(len, wire.received_audio)) / 48, abs=2)


async def test_two_questions_one_after_the_other(server, tmp_path):
    questions = {"get_weather": "What's the weather in London?", "get_analytics": "Get analytics for the last week"}
    waves = {tool: asked_until_answered(tmp_path / f"{tool}.wav", asked) for tool, asked in questions.items()}
    async with open_page(microphone=waves["get_weather"]) as page:
        wire = await open_voice_page(page, server)
        for tool, asked in questions.items():
            browsers.speak(waves[tool])
            await page.click("#start")
            await tool_card(page, tool)
            await page.click("#pause")
            await wait_for_state(page, "speaking")
            await wait_for_state(page, "listening")
            assert words((await lines(page, speaker="user"))[-1]) == words(asked)
        said = [words(line) for line in await lines(page, speaker="user")]
        assert said.index(words(questions["get_weather"])) < said.index(words(questions["get_analytics"]))
        await page.click("#end")
    session = await until(lambda: (seen := server.session(wire.session_id))["status"] == "ended" and seen)
    roles = [entry["role"] for entry in session["transcript"]]
    assert roles.count("user") == len(said)
    assert len(said) > 2 or roles == ["user", "model", "user", "model"]


async def test_typed_message_needs_no_microphone(server):
    async with open_page("--use-fake-ui-for-media-stream=deny") as page:
        wire = await open_voice_page(page, server)
        await type_message(page, "What's the weather in Berlin?")
        assert (await tool_card(page, "get_weather"))["arguments"]["location"] == "Berlin"
        await wait_for_state(page, "speaking")
        await wait_for_state(page, "listening")
        assert await loudest(page) > 0.1
        assert await lines(page, speaker="user") == ["What's the weather in Berlin?"]
        assert await page.locator("[data-partial]").count() == 0
        await type_message(page, "Who are you?")
        await page.locator(".line-model").nth(1).wait_for()
        assert await lines(page, speaker="user") == ["What's the weather in Berlin?", "Who are you?"]
    assert wire.sent_frames == []
    assert len(wire.urls) == 1


async def test_offline_page_offers_what_the_emulator_understands(server):
    async with open_page() as page:
        await open_voice_page(page, server)
        assert "GEMINI_API_KEY" in await page.inner_text("#offline")
        await page.get_by_role("button", name="Get analytics for the last week").click()
        assert "metric" in (await tool_card(page, "get_analytics"))["arguments"]


async def test_start_and_end_in_quick_succession_leave_one_conversation(server):
    async with open_page() as page:
        wire = await open_voice_page(page, server)
        for _ in range(3):
            await page.click("#start")
            await page.click("#end")
        await page.click("#start")
        await wait_for_state(page, "listening")
        await until(lambda: wire.sent_frames)
        assert server.session(wire.session_id)["status"] == "live"
        await page.click("#end")
        await wait_for_state(page, "idle")
        sent = len(wire.sent_frames)
        await page.evaluate("() => new Promise((resolve) => setTimeout(resolve, 300))")
        assert len(wire.sent_frames) == sent
    assert len(wire.urls) == len(set(wire.urls))


async def test_failed_tool_says_why(server):
    async with open_page() as page:
        await open_voice_page(page, server)
        await type_message(page, "What's the weather in Tokyo?")  # Open-Meteo here knows three cities
        assert "Tokyo" in (await tool_card(page, "get_weather", status="failed"))["error"]
        assert await page.locator(".tool details[open]").count() == 1


async def test_mute_sends_nothing_and_says_so_to_gemini(server, tmp_path):
    wave = write_wave(tmp_path / "noise.wav", silence(60))
    async with open_page(microphone=wave) as page:
        wire = await open_voice_page(page, server)
        await page.click("#start")
        await until(lambda: wire.sent_frames)
        await page.keyboard.press("m")
        await page.locator("#label", has_text="Muted").wait_for()
        await until(lambda: {"type": "audio_end"} in wire.sent)
        muted = len(wire.sent_frames)
        await page.evaluate("() => new Promise((resolve) => setTimeout(resolve, 500))")
        assert len(wire.sent_frames) == muted
        await page.click("#mute")
        await until(lambda: len(wire.sent_frames) > muted)
