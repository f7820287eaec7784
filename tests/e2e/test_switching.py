"""Another microphone, speaker or camera in the midst of a conversation; and what comes and goes while one chooses."""

from .blank import until_in
from .browser import open_page, wait_for_state
from .page import open_voice_page, type_message, until
from .streams import KEEP_STREAMS, live_tracks

TWO_OF_EACH = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream=device-count=2"]
# When each frame left the page, in ms of the clock that makes them, which is late itself where the machine is.
NOTE_FRAMES = """
window.frames_at = [];
const listen = AudioContext.prototype.createMediaStreamSource;
AudioContext.prototype.createMediaStreamSource = function (stream) {
  window.listening = this;
  return listen.call(this, stream);
};
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (message) {
  if (typeof message !== "string") window.frames_at.push(1000 * window.listening.currentTime);
  return send.call(this, message);
};
"""
FRAME = 32  # ms


async def pick(page, field: str, label: str) -> str:
    """Saves another device; its id."""
    await page.click("#open-settings")
    select = page.locator(f"#settings [name={field}]")
    await select.locator("option", has_text=label).wait_for(state="attached")
    (chosen,) = await select.select_option(label=label)
    await page.get_by_role("button", name="Save").click()
    return chosen


async def test_microphone_and_speaker_change_without_a_gap(server):
    async with open_page(*TWO_OF_EACH) as page:
        for script in (KEEP_STREAMS, NOTE_FRAMES):
            await page.add_init_script(script)
        wire = await open_voice_page(page, server)
        await page.click("#start")
        await wait_for_state(page, "listening")
        await until(lambda: len(wire.sent_frames) > 10)
        before = await page.evaluate("() => frames_at.length")
        first = await page.evaluate("() => streams[0].getAudioTracks()[0].getSettings().deviceId")
        label = "Fake Audio Input 2"
        chosen = await pick(page, "microphone", label)
        assert chosen != first
        await until_in(page, "streams.length === 2 && !streams[0].active")
        switched = len(wire.sent_frames)
        await until(lambda: len(wire.sent_frames) > switched + 25)
        assert await live_tracks(page) == [False, True]
        opened = "() => streams.at(-1).getAudioTracks()[0].getSettings().deviceId"
        assert await page.evaluate(opened) == chosen
        # A busy page sends some late; a gap would make all that follow late.
        late = [at - FRAME * number for number, at in enumerate(await page.evaluate("() => frames_at"))]
        assert min(late[-20:]) - min(late[:before]) < 100

        speaker = await pick(page, "speaker", "Fake Audio Output 2")
        # The dialog is closed at once; the context changes its output when the browser has opened the other one.
        assert await until_in(page, f'tap.context.sinkId === "{speaker}"')
        await type_message(page, "Who are you?")
        await wait_for_state(page, "speaking")
        assert len(wire.urls) == 1  # devices are no business of the server's
        assert await live_tracks(page) == [False, True]


# What the browser lists, and the event, under the test's control.
LISTED = """
const enumerate = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
window.unplugged = "";
window.plugged = [];
navigator.mediaDevices.enumerateDevices = async () =>
  [...(await enumerate()).filter(({ label }) => label !== window.unplugged), ...window.plugged];
window.plug = (plugged, unplugged = "") => {
  Object.assign(window, { plugged, unplugged });
  navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
};
"""


async def test_lists_follow_what_is_plugged_in_and_the_choice_stays(server):
    async with open_page(*TWO_OF_EACH) as page:
        for script in (KEEP_STREAMS, LISTED):
            await page.add_init_script(script)
        await open_voice_page(page, server)
        await page.click("#start")
        await wait_for_state(page, "listening")
        chosen = await pick(page, "microphone", "Fake Audio Input 2")
        await until_streams(page, 2)
        await page.click("#open-settings")
        microphone = page.locator("#settings [name=microphone]")
        await microphone.locator("option", has_text="Fake Audio Input 1").wait_for(state="attached")
        assert await microphone.input_value() == chosen
        other = await microphone.locator("option", has_text="Fake Audio Input 1").get_attribute("value")

        # Not saved yet, and not forgotten when another device comes.
        await microphone.select_option(other)
        await page.evaluate(
            "() => plug([{ kind: 'audioinput', deviceId: 'bt', label: 'Car Hands-Free', groupId: '' }])"
        )
        await microphone.locator("option", has_text="Car Hands-Free").wait_for(state="attached")
        assert await microphone.input_value() == other
        assert not await page.locator("#hands-free").is_visible()
        await microphone.select_option("bt")
        assert await page.locator("#hands-free").is_visible()
        await page.click("#settings-cancel")

        # The chosen one is unplugged: the choice stands for the day when it is back.
        await page.evaluate("() => plug([], 'Fake Audio Input 2')")
        await page.click("#open-settings")
        await microphone.locator("option", has_text="The one chosen before").wait_for(state="attached")
        assert await microphone.input_value() == chosen
        await page.get_by_role("button", name="Save").click()
        stored = await page.evaluate("() => JSON.parse(localStorage.getItem('gemlive.settings')).microphone")
        assert stored == chosen


async def until_streams(page, count: int) -> None:
    while len(await live_tracks(page)) < count:
        await page.evaluate("() => new Promise(requestAnimationFrame)")
