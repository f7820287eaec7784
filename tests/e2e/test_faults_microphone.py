"""What goes wrong with the microphone and the sound says what to do, and typing keeps working."""

import pytest

from tests.server import free_port

from .blank import until_in
from .browser import DENIED_MICROPHONE, FAKE_MICROPHONE, NO_MICROPHONE, loudest, open_page, wait_for_state
from .faults import live_tracks, no_notice, notice, open_faulty, press_settings, settings, typing_works
from .page import open_voice_page, until
from .sound import silence, speak, write_wave

OWN_PERMISSIONS = ["--use-fake-device-for-media-stream"]
REFUSALS = {
    "NotAllowedError": "The microphone is blocked",
    "NotFoundError": "No microphone was found",
    "NotReadableError": "Another program is using the microphone",
    "TypeError": "The microphone could not be opened",
}


@pytest.mark.parametrize(
    ("switches", "sentence"),
    [(DENIED_MICROPHONE, "allow Microphone"), (NO_MICROPHONE, "No microphone was found")],
    ids=["blocked", "missing"],
)
async def test_without_a_microphone(switches, sentence, server):
    async with open_page(*switches) as page:
        await open_voice_page(page, server)
        await page.click("#start")
        await notice(page, sentence, "Try again")
        await wait_for_state(page, "error")
        await typing_works(page)
        await page.click("#start")  # "Speak", in the midst of the conversation
        await notice(page, sentence, "Try again")
        await typing_works(page, "Hello")


async def test_microphone_that_is_refused_and_then_given(server):
    async with open_faulty() as page:
        wire = await open_voice_page(page, server)
        for name, sentence in REFUSALS.items():
            await page.evaluate("(name) => { refuse = [name, '']; }", name)
            await page.click("#start")
            await notice(page, sentence, "Try again")
            await wait_for_state(page, "error")
        await page.evaluate("() => { refuse = null; }")
        await page.click("#notice-action")
        await wait_for_state(page, "listening")
        await no_notice(page)
        await until(lambda: len(wire.sent_frames) > 3)
        assert await live_tracks(page) == 1
        await typing_works(page)


async def test_chosen_microphone_is_gone(server):
    async with open_faulty(script=settings(microphone="unplugged")) as page:
        wire = await open_voice_page(page, server)
        await page.click("#start")
        await notice(page, "The microphone that you chose is not there any more. Another one is used", "Settings")
        await wait_for_state(page, "listening")
        await until(lambda: wire.sent_frames)
        await press_settings(page)
        await typing_works(page)
        await page.click("#end")
        await page.click("#start")  # the choice is forgotten: nothing to tell
        await wait_for_state(page, "listening")
        await no_notice(page)


@pytest.mark.parametrize("way", ["automatic", "manual"])
async def test_microphone_is_unplugged_in_mid_conversation(way, server, quiet_room):
    """The browser ends the track as it does when the cable is drawn; here because the permission is taken back."""
    script = settings(activityDetection=way)
    async with open_faulty(*OWN_PERMISSIONS, script=script, microphone=quiet_room, permissions=["microphone"]) as page:
        wire = await open_voice_page(page, server)
        await page.click("#start")
        await wait_for_state(page, "listening")
        await typing_works(page)
        await page.locator("h1").click()  # out of the text, or the key would write
        if way == "manual":
            await page.keyboard.down(" ")
        await until(lambda: wire.sent_frames)
        await page.context.clear_permissions()
        await notice(page, "The microphone was disconnected", "Try again")
        # Gemini does not wait for the rest of what was being said.
        ended = {"type": "activity_end"} if way == "manual" else {"type": "audio_end"}
        await until(lambda: ended in wire.sent)
        await page.keyboard.up(" ")
        if way == "manual":  # the emulator answers also what it did not understand, such as a quiet room
            await page.locator(".line-model").nth(1).wait_for()
            await wait_for_state(page, "listening")
        await typing_works(page, "Hello")
        frames = len(wire.sent_frames)
        await page.context.grant_permissions(["microphone"])
        await page.click("#notice-action")
        await no_notice(page)
        await page.locator("#pause:not([hidden])").wait_for()
        if way == "manual":
            await page.locator("h1").click()
            await page.keyboard.down(" ")
        await until(lambda: len(wire.sent_frames) > frames)
        assert await live_tracks(page) == 1
        assert len(wire.urls) == 1


async def test_insecure_page(make_server):
    port = str(free_port())
    server = make_server(PORT=port, ALLOWED_HOSTS="voice.test,localhost", ALLOWED_ORIGINS=f"http://voice.test:{port}")
    async with open_page(*FAKE_MICROPHONE) as page:
        await page.goto(f"http://voice.test:{server.port}")
        await page.click("#start")
        await notice(page, "https://")
        await wait_for_state(page, "error")
        await typing_works(page)
        await page.locator("body[data-state=listening]").wait_for()  # nothing is heard, and nobody waits for it
        await page.click("#camera")
        await notice(page, "https://")
        await typing_works(page, "Hello")


async def test_browser_without_worklets(server):
    without = "delete BaseAudioContext.prototype.audioWorklet;"
    async with open_faulty(script=without, tap=False) as page:
        await open_voice_page(page, server)
        await page.click("#start")
        await notice(page, "This browser cannot carry a voice conversation")
        await wait_for_state(page, "error")
        assert await live_tracks(page) == 0
        await typing_works(page)


async def test_dead_microphone(server, tmp_path):
    wave = write_wave(tmp_path / "zeros.wav", silence(60))
    async with open_page(microphone=wave) as page:
        await open_voice_page(page, server)
        await page.click("#start")
        await notice(page, "We hear nothing", "Settings")
        await press_settings(page)
        await typing_works(page)


async def test_microphone_that_wakes_up_takes_the_warning_away(server, tmp_path):
    wave = write_wave(tmp_path / "late.wav", silence(6), speak("What's the weather in New York?"), silence(60))
    async with open_page(microphone=wave) as page:
        await open_voice_page(page, server)
        await page.click("#start")
        await notice(page, "We hear nothing", "Settings")
        await no_notice(page)


async def test_headset_that_sounds_like_a_telephone(server):
    named = """
    Object.defineProperty(MediaStreamTrack.prototype, "label", { get: () => "Headset (WH-1000XM4 Hands-Free)" });
    """
    async with open_faulty(script=named) as page:
        await open_voice_page(page, server)
        await page.click("#start")
        await notice(page, "sound like a telephone", "Settings")
        await wait_for_state(page, "listening")
        await press_settings(page)
        await typing_works(page)
        await page.click("#notice-close")
        await page.click("#end")
        await page.click("#start")
        await wait_for_state(page, "listening")
        await no_notice(page)  # told once


async def test_sound_that_the_browser_holds_back(server):
    """Nobody has touched the page: a script writes, as an extension may. Nor may the test before the notice is there:
    what Playwright asks the page counts as a touch."""
    written = """
    addEventListener("load", () => {
      const notice = document.getElementById("notice");
      new MutationObserver(() => notice.hidden || console.log("told")).observe(notice, { attributes: true });
      setTimeout(() => {
        document.getElementById("text").value = "Tell me a long story";
        document.getElementById("composer").requestSubmit();
      });
    });
    """
    async with open_page(script=written) as page:
        async with page.expect_console_message(lambda said: said.text == "told"):
            await open_voice_page(page, server)
        await notice(page, "The browser holds the sound back", "Turn sound on")
        await page.locator(".line-model").first.wait_for()
        assert await loudest(page) == 0
        await page.click("#notice-action")
        await no_notice(page)
        await wait_for_state(page, "speaking")
        await until_in(page, "tap.loudest(0) > 0.05")
        await typing_works(page)
