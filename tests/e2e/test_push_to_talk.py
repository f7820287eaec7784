"""Push-to-talk: what goes to the server is what was said while something was held, between two marks."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from tests.server import ROOT, Server

from .browser import open_page, wait_for_state
from .faults import clock_held
from .page import Wire, choose, lines, open_voice_page, tool_card, type_message, until
from .sound import MICROPHONE_RATE, samples, silence, speak, write_wave

# Each order to be silent: at which second of the output's clock, and in the course of which event.
NOTE_FLUSHES = """
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (message, ...rest) {
  const at = tap.context?.currentTime;
  if (message?.type === "flush") (window.flushes ??= []).push({ at, cause: window.event?.type });
  return post.call(this, message, ...rest);
};
"""


# Presses of the space bar, all in one task of the page.
KEYS = """
(types) => types.forEach((type) => document.body.dispatchEvent(new KeyboardEvent(type, { key: " ", bubbles: true })))
"""


def talks(wire: Wire) -> list[list[bytes]]:
    """The frames between each pair of marks, the open one last. Fails for a frame outside, or a mark without its other.

    A socket that is lost takes the open mark with it.
    """
    found: list[list[bytes]] = []
    is_open = False
    for thing in wire.order:
        if thing == "open":
            is_open = False
        elif thing == "activity_start":
            assert not is_open
            is_open = True
            found.append([])
        elif thing == "activity_end":
            assert is_open
            is_open = False
        elif isinstance(thing, bytes):
            assert is_open
            assert len(thing) == 1024
            found[-1].append(thing)
    return found


def ends(wire: Wire) -> int:
    return wire.order.count("activity_end")


async def until_heard(wire: Wire, since: int = 0) -> None:
    """A question has gone to the server, and the silence after it."""

    def is_over() -> bool:
        said = np.abs(samples(b"".join(frame for _, frame in wire.sent_frames[since:])))
        return len(said) > 16_000 and said.max() > 0.05 and said[-16_000:].max() < 0.02

    await until(is_over)


def tone(seconds: float) -> bytes:
    wave = 8000 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * MICROPHONE_RATE)) / MICROPHONE_RATE)
    return wave.astype("<i2").tobytes()


async def test_space_is_held_in_a_reply_which_stops_and_what_was_asked_is_answered(server, emulator, tmp_path):
    """And the way of speaking is changed in the midst of the conversation, there and back."""
    wave = write_wave(tmp_path / "question.wav", silence(3), speak("What's the weather in New York?"), silence(60))
    async with open_page(microphone=wave) as page:
        await page.add_init_script(NOTE_FLUSHES)
        wire = await open_voice_page(page, server)
        await type_message(page, "Who are you?")
        await wait_for_state(page, "speaking")
        await wait_for_state(page, "listening")
        await choose(page, activityDetection="manual")
        await until(lambda: len(wire.urls) == 2)
        await wait_for_state(page, "listening")
        await type_message(page, "Tell me a long story")
        await wait_for_state(page, "speaking")

        await page.click("#start")  # it says Speak
        await page.locator("#talk").wait_for()
        assert not await page.locator("#mute").is_visible()
        assert wire.sent_frames == []
        await page.keyboard.down("Space")
        await page.locator("body[data-talking]").wait_for()
        assert "Let go to send" in await page.inner_text("#hint")
        await until_heard(wire)
        # It came with the key, not with a message of the server; then 5 ms of fade, and the quanta on their way.
        flushed = await page.evaluate("() => flushes[0]")
        assert flushed.get("cause") != "message"
        quiet = "(at) => tap.quanta.filter((q) => q.at > at).every((q) => q.samples.every((sample) => sample === 0))"
        assert await page.evaluate(quiet, flushed["at"] + 0.02)
        await page.keyboard.up("Space")
        assert (await tool_card(page, "get_weather"))["arguments"]["location"] == "New York"
        await page.locator(".line-model[data-interrupted] s").wait_for()
        await wait_for_state(page, "speaking")
        await wait_for_state(page, "listening")
        (said,) = talks(wire)
        received = emulator.sessions[-1].messages("realtimeInput")
        marks = [key for message in received for key in message if key.startswith("activity")]
        assert marks == ["activityStart", "activityEnd"]
        assert "audio_end" not in wire.order

        await choose(page, activityDetection="automatic")
        await until(lambda: len(wire.sent_frames) > len(said) + 5)
        assert await lines(page, speaker="user") == [
            "Who are you?", "Tell me a long story", (await lines(page, speaker="user"))[2],
        ]  # fmt: skip
        assert len(set(wire.urls)) == 1


@pytest.fixture
def server_apart(make_server, tmp_path) -> Iterator[Server]:
    """Its emulator is a process: to hear that a tone is no speech holds the interpreter's lock for seconds."""
    ca_file = tmp_path / "ca.pem"
    command = [sys.executable, "-m", "sessions_app.emulator", "--ca-out", str(ca_file)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as emulator:
        try:
            port = int(emulator.stdout.readline().rsplit(":", 1)[1])
            server = make_server(
                GEMINI_API_KEY="test", GEMINI_BASE_URL=f"https://127.0.0.1:{port}", GEMINI_CA_FILE=str(ca_file)
            )
            yield server
            server.stop()
        finally:
            emulator.terminate()


async def test_every_way_to_hold_and_to_let_go(server_apart, tmp_path):
    wave = write_wave(tmp_path / "tone.wav", tone(120))
    async with open_page(microphone=wave, has_touch=True) as page:
        wire = await open_voice_page(page, server_apart)
        await choose(page, activityDetection="manual", processing=False)
        await page.click("#start")
        await wait_for_state(page, "listening")
        talk = page.locator("#talk")
        box = await talk.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        touch = await page.context.new_cdp_session(page)

        async def finger(kind: str) -> None:
            points = [{"x": x, "y": y}] if kind == "touchStart" else []
            await touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        async def click() -> None:  # a screen reader's: no pointer made it
            await talk.evaluate("(button) => button.click()")

        async def mouse_down() -> None:
            await page.mouse.move(x, y)
            await page.mouse.down()

        async def mouse_up_elsewhere() -> None:
            await page.mouse.move(5, 5)
            await page.mouse.up()

        async def on_the_button(key: str) -> None:
            await talk.focus()
            await page.keyboard.down(key)

        async def space() -> None:
            await page.evaluate("() => document.activeElement.blur()")
            await page.keyboard.down("Space")

        async def leave_window() -> None:
            await page.evaluate("() => dispatchEvent(new Event('blur'))")

        async def hide() -> None:
            await page.evaluate(
                """() => {
                  Object.defineProperty(document, "hidden", { value: true, configurable: true });
                  document.dispatchEvent(new Event("visibilitychange"));
                  delete document.hidden;
                }"""
            )

        async def focus_elsewhere() -> None:
            await page.focus("#text")

        ways = [
            (space, lambda: page.keyboard.up("Space"), None),
            (mouse_down, page.mouse.up, None),
            (mouse_down, mouse_up_elsewhere, None),
            (lambda: finger("touchStart"), lambda: finger("touchEnd"), None),
            (lambda: finger("touchStart"), lambda: finger("touchCancel"), None),
            (lambda: on_the_button("Space"), lambda: page.keyboard.up("Space"), None),
            (lambda: on_the_button("Enter"), lambda: page.keyboard.up("Enter"), None),
            (click, click, None),
            (space, leave_window, lambda: page.keyboard.up("Space")),
            (space, hide, lambda: page.keyboard.up("Space")),
            (mouse_down, leave_window, page.mouse.up),
            (lambda: on_the_button("Space"), focus_elsewhere, lambda: page.keyboard.up("Space")),
        ]
        for number, (hold, let_go, after) in enumerate(ways):
            await hold()
            await until(lambda: len(talks(wire)) > number and len(talks(wire)[number]) >= 4)  # noqa: B023
            assert await talk.get_attribute("aria-pressed") == "true"
            await let_go()
            await until(lambda: ends(wire) > number)  # noqa: B023
            assert await talk.get_attribute("aria-pressed") == "false"
            if after:
                await after()
        assert len(talks(wire)) == ends(wire) == len(ways)

        # Two presses in a row, as quick as a hand is not.
        await page.evaluate("() => document.activeElement.blur()")
        await page.evaluate(KEYS, ["keydown"])
        await until(lambda: len(talks(wire)) == len(ways) + 1 and len(talks(wire)[-1]) >= 4)
        await page.evaluate(KEYS, ["keyup", "keydown"])
        await until(lambda: len(talks(wire)) == len(ways) + 2 and len(talks(wire)[-1]) >= 4)
        assert ends(wire) == len(ways) + 1
        await page.evaluate(KEYS, ["keyup"])
        await until(lambda: ends(wire) == len(ways) + 2)

        # The microphone is given back while the button is held: what was said is said.
        await page.keyboard.down("Space")
        await until(lambda: len(talks(wire)) == len(ways) + 3 and len(talks(wire)[-1]) >= 4)
        await page.click("#pause")
        await until(lambda: ends(wire) == len(ways) + 3)
        await page.keyboard.up("Space")

    # No sample is lost: the tone goes on through every frame, and the last one breaks off where the hand let go.
    said = talks(wire)
    for frames in said:
        assert np.abs(samples(b"".join(frames[:-1]))[-480:]).max() > 0.2
    broken_off = [frames for frames in said if not any(frames[-1][-128:])]
    assert any(any(frames[-1][:128]) for frames in broken_off)
    for frames in said[:-1]:
        sound = samples(b"".join(frames))
        sound = np.trim_zeros(sound, "b")
        assert np.abs(np.diff(sound)).max() < 0.06  # 440 Hz at 16 kHz, peak 0.25; a lost frame would be a step


async def test_server_is_lost_while_the_key_is_held(make_server, emulator, tmp_path):
    wave = write_wave(tmp_path / "tone.wav", tone(120))
    server = make_server()
    async with open_page(microphone=wave) as page:
        await page.clock.install()
        wire = await open_voice_page(page, server)
        await choose(page, activityDetection="manual")
        await page.click("#start")
        await wait_for_state(page, "listening")
        await page.keyboard.down("Space")
        await until(lambda: talks(wire) and talks(wire)[0])
        async with clock_held(page):
            server.stop(signal.SIGKILL)
            await wait_for_state(page, "reconnecting")
            server.start()
        await wait_for_state(page, "listening")
        assert await page.locator("body[data-talking]").count() == 0
        assert len(talks(wire)) == 1
        await page.keyboard.up("Space")
        await page.keyboard.down("Space")
        await until(lambda: len(talks(wire)) == 2 and len(talks(wire)[1]) > 20)
        await page.keyboard.up("Space")
        await page.locator(".line-model").first.wait_for()  # a tone is answered, too
        assert ends(wire) == 1
        received = emulator.sessions[-1].messages("realtimeInput")
        marks = [key for message in received for key in message if key.startswith("activity")]
        assert marks == ["activityStart", "activityEnd"]


async def test_gemini_is_lost_while_the_key_is_held(server, emulator, tmp_path):
    """Nothing of the question is: the server keeps what is said until there is a connection again."""
    wave = write_wave(tmp_path / "question.wav", silence(3), speak("What's the weather in New York?"), silence(60))
    async with open_page(microphone=wave) as page:
        wire = await open_voice_page(page, server)
        await choose(page, activityDetection="manual")
        await type_message(page, "Who are you?")
        await wait_for_state(page, "speaking")
        await wait_for_state(page, "listening")
        await page.click("#start")
        await page.locator("#talk").wait_for()
        await page.keyboard.down("Space")
        await until(lambda: np.abs(samples(b"".join(frame for _, frame in wire.sent_frames))).max(initial=0) > 0.05)
        emulator.abort_all()
        await until(lambda: statuses(wire)[-2:] == ["RECONNECTING", "CONNECTED"])
        assert await page.locator("body[data-talking]").count() == 1
        await until_heard(wire)
        await page.keyboard.up("Space")
        assert (await tool_card(page, "get_weather"))["arguments"]["location"] == "New York"
        await wait_for_state(page, "speaking")
        assert len(talks(wire)) == ends(wire) == 1
        assert len(wire.urls) == 1


def statuses(wire: Wire) -> list[str]:
    return [message["data"]["status"] for message in wire.received if message["type"] == "status"]
