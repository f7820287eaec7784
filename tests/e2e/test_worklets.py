"""The two worklets alone, in a real Chromium, rendered offline: exact samples, no clock."""

from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from .browser import open_page
from .sound import find
from .static_server import serve

STATIC = Path(__file__).parents[2] / "static"

RENDER_CAPTURE = """
async ({ rate, frequency, seconds }) => {
  const context = new OfflineAudioContext(1, rate * seconds, rate);
  await context.audioWorklet.addModule("/js/worklets/capture_worklet.js");
  const node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
  const frames = [];
  node.port.onmessage = ({ data }) => frames.push(Array.from(new Int16Array(data.buffer)));
  const source = new OscillatorNode(context, { frequency });
  const gain = new GainNode(context, { gain: 0.5 });
  source.connect(gain).connect(node);
  source.start();
  await context.startRendering();
  await new Promise((resolve) => setTimeout(resolve)); // the last messages are behind this task
  return frames;
}
"""

# Each step is [time in s, message]; between two steps the context is suspended, so that they fall on exact quanta.
RENDER_PLAYBACK = """
async ({ seconds, steps, from = 0 }) => {
  const rate = 24000;
  const context = new OfflineAudioContext(1, rate * seconds, rate);
  await context.audioWorklet.addModule("/js/worklets/playback_worklet.js");
  const node = new AudioWorkletNode(context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
  const events = [];
  node.port.onmessage = ({ data }) => data.type === "level" || events.push(data);
  node.connect(context.destination);
  const post = ({ samples, times = 1, ...message }) => {
    for (let i = 0; i < times; i += 1) {
      if (samples) message.buffer = new Int16Array(samples).buffer;
      node.port.postMessage(message);
    }
  };
  for (const [at, ...messages] of steps) {
    if (at === 0) messages.forEach(post);
    else context.suspend(at).then(async () => {
      messages.forEach(post);
      await new Promise((resolve) => setTimeout(resolve, 20)); // the worklet's thread takes them in
      context.resume();
    });
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  const rendered = await context.startRendering();
  await new Promise((resolve) => setTimeout(resolve, 20));
  return { samples: Array.from(rendered.getChannelData(0).subarray(from * rate)), events };
}
"""


@pytest_asyncio.fixture(loop_scope="session")
async def page():
    with serve(STATIC) as origin:
        async with open_page(tap=False) as page:
            await page.goto(f"{origin}/img/icon.svg")
            yield page


def level_of(frames: list[list[int]]) -> float:
    """RMS in dB against full scale, without the filter's first moments."""
    sound = np.array(frames[4:], float).ravel() / 32768
    return 20 * np.log10(np.sqrt(np.mean(sound**2)) + 1e-9)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
async def test_capture_gives_16_khz_frames_of_512_samples(page, rate):
    frames = await page.evaluate(RENDER_CAPTURE, {"rate": rate, "frequency": 1000, "seconds": 2})
    assert {len(frame) for frame in frames} == {512}
    assert len(frames) == 2 * 16_000 // 512
    assert level_of(frames) == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.1)
    spectrum = np.abs(np.fft.rfft(np.array(frames[4:52], float).ravel()))
    assert np.argmax(spectrum) == pytest.approx(1000 * 48 * 512 / 16_000, abs=1)


@pytest.mark.parametrize("rate", [44_100, 48_000])
async def test_capture_lets_no_alias_through(page, rate):
    frames = await page.evaluate(RENDER_CAPTURE, {"rate": rate, "frequency": 10_000, "seconds": 1})
    assert level_of(frames) < -75


def ramp(count: int, start: int = 1) -> list[int]:
    return [(start + i) % 20_000 + 1 for i in range(count)]


def audio(turn: int, samples: list[int]) -> dict:
    return {"type": "audio", "turn": turn, "samples": samples}


def end(turn: int) -> dict:
    return {"type": "end", "turn": turn}


def without_silence(samples: list[float]) -> np.ndarray:
    sound = np.array(samples)
    return sound[np.flatnonzero(sound)[0] : np.flatnonzero(sound)[-1] + 1]


async def test_reply_is_played_whole_and_counted(page):
    sent = ramp(24_000)
    steps = [[0, *(audio(1, sent[i : i + 960]) for i in range(0, 24_000, 960)), end(1)]]
    result = await page.evaluate(RENDER_PLAYBACK, {"seconds": 2, "steps": steps})
    played = without_silence(result["samples"])[:24_000]
    assert np.array_equal(played * 32768, sent)
    assert result["events"] == [
        {"type": "started", "turn": 1, "played": 0},
        {"type": "ended", "turn": 1, "played": 24_000},
    ]


async def test_reply_waits_for_the_prebuffer(page):
    steps = [[0, audio(1, ramp(960))], [0.512, audio(1, ramp(960))]]  # 2 × 40 ms
    result = await page.evaluate(RENDER_PLAYBACK, {"seconds": 1, "steps": steps})
    assert np.flatnonzero(result["samples"])[0] == pytest.approx(0.512 * 24_000, abs=256)


async def test_reply_shorter_than_the_prebuffer_is_played_at_its_end(page):
    result = await page.evaluate(RENDER_PLAYBACK, {"seconds": 1, "steps": [[0, audio(1, ramp(240))], [0.256, end(1)]]})
    assert {"type": "ended", "turn": 1, "played": 240} in result["events"]
    assert np.array_equal(without_silence(result["samples"])[:240] * 32768, ramp(240))


async def test_flush_is_silent_after_5_ms_and_counts_every_sample(page):
    steps = [[0, audio(1, ramp(24_000))], [0.512, {"type": "flush"}]]
    result = await page.evaluate(RENDER_PLAYBACK, {"seconds": 2, "steps": steps})
    (flushed,) = (event for event in result["events"] if event["type"] == "flushed")
    assert flushed["played"] + flushed["dropped"] == 24_000
    assert flushed["played"] == pytest.approx(0.512 * 24_000 + 120, abs=256)
    assert np.flatnonzero(result["samples"])[-1] <= 0.512 * 24_000 + 120 + 128
    assert "ended" not in {event["type"] for event in result["events"]}


async def test_next_turn_after_a_flush_is_played_whole(page):
    steps = [[0, audio(1, ramp(24_000))], [0.512, {"type": "flush"}, audio(2, ramp(240, 5000)), end(2)]]
    result = await page.evaluate(RENDER_PLAYBACK, {"seconds": 2, "steps": steps})
    assert np.isin(ramp(240, 5000), np.array(result["samples"]) * 32768).all()
    assert result["events"][-1] == {"type": "ended", "turn": 2, "played": 240}


async def test_underrun_waits_for_more_than_before_and_loses_nothing(page):
    steps = [[0, audio(1, ramp(2400))], [0.512, audio(1, ramp(2400))], [1.024, audio(1, ramp(2400)), end(1)]]
    result = await page.evaluate(RENDER_PLAYBACK, {"seconds": 2, "steps": steps})
    assert [event["type"] for event in result["events"]] == ["started", "underrun", "ended"]
    assert result["events"][-1]["played"] == 7200
    # 100 ms are less than 80 ms × 1.5: the second piece waits for the third.
    sound = np.array(result["samples"])
    assert not sound[int(0.52 * 24_000) : int(1.02 * 24_000)].any()


async def test_two_turns_are_played_one_after_the_other(page):
    steps = [[0, audio(1, ramp(4800)), end(1), audio(2, ramp(4800)), end(2)]]
    result = await page.evaluate(RENDER_PLAYBACK, {"seconds": 1, "steps": steps})
    assert [(event["type"], event["turn"]) for event in result["events"]] == [
        ("started", 1), ("ended", 1), ("started", 2), ("ended", 2),
    ]  # fmt: skip


async def test_more_than_two_minutes_ahead_lose_nothing(page):
    second = np.random.default_rng(1).integers(-20_000, 20_000, 24_000).tolist()
    steps = [[0, {**audio(1, second), "times": 130}, end(1)]]
    result = await page.evaluate(RENDER_PLAYBACK, {"seconds": 131, "from": 125, "steps": steps})
    assert {"type": "ended", "turn": 1, "played": 130 * 24_000} in result["events"]
    position = find(np.array(second[:2000], float), np.array(result["samples"][:26_000]))
    assert np.array_equal(np.array(result["samples"][position : position + 24_000]) * 32768, second)
