"""Whoever speaks is heard: the reply falls silent at once, and stays so."""

import pytest

from .browser import heard, open_page, wait_for_state
from .page import lines, open_voice_page, tool_card, type_message, until
from .sound import silence, speak, write_wave

NOW = "() => tap.context.currentTime"


async def test_speech_stops_a_reply(server, tmp_path):
    wave = write_wave(
        tmp_path / "barge_in.wav",
        silence(5), speak("What's the weather in New York?"), silence(60),
    )  # fmt: skip
    async with open_page(microphone=wave) as page:
        wire = await open_voice_page(page, server)
        # Notes when the order to be silent reached the page.
        await page.evaluate(
            """() => {
              const post = MessagePort.prototype.postMessage;
              MessagePort.prototype.postMessage = function (message, ...rest) {
                if (message?.type === "flush") (window.flushes ??= []).push(window.tap.context.currentTime);
                return post.call(this, message, ...rest);
              };
            }"""
        )
        await page.click("#start")
        await type_message(page, "Tell me a long story")
        await wait_for_state(page, "speaking")
        await wait_for_state(page, "interrupted", timeout=20)
        await page.locator(".line-model[data-interrupted] s").wait_for()
        assert "interrupted" in await page.locator(".line-model[data-interrupted] .speaker").text_content()
        # From the flush to the next reply not a sound: 5 ms of fade and the quanta on their way.
        assert (await tool_card(page, "get_weather"))["arguments"]["location"] == "New York"
        flushed = await page.evaluate("() => window.flushes[0]")
        quiet = await page.evaluate(
            """(flushed) => Math.max(...tap.quanta
                 .filter((q) => q.at > flushed + 0.02 && q.at < flushed + 0.7)
                 .map((q) => Math.max(...q.samples.map(Math.abs))))""",
            flushed,
        )
        assert quiet == 0
        await wait_for_state(page, "speaking")
        await wait_for_state(page, "listening", timeout=40)
        assert len(await heard(page)) > 0
        await page.click("#end")
    session = await until(lambda: (seen := server.session(wire.session_id))["status"] == "ended" and seen)
    told = [entry for entry in session["transcript"] if entry["role"] == "model"]
    assert [entry["interrupted"] for entry in told] == [True, False]
    played = [message["data"] for message in wire.sent if message["type"] == "played"]
    (reported,) = (report for report in played if report["dropped"])
    assert told[0]["heardMs"] == pytest.approx(reported["ms"], abs=1)


# A slow network: the server hears of the interruption only at `release()`, and sends on until then.
HOLD_INTERRUPT = """
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (message) {
  if (message === '{"type":"interrupt"}') window.release = () => send.call(this, message);
  else send.call(this, message);
};
"""


async def test_escape_stops_a_reply_and_the_next_one_plays(server):
    async with open_page() as page:
        await page.add_init_script(HOLD_INTERRUPT)
        wire = await open_voice_page(page, server)
        await type_message(page, "Tell me a long story")
        await wait_for_state(page, "speaking")
        await page.keyboard.press("Escape")
        stopped = await page.evaluate(NOW)
        await page.locator(".line-model[data-interrupted] s").wait_for()
        so_far = len(wire.received_audio)
        await until(lambda: len(wire.received_audio) > so_far + 10)
        await page.evaluate("() => release()")
        await until(lambda: any(m["type"] == "turn" and m["data"]["state"] == "interrupted" for m in wire.received))
        before = len(await lines(page, speaker="model"))
        assert before == 1
        later = await page.evaluate(NOW)
        assert await page.evaluate(
            """([from, to]) => tap.quanta.filter((q) => q.at > from + 0.1 && q.at < to)
                 .every((q) => q.samples.every((sample) => sample === 0))""",
            [stopped, later],
        )
        await type_message(page, "Who are you?")
        await wait_for_state(page, "speaking")
        await wait_for_state(page, "listening", timeout=40)
        assert len(await lines(page, speaker="model")) == 2
