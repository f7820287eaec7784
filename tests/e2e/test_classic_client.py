"""The seed's frontends are served from elsewhere and know the classic messages only: they must work unmodified."""

import contextlib

import pytest
from playwright.async_api import TimeoutError

from .browser import open_page
from .page import until
from .sound import silence, speak, write_wave

OF_TYPE = "(type) => classic.messages.filter((message) => message.type === type).map((message) => message.data)"


async def connect(page, origin: str, server) -> None:
    await page.goto(f"{origin}/index.html?server={server.url}")
    await page.click("#connect")


async def begin_story(page) -> None:
    """Typed again if somebody spoke at that very moment, who is answered instead."""
    for _ in range(15):
        await page.evaluate("""() => classic.socket.send(
          JSON.stringify({ type: "text", data: { text: "Tell me a long story" } }))""")
        with contextlib.suppress(TimeoutError):
            await page.wait_for_function(
                """() => classic.messages.some(({ type, data }) =>
                type === "transcription" && !data.isUser && data.text.includes("Once"))""",
                timeout=5000,
            )
            return
    raise AssertionError("The story does not begin.")


async def test_classic_conversation_from_another_origin(server, allowed_origin, tmp_path):
    # Asked again and again: the answer takes longer than the pause, so somebody always speaks over it.
    wave = write_wave(tmp_path / "q.wav", silence(2), *[speak("What's the weather in New York?"), silence(5)] * 15)
    async with open_page(microphone=wave, tap=False) as page:
        await connect(page, allowed_origin, server)
        await page.locator("#status", has_text="CONNECTED").wait_for()

        await page.wait_for_function("() => classic.messages.some(({ type }) => type === 'function_result')")
        (call, *_) = await page.evaluate(OF_TYPE, "function_call")
        assert call["name"] == "get_weather"
        assert call["args"]["location"] == "New York"
        await page.wait_for_function("() => classic.messages.some(({ type, data }) => type === 'transcription'"
                                     " && data.isFinal && !data.isUser)")  # fmt: skip
        heard = await page.evaluate("() => classic.audio")
        assert len(heard) > 24_000
        assert max(heard) > 3000
        transcription = await page.evaluate(OF_TYPE, "transcription")
        said = "".join(piece["text"] for piece in transcription if piece["isUser"])
        assert "what is the weather in new york" in said.lower().replace("what's", "what is")
        assert all(piece["text"] == "" for piece in transcription if piece["isFinal"])

        # Speaking over a reply stops what is scheduled already.
        await begin_story(page)
        before = await page.evaluate("() => classic.interrupts")
        await page.wait_for_function("(before) => classic.interrupts > before", arg=before)
        session_id = await page.evaluate("() => classic.sessionId")
        await page.click("#leave")
        await page.locator("#status", has_text="CLOSED").wait_for()
    session = await until(lambda: (seen := server.session(session_id))["status"] == "ended" and seen)
    assert session["toolCalls"][0]["name"] == "get_weather"


async def test_strange_origin_gets_neither_session_nor_socket(server, strange_origin):
    async with open_page(tap=False) as page:
        await connect(page, strange_origin, server)
        await page.locator("#status", has_text="CLOSED 1006").wait_for()
        assert await page.evaluate("() => classic.sessionId") == ""
        assert await page.evaluate("() => classic.messages") == []


@pytest.mark.parametrize("session_id", ["00000000-0000-4000-8000-000000000000", "nonsense"])
async def test_unknown_session_is_refused_in_words(session_id, server, allowed_origin):
    async with open_page(tap=False) as page:
        await page.route("**/api/sessions", lambda route: route.fulfill(
            json={"sessionId": session_id, "createdAt": "2026-01-01T00:00:00Z"},
            headers={"Access-Control-Allow-Origin": "*"},
        ))  # fmt: skip
        await connect(page, allowed_origin, server)
        await page.locator("#status", has_text="CLOSED 4404").wait_for()
        (error, *_) = await page.evaluate(OF_TYPE, "error")
        assert "session" in error["message"].lower()
