"""What goes wrong with camera and screen says what to do; the conversation goes on without them."""

from .faults import live_tracks, no_notice, notice, open_faulty, press_settings, settings, typing_works
from .page import open_voice_page, until

CAMERA = {
    "NotAllowedError": "The camera is blocked",
    "NotFoundError": "No camera was found",
    "NotReadableError": "Another program is using the camera",
    "TypeError": "The camera could not be opened",
}


async def refuse(page, name: str, message: str = "") -> None:
    await page.evaluate("(error) => { refuse = error; }", [name, message])


async def test_camera_and_screen(server):
    script = settings(camera="unplugged")
    async with open_faulty("--use-fake-device-for-media-stream", script=script, permissions=["camera"]) as page:
        wire = await open_voice_page(page, server)
        preview = page.locator("#preview")
        await typing_works(page)
        for name, sentence in CAMERA.items():
            await refuse(page, name)
            await page.click("#camera")
            await notice(page, sentence, "Try again")
            await notice(page, "The conversation goes on without it", "Try again")
            assert await preview.is_hidden()
        await page.evaluate("() => { refuse = null; }")
        await page.click("#notice-action")
        await notice(page, "The camera that you chose is not there any more. Another one is used", "Settings")
        await preview.wait_for()
        await until(lambda: any(said["type"] == "image" for said in wire.sent))
        await press_settings(page)
        await typing_works(page, "Hello")

        await page.context.clear_permissions()  # the browser ends the track, as it does when the cable is drawn
        await notice(page, "The camera was disconnected", "Try again")
        await preview.wait_for(state="hidden")
        await page.context.grant_permissions(["camera"])
        await page.click("#notice-action")
        await preview.wait_for()
        await no_notice(page)  # the choice is forgotten
        assert await live_tracks(page, "video") == 1

        await refuse(page, "NotAllowedError", "Permission denied by system")
        await page.click("#screen")
        await notice(page, "The screen could not be captured", "Try again")
        await refuse(page, "NotAllowedError", "Permission denied")  # the person closes the picker
        await page.click("#notice-action")
        await no_notice(page)
        assert await live_tracks(page, "video") == 0
        await page.evaluate("() => { delete navigator.mediaDevices.getDisplayMedia; }")
        await page.evaluate("() => { delete MediaDevices.prototype.getDisplayMedia; }")
        await page.click("#screen")
        await notice(page, "This browser cannot share the screen")
        await typing_works(page, "What can you do?")
        assert len(wire.urls) == 1
