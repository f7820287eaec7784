"""Camera and screen in a conversation: what arrives, what the person sees of it, and every way to stop."""

import base64

from .browser import FAKE_MICROPHONE, open_page, wait_for_state
from .page import lines, open_voice_page, type_message, until
from .streams import KEEP_STREAMS, live_tracks
from .test_sharing import CANVAS_AS_SCREEN, jpeg_size


async def test_camera_then_screen_then_the_end(server, emulator):
    async with open_page(*FAKE_MICROPHONE) as page:
        for script in (KEEP_STREAMS, CANVAS_AS_SCREEN, "paint(1600, 900)"):
            await page.add_init_script(script)
        wire = await open_voice_page(page, server)
        images = lambda: [message["data"] for message in wire.sent if message["type"] == "image"]  # noqa: E731
        pressed = lambda kind: page.get_attribute(f"#{kind}", "aria-pressed")  # noqa: E731
        await page.keyboard.press("c")  # nobody would see it before there is a conversation
        assert await live_tracks(page) == []
        await type_message(page, "Who are you?")
        await wait_for_state(page, "speaking")
        await wait_for_state(page, "listening")

        await page.click("#camera")
        await page.locator("#preview").wait_for()
        assert await page.inner_text("#preview figcaption") == "Sharing camera"
        assert (await pressed("camera"), await pressed("screen")) == ("true", "false")
        await until(lambda: len(images()) >= 2)
        for image in images():
            assert image["mimeType"] == "image/jpeg"
            assert max(jpeg_size({"base64": image["data"]})) == 768

        await page.click("#screen")
        await page.locator("#preview-screen").wait_for()
        assert (await pressed("camera"), await pressed("screen")) == ("false", "true")
        assert await live_tracks(page) == [False, True]
        before = len(images())
        await until(lambda: len(images()) > before)
        assert jpeg_size({"base64": images()[-1]["data"]}) == (768, 432)
        await page.click("#screen")
        await page.locator("#preview").wait_for(state="hidden")
        assert await live_tracks(page) == [False, False]

        session = emulator.sessions[-1]
        await until(lambda: session.images["count"] == len(images()))
        assert session.images["type"] == "jpeg"
        assert session.images["bytes"] == len(base64.b64decode(images()[-1]["data"]))
        await type_message(page, "What do you see?")
        await page.locator(".line-model", has_text=f"I have received {len(images())} pictures").wait_for()
        assert len(await lines(page, speaker="model")) == 2

        for stop in (lambda: page.keyboard.press("c"), lambda: page.click("#camera"), lambda: page.click("#end")):
            await page.evaluate("() => document.activeElement.blur()")
            await page.keyboard.press("c")
            await page.locator("#preview").wait_for()
            assert (await live_tracks(page))[-1] is True
            await page.evaluate("() => document.activeElement.blur()")
            await stop()
            await page.locator("#preview").wait_for(state="hidden")
            assert not any(await live_tracks(page))
            assert await pressed("camera") == "false"
        await wait_for_state(page, "idle")
