"""Whoever speaks is heard: the reply falls silent at once, and stays so; the next one plays in full."""

import asyncio
import base64

import numpy as np
import pytest

from .browser import heard, loudest, open_page, play_on, wait_for_state
from .page import Wire, lines, open_voice_page, tool_card, type_message, until
from .sound import asked_until_answered, pieces, samples

RATE = 24_000
SILENT_AFTER = 0.02  # s: 5 ms of fade and the quanta on their way

# Notes by the loudspeaker's clock when the order to be silent reached the page, before the page itself sees it.
NOTE_ORDERS = """
window.orders = [];
const note = () => window.orders.push(window.tap.context.currentTime);
const Socket = window.WebSocket;
window.WebSocket = class extends Socket {
  constructor(...options) {
    super(...options);
    this.addEventListener("message", ({ data }) => {
      if (typeof data === "string" && JSON.parse(data).data?.interrupt) note();
    });
  }
};
addEventListener("keydown", ({ key }) => { if (key === "Escape") note(); }, true);
"""
LOUDEST_BEFORE = """
(order) =>
  Math.max(0, ...tap.quanta.filter((q) => q.at < order).map(({ samples }) => Math.max(...samples.map(Math.abs))))
"""


async def assert_only_these_replies_sound(page, replies: bytes) -> None:
    """From the first order to be silent on: not a sound of the old reply, then all of these, and nothing else."""
    await play_on(page, len(replies) / 2 / RATE + 1)
    orders = await page.evaluate("() => orders")
    assert await page.evaluate(LOUDEST_BEFORE, orders[0]) > 0.1  # there was something to be silenced
    sound = await heard(page, since=orders[0] + SILENT_AFTER)
    sent = samples(replies)
    assert sum(map(len, pieces(sent, sound, RATE))) == len(sent)


async def turn_ended(wire: Wire, how: str, count: int = 1) -> None:
    def ended() -> list[dict]:
        return [m for m in wire.received if m["type"] == "turn" and m["data"]["state"] == how]

    await until(lambda: len(ended()) >= count)


def tool_was_answered(wire: Wire) -> bool:
    """The turn is complete in which the tool gave its result."""
    kinds = [message["type"] for message in wire.received]
    since = len(kinds) - kinds[::-1].index("function_result") if "function_result" in kinds else len(kinds)
    return any(m["type"] == "turn" and m["data"]["state"] == "complete" for m in wire.received[since:])


async def test_speech_stops_a_reply(server, far_end, tmp_path):
    wave = asked_until_answered(tmp_path / "barge_in.wav", "What's the weather in New York?", before=1)
    async with open_page(microphone=wave) as page:
        await page.add_init_script(NOTE_ORDERS)
        wire = await open_voice_page(page, server)
        await type_message(page, "Tell me a long story")
        await wait_for_state(page, "speaking")
        await page.click("#start")  # the wave begins with the microphone, in mid-story
        await wait_for_state(page, "interrupted")
        await page.locator(".line-model[data-interrupted] s").wait_for()
        assert "interrupted" in await page.locator(".line-model[data-interrupted] .speaker").text_content()
        assert (await tool_card(page, "get_weather"))["arguments"]["location"] == "New York"
        await page.click("#pause")
        await until(lambda: tool_was_answered(wire))
        await assert_only_these_replies_sound(page, b"".join(far_end.replies[1:]))
        await wait_for_state(page, "listening")
        await page.click("#end")
    session = await until(lambda: (seen := server.session(wire.session_id))["status"] == "ended" and seen)
    told = [entry for entry in session["transcript"] if entry["role"] == "model"]
    assert [entry["interrupted"] for entry in told] == [True, *[False] * (len(told) - 1)]
    assert len(told) >= 2
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


async def test_escape_stops_a_reply_and_the_next_one_plays(server, far_end):
    async with open_page() as page:
        await page.add_init_script(NOTE_ORDERS)
        await page.add_init_script(HOLD_INTERRUPT)
        wire = await open_voice_page(page, server)
        await type_message(page, "Tell me a long story")
        await wait_for_state(page, "speaking")
        while await loudest(page) < 0.2:  # in the midst of a word, not before the first
            await asyncio.sleep(0.02)
        await page.keyboard.press("Escape")
        await page.locator(".line-model[data-interrupted] s").wait_for()
        so_far = len(wire.received_audio)
        await until(lambda: len(wire.received_audio) > so_far + 10)
        await page.evaluate("() => release()")
        await turn_ended(wire, "interrupted")
        assert len(await lines(page, speaker="model")) == 1
        await type_message(page, "Hello")
        await turn_ended(wire, "complete")
        await assert_only_these_replies_sound(page, far_end.replies[-1])
        await wait_for_state(page, "listening")
        assert len(await lines(page, speaker="model")) == 2


async def test_a_turn_shorter_than_the_prebuffer_is_heard_after_an_interruption(server, emulator):
    """40 ms, and no more comes to fill the 80 ms with which a reply begins."""
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE // 25) / RATE) * 32767).astype("<i2").tobytes()
    data = base64.b64encode(tone).decode()
    parts = [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}}]
    async with open_page() as page:
        await page.add_init_script(NOTE_ORDERS)
        wire = await open_voice_page(page, server)
        await type_message(page, "Who are you?")
        await turn_ended(wire, "complete")  # all of it was sent, some was heard
        emulator.inject({"serverContent": {"interrupted": True}})
        await until(lambda: any(message["data"].get("interrupt") for message in wire.received if "data" in message))
        await play_on(page, 0.1)  # past the moment from which on nothing of the old reply may sound
        emulator.inject({"serverContent": {"modelTurn": {"parts": parts}}})
        emulator.inject({"serverContent": {"generationComplete": True}})
        emulator.inject({"serverContent": {"turnComplete": True}})
        await turn_ended(wire, "complete", 2)
        await assert_only_these_replies_sound(page, tone)
