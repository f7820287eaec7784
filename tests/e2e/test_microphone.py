"""The microphone is proved where Gemini stands: what arrives there is the wave that was spoken into it."""

from pathlib import Path

import numpy as np
import pytest
import soxr

from .browser import open_page
from .far_end import FarEnd
from .page import open_voice_page, until
from .sound import MICROPHONE_RATE, likeness, loudness_likeness, samples, silence, speak, write_wave

RATE = 16_000
PAUSE = 0.5  # seconds; too short for the emulator to answer
# Two, so that canned audio cannot pass.
SENTENCES = ["What's the weather in New York?", "Get analytics for the last week"]

# Echo cancellation, noise suppression and gain control bend the wave.
WITHOUT_PROCESSING = """
const ask = MediaDevices.prototype.getUserMedia;
MediaDevices.prototype.getUserMedia = function (wanted) {
  const off = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  return ask.call(this, { ...wanted, audio: { ...wanted.audio, ...off } });
};
"""
# The rate at which the browser really captures.
WATCH_RATE = """
const listen = AudioContext.prototype.createMediaStreamSource;
AudioContext.prototype.createMediaStreamSource = function (stream) {
  window.captureRate = this.sampleRate;
  return listen.call(this, stream);
};
"""
BROWSERS = {
    "that cannot choose the rate": """
const supported = MediaDevices.prototype.getSupportedConstraints;
MediaDevices.prototype.getSupportedConstraints = function () {
  return { ...supported.call(this), sampleRate: false };
};
""",
    "that insists on the microphone's rate, as Firefox does": """
const make = AudioContext.prototype.createMediaStreamSource;
AudioContext.prototype.createMediaStreamSource = function (stream) {
  if (this.sampleRate === 16000) throw new DOMException("The rates differ.", "NotSupportedError");
  return make.call(this, stream);
};
""",
}


def repeat(spoken: bytes, folder: Path) -> Path:
    """A wave that says it again and again, so that it does not matter how long the page takes to connect."""
    return write_wave(folder / "spoken.wav", *[spoken, silence(PAUSE)] * 20)


async def speak_into(page, server, far_end: FarEnd, spoken: bytes) -> np.ndarray:
    """What arrived at the far end: all of it once, at 48 kHz as the wave is. Frames and pace are as they must be."""
    wire = await open_voice_page(page, server)
    await page.click("#start")
    size = int(2 * len(samples(spoken)) * RATE / MICROPHONE_RATE + PAUSE * RATE) * 2
    await until(lambda: len(far_end.received) >= size, "enough sound arrives")
    # Longer on a machine that is busy, where a frame comes late: the longer, the less that weighs.
    await until(lambda: far_end.pace == pytest.approx(1, rel=0.03), "sound comes at the pace of the wall clock")
    received = far_end.received
    sent = await until(lambda: len(all := b"".join(frame for _, frame in wire.sent_frames)) >= len(received) and all)
    assert {len(frame) for _, frame in wire.sent_frames} == {1024}
    assert sent.startswith(received)
    assert np.abs(samples(received)).max() > 0.2
    return soxr.resample(samples(received), RATE, MICROPHONE_RATE)


@pytest.mark.parametrize("sentence", SENTENCES)
async def test_gemini_hears_the_very_wave(sentence, server, far_end, tmp_path):
    spoken = speak(sentence, loudness=0.75)
    async with open_page(microphone=repeat(spoken, tmp_path)) as page:
        await page.add_init_script(WITHOUT_PROCESSING)
        received = await speak_into(page, server, far_end, spoken)
    assert likeness(samples(spoken), received, MICROPHONE_RATE) >= 0.95


@pytest.mark.parametrize("sentence", SENTENCES)
async def test_the_browsers_processing_leaves_the_course_of_its_loudness(sentence, server, far_end, tmp_path):
    spoken = speak(sentence)
    async with open_page(microphone=repeat(spoken, tmp_path)) as page:
        received = await speak_into(page, server, far_end, spoken)
    assert loudness_likeness(samples(spoken), received, MICROPHONE_RATE) >= 0.90


@pytest.mark.parametrize("browser", BROWSERS)
async def test_a_microphone_with_a_rate_of_its_own_is_resampled(browser, server, far_end, tmp_path):
    spoken = speak(SENTENCES[0], loudness=0.75)
    async with open_page(microphone=repeat(spoken, tmp_path)) as page:
        for script in (WATCH_RATE, BROWSERS[browser], WITHOUT_PROCESSING):
            await page.add_init_script(script)
        received = await speak_into(page, server, far_end, spoken)
        assert await page.evaluate("() => captureRate") in (44_100, 48_000)
    assert likeness(samples(spoken), received, MICROPHONE_RATE) >= 0.95
