"""Mute, pause and the keys."""

from .browser import open_page, wait_for_state
from .page import choose, lines, open_voice_page, type_message, until
from .sound import silence, speak, write_wave
from .streams import KEEP_STREAMS, live_tracks


async def wait(page, ms: int) -> None:
    """For what must not happen."""
    await page.evaluate("(ms) => new Promise((resolve) => setTimeout(resolve, ms))", ms)


async def test_mute_pause_and_a_word_in_between(server, tmp_path):
    wave = write_wave(tmp_path / "talk.wav", speak("one two three four five six seven eight nine ten") * 20)
    async with open_page(microphone=wave) as page:
        await page.add_init_script(KEEP_STREAMS)
        wire = await open_voice_page(page, server)
        ends = lambda: wire.order.count("audio_end")  # noqa: E731
        sent = lambda: len(wire.sent_frames)  # noqa: E731
        await page.click("#start")
        await until(lambda: sent() > 5)

        # Unmuted again within the second: nothing has ended.
        await page.click("#mute")
        assert await page.get_attribute("#mute", "aria-pressed") == "true"
        await page.click("#mute")
        await wait(page, 1300)
        assert ends() == 0

        await page.click("#mute")
        await until(lambda: ends() == 1)
        muted = sent()
        await wait(page, 1500)
        assert (sent(), ends()) == (muted, 1)
        assert await live_tracks(page) == [True]

        # A word of somebody who is muted; the button that has the focus keeps its own Space.
        await page.evaluate("() => document.activeElement.blur()")
        await page.keyboard.down("Space")
        await until(lambda: sent() > muted + 5)
        assert "Let go" in await page.inner_text("#hint")
        await page.keyboard.up("Space")
        await until(lambda: ends() == 2)
        assert await page.inner_text("#label") in ("Muted", "Thinking…", "Speaking")
        muted = sent()
        await wait(page, 300)
        assert sent() == muted
        assert not {"activity_start", "activity_end"} & {thing for thing in wire.order if isinstance(thing, str)}

        # Unmuted while the word is said: it does not end.
        await page.keyboard.down("Space")
        await until(lambda: sent() > muted)
        await page.keyboard.press("m")
        await page.keyboard.up("Space")
        await wait(page, 1300)
        assert ends() == 2
        spoken = sent()
        await until(lambda: sent() > spoken)

        await page.click("#pause")
        assert await live_tracks(page) == [False]
        assert not await page.locator("#mute").is_visible()
        await until(lambda: ends() == 3)
        paused = sent()
        await wait(page, 300)
        assert sent() == paused
        await page.click("#start")
        await until(lambda: sent() > paused + 5)
        assert await live_tracks(page) == [False, True]
        assert len(wire.urls) == 1
        await page.click("#end")
        await wait_for_state(page, "idle")
        assert await live_tracks(page) == [False, False]


async def test_a_thumb_stops_a_reply(server):
    """On a phone there is no Esc."""
    async with open_page(viewport={"width": 390, "height": 844}, has_touch=True) as page:
        wire = await open_voice_page(page, server)
        assert not await page.locator("#interrupt").is_visible()
        await type_message(page, "Tell me a long story")
        await wait_for_state(page, "speaking")
        assert "tap the circle" in await page.inner_text("#hint")
        await page.get_by_role("button", name="Interrupt").tap()
        await wait_for_state(page, "interrupted", "listening")
        assert await page.evaluate("() => document.activeElement.className") == "controls"
        await until(lambda: any(message["type"] == "interrupt" for message in wire.sent))
        await page.locator(".line-model[data-interrupted]").wait_for()
        assert not await page.locator("#interrupt").is_visible()


async def test_keys(server, tmp_path):
    wave = write_wave(tmp_path / "quiet.wav", silence(120))
    async with open_page(microphone=wave) as page:
        wire = await open_voice_page(page, server)
        muted = page.locator("#mute[aria-pressed=true]")
        await page.click("#start")
        await wait_for_state(page, "listening")
        await page.keyboard.press("m")
        assert await muted.count() == 1
        await page.keyboard.press("Shift+M")  # caps lock
        assert await muted.count() == 0
        for modifier in ("Control", "Alt", "Meta"):
            await page.keyboard.press(f"{modifier}+m")
        await page.keyboard.down("m")
        await page.keyboard.down("m")  # repeats
        await page.keyboard.up("m")
        assert await muted.count() == 1

        await page.keyboard.press("/")
        assert await page.evaluate("() => document.activeElement.id") == "text"
        await page.keyboard.type("m/c? m")
        assert await page.input_value("#text") == "m/c? m"
        assert await muted.count() == 1
        assert await page.locator("dialog[open], #preview:not([hidden])").count() == 0
        await page.fill("#text", "Tell me a long story")
        await page.keyboard.press("Enter")
        await wait_for_state(page, "speaking")
        await page.keyboard.press("Escape")  # also while somebody types
        await page.locator(".line-model[data-interrupted]").wait_for()
        assert wire.order.count("interrupt") == 1
        await page.keyboard.press("Escape")
        assert wire.order.count("interrupt") == 1

        await page.evaluate("() => document.activeElement.blur()")
        await page.keyboard.press("c")
        await page.locator("#preview").wait_for()
        await page.keyboard.press("c")
        await page.locator("#preview").wait_for(state="hidden")

        await page.keyboard.press("?")
        await page.locator("#help").wait_for()
        for key in ("m", "/", "c", "?"):
            await page.keyboard.press(key)
        assert await muted.count() == 1
        await page.keyboard.press("Escape")
        await page.locator("#help").wait_for(state="hidden")
        await page.click("#open-help")
        await page.get_by_role("button", name="Close").click()
        assert await page.evaluate("() => document.activeElement.id") == "open-help"

        # A button that has the focus keeps its own Space; anywhere else Space is the word of somebody who is muted.
        await page.focus("#mute")
        await page.keyboard.press("Space")
        assert await muted.count() == 0
        await page.keyboard.press("Space")
        assert await muted.count() == 1
        await page.evaluate("() => document.activeElement.blur()")
        await page.keyboard.down("Space")
        await page.locator("body[data-talking]").wait_for()
        await page.keyboard.up("Space")
        await page.locator("body:not([data-talking])").wait_for()

        await choose(page, keys=False)
        await page.evaluate("() => document.activeElement.blur()")
        for key in ("m", "c", "?", "/", "Space"):
            await page.keyboard.press(key)
        assert await muted.count() == 1
        assert await page.locator("dialog[open], #preview:not([hidden])").count() == 0
        assert await page.evaluate("() => document.activeElement.id") == ""
        await type_message(page, "Tell me a long story")
        await wait_for_state(page, "speaking")
        await page.keyboard.press("Escape")  # no letter that somebody could say or type by chance
        await page.locator(".line-model[data-interrupted]").nth(1).wait_for()
        assert len(await lines(page, speaker="model")) == 2
