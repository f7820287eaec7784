"""A real Chromium with a fake microphone, and a tap on what reaches its loudspeaker."""

import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from playwright.async_api import Page, async_playwright

from tests.programs import require_program

ARGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
FAKE_MICROPHONE = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
DENIED_MICROPHONE = ["--use-fake-ui-for-media-stream=deny", "--use-fake-device-for-media-stream"]
NO_MICROPHONE = ["--use-fake-ui-for-media-stream"]

# Hears what the last node before `destination` plays; never asks the page's own counters. The samples of each quantum
# come by a MessagePort with the context's time at their beginning.
TAP = """
(() => {
  const worklet = URL.createObjectURL(new Blob([`
    registerProcessor("tap", class extends AudioWorkletProcessor {
      process([[samples]]) {
        if (samples) this.port.postMessage({ at: currentTime, samples: samples.slice() });
        return true;
      }
    });`], { type: "text/javascript" }));
  window.tap = { quanta: [], context: null };
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode) {
      window.tap.context = this.context;
      this.context.audioWorklet.addModule(worklet).then(() => {
        const node = new AudioWorkletNode(this.context, "tap", { numberOfOutputs: 0 });
        node.port.onmessage = ({ data }) => window.tap.quanta.push(data);
        connect.call(this, node);
      });
    }
    return connect.call(this, to, ...rest);
  };
  window.tap.loudest = (since) =>
    Math.max(0, ...window.tap.quanta.filter((q) => q.at >= since).map((q) => Math.max(...q.samples.map(Math.abs))));
  window.tap.bytes = () => {
    const all = new Float32Array(window.tap.quanta.reduce((sum, q) => sum + q.samples.length, 0));
    let at = 0;
    for (const { samples } of window.tap.quanta) { all.set(samples, at); at += samples.length; }
    const bytes = new Uint8Array(all.buffer);
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(text);
  };
})();
"""


def chromium() -> str:
    """Debian's, or the one that CHROMIUM_PATH names."""
    return require_program("Chromium (apt install chromium, or set CHROMIUM_PATH)",
                           os.environ.get("CHROMIUM_PATH") or "chromium")  # fmt: skip


@asynccontextmanager
async def open_page(*args: str, microphone: Path | None = None, tap: bool = True, **options) -> AsyncIterator[Page]:
    """A page in a fresh Chromium. A script error of the page fails the test.

    Args:
        args: Chromium's switches on top of ARGS; a fake microphone if none.
        microphone: wave file that the fake microphone plays once.
        options: Playwright's `new_page` options.
    """
    executable = chromium()
    switches = [*ARGS, *(args or FAKE_MICROPHONE)]
    if microphone:
        switches.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    errors: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=switches)
        try:
            page = await browser.new_page(**options)
            page.on("pageerror", lambda error: errors.append(str(error)))
            if tap:
                await page.add_init_script(TAP)
            try:
                yield page
            except BaseException:
                print(await page.inner_text("body"))
                raise
        finally:
            await browser.close()
    assert not errors, errors


async def heard(page: Page) -> np.ndarray:
    """Everything that reached the loudspeaker so far, as floats at 24 kHz."""
    return np.frombuffer(base64.b64decode(await page.evaluate("() => tap.bytes()")), np.float32)


async def loudest(page: Page, since: float = 0.0) -> float:
    """The loudest sample since `since` (seconds of the output context's clock)."""
    return await page.evaluate("(since) => tap.loudest(since)", since)


async def wait_for_state(page: Page, *states: str, timeout: float = 15) -> None:
    # Not wait_for_function: it evaluates a string, which a strict content security policy forbids.
    wanted = ", ".join(f'body[data-state="{state}"]' for state in states)
    await page.locator(wanted).wait_for(timeout=timeout * 1000)
