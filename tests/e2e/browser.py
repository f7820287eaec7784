"""A real Chromium with a fake microphone, and a tap on what reaches its loudspeaker."""

import asyncio
import base64
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np
from playwright.async_api import Browser, Error, Page, Playwright, async_playwright

from tests.programs import require_program
from tests.waiting import GIVE_UP_SECONDS

DISABLED_FEATURES = [
    # Playwright's own list, which the switch below replaces.
    "AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding", "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect", "OptimizationHints", "NetworkTimeServiceQuerying", "AimEnabled",
    "PreconnectToSearch",
    # Pages of the address bar, which nobody sees: two thirds of the processor time of a new context (1.0 s to 0.3 s).
    "WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "OmniboxAimPopup", "WebUIOmniboxFullPopup",
]  # fmt: skip
ARGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--host-resolver-rules=MAP voice.test 127.0.0.1",
    f"--disable-features={','.join(DISABLED_FEATURES)}",
]  # fmt: skip
FAKE_MICROPHONE = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
DENIED_MICROPHONE = ["--use-fake-ui-for-media-stream=deny", "--use-fake-device-for-media-stream"]
NO_MICROPHONE = ["--use-fake-ui-for-media-stream"]

QUANTUM = 128  # samples

# Hears what the last node before `destination` plays; never asks the page's own counters. The samples of each quantum
# come by a MessagePort with the context's time at their beginning.
TAP_WORKLET = """
registerProcessor("tap", class extends AudioWorkletProcessor {
  process([[samples]]) {
    if (samples) this.port.postMessage({ at: currentTime, samples: samples.slice() });
    return true;
  }
});
"""
TAP = """
(() => {
  window.tap = { quanta: [], context: null };
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode) {
      const { context } = this;
      window.tap.context = context;
      context.audioWorklet.addModule("/tap.js").then(
        () => {
          const node = new AudioWorkletNode(context, "tap", { numberOfOutputs: 0 });
          node.port.onmessage = ({ data }) => window.tap.quanta.push(data);
          connect.call(this, node);
        },
        (error) => { if (context.state !== "closed") throw error; },
      );
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


class Browsers:
    """The Chromiums of a test run: one for each set of switches, started when a test first needs it and kept.

    A test has a context of its own in one of them, with its own storage, cookies and permissions. What the fake
    microphone plays is a switch, and so a matter of the whole browser: all that have a microphone file read the same
    path, which `microphone` overwrites. Chromium reads the file when a page opens the microphone.
    """

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._running: dict[tuple[str, ...], Browser] = {}
        self._folder: tempfile.TemporaryDirectory | None = None

    @property
    def _microphone(self) -> Path:
        assert self._folder, "No page was opened yet."
        return Path(self._folder.name) / "microphone.wav"

    def speak(self, wave: Path) -> None:
        """The fake microphone plays that file once, from its next opening on."""
        shutil.copyfile(wave, self._microphone.with_suffix(".new"))
        self._microphone.with_suffix(".new").replace(self._microphone)  # one that is being read stays as it is

    async def get(self, switches: list[str], microphone: Path | None) -> Browser:
        """A browser with these switches, whose microphone plays that wave file."""
        if self._playwright is None:
            self._playwright = await async_playwright().start()
            self._folder = tempfile.TemporaryDirectory(prefix="gemlive-microphone-")
        if microphone:
            self.speak(microphone)
            switches = [*switches, f"--use-file-for-fake-audio-capture={self._microphone}%noloop"]
        browser = self._running.get(tuple(switches))
        if browser is None or not browser.is_connected():
            browser = await self._playwright.chromium.launch(executable_path=chromium(), args=[*ARGS, *switches])
            self._running[tuple(switches)] = browser
        return browser

    async def close(self) -> None:
        for browser in self._running.values():
            await browser.close()
        self._running.clear()
        if self._playwright:
            await self._playwright.stop()
            self._folder.cleanup()
            self._playwright = None


browsers = Browsers()


@asynccontextmanager
async def open_page(
    *switches: str, microphone: Path | None = None, tap: bool = True, script: str = "", **options
) -> AsyncIterator[Page]:
    """A page in a fresh context. A script error, or a breach of the content security policy, fails the test.

    Args:
        switches: Chromium's switches on top of ARGS; a fake microphone if none.
        microphone: wave file that the fake microphone plays once.
        script: runs before the page's own, to change what the browser offers.
        options: Playwright's `new_context` options.
    """
    browser = await browsers.get(list(switches or FAKE_MICROPHONE), microphone)
    errors: list[str] = []
    context = await browser.new_context(**options)
    try:
        context.set_default_timeout(GIVE_UP_SECONDS * 1000)
        page = await context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if "Content Security" in said.text else None)
        if tap:
            await tap_page(page)
        if script:
            await page.add_init_script(script)
        try:
            yield page
        except BaseException:
            with suppress(Error):  # the page may be gone, or have no body yet
                print(await page.inner_text("body", timeout=1000))
            raise
    finally:
        await context.close()
    assert not errors, errors


async def tap_page(page: Page) -> None:
    """Before it goes anywhere: what it plays is kept for `heard` and `loudest`."""
    await _serve_tap(page)
    await page.add_init_script(TAP)


async def _serve_tap(page: Page) -> None:
    """The tap's module, on the page's own origin: its content security policy knows no other, and no blob."""
    # Playwright's own routes do not see what worklets load.
    network = await page.context.new_cdp_session(page)

    async def answer(paused: dict) -> None:
        script = {"name": "Content-Type", "value": "text/javascript"}
        body = base64.b64encode(TAP_WORKLET.encode()).decode()
        with suppress(Error):  # the page may have closed its audio meanwhile
            await network.send(
                "Fetch.fulfillRequest",
                {"requestId": paused["requestId"], "responseCode": 200, "responseHeaders": [script], "body": body},
            )

    network.on("Fetch.requestPaused", answer)
    await network.send("Fetch.enable", {"patterns": [{"urlPattern": "*/tap.js"}]})


async def heard(page: Page, since: float = 0.0) -> np.ndarray:
    """What reached the loudspeaker since `since` (seconds of the output context's clock), as floats at its rate."""
    quanta = "(since) => tap.quanta.filter((quantum) => quantum.at < since).length"
    before = await page.evaluate(quanta, since)
    return np.frombuffer(base64.b64decode(await page.evaluate("() => tap.bytes()")), np.float32)[QUANTUM * before :]


async def output(page: Page) -> dict | None:
    """State, rate (Hz) and clock (s) of the context that plays to the loudspeaker; None if there is none."""
    look = "({ context }) => context && { state: context.state, rate: context.sampleRate, at: context.currentTime }"
    return await page.evaluate(f"() => ({look})(tap)")


async def play_on(page: Page, seconds: float) -> None:
    """Returns when the loudspeaker has had that much more time, by its own clock."""
    now = await output(page)
    assert now, "Nothing is connected to the loudspeaker."
    due = now["at"] + seconds
    deadline = time.monotonic() + seconds + GIVE_UP_SECONDS
    while now["at"] < due:
        assert time.monotonic() < deadline, f"The loudspeaker's clock stands at {now['at']} s: it is {now['state']}."
        await asyncio.sleep(0.05)
        now = await output(page)


async def loudest(page: Page, since: float = 0.0) -> float:
    """The loudest sample since `since` (seconds of the output context's clock)."""
    return await page.evaluate("(since) => tap.loudest(since)", since)


async def wait_for_state(page: Page, *states: str, timeout: float = GIVE_UP_SECONDS) -> None:
    # Not wait_for_function: it evaluates a string, which a strict content security policy forbids.
    wanted = ", ".join(f'body[data-state="{state}"]' for state in states)
    await page.locator(wanted).wait_for(timeout=timeout * 1000)
