"""What the page's loudspeaker got and what its network layer got, both on the page's own clock.

Milliseconds are those of `performance.now()`.
"""

import base64
import json
from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from playwright.async_api import CDPSession, Page

from .page_figures import Sound, Turn

HERE = Path(__file__).parent


@dataclass
class Tap:
    """The sounds heard so far, and what was recorded: frame → samples."""

    page: Page
    devtools: CDPSession
    sounds: list[Sound] = field(default_factory=list)
    blocks: dict[int, np.ndarray] = field(default_factory=dict)
    _began: dict | None = None

    async def install(self) -> None:
        """Before the page is opened. The module comes from the page's own origin, as its CSP may demand."""
        # Playwright's routes do not see what worklets load.
        await self.devtools.send("Fetch.enable", {"patterns": [{"urlPattern": "*/page-tap-worklet.js"}]})
        self.devtools.on("Fetch.requestPaused", self._serve)
        await self.page.add_init_script(path=HERE / "page_tap.js")

    async def _serve(self, paused: dict) -> None:
        answer = {
            "requestId": paused["requestId"],
            "responseCode": 200,
            "responseHeaders": [{"name": "Content-Type", "value": "text/javascript"}],
            "body": base64.b64encode((HERE / "page_tap_worklet.js").read_bytes()).decode(),
        }
        await self.devtools.send("Fetch.fulfillRequest", answer)

    async def take(self) -> None:
        taken = await self.page.evaluate("() => pageTap.take()")
        for edge in taken["edges"]:
            if edge["sounds"]:
                self._began = edge
            elif self._began:
                self.sounds.append(Sound(self._began["frame"], edge["frame"], self._began["at"], edge["at"]))
                self._began = None
        for block in taken["blocks"]:
            self.blocks[block["frame"]] = np.frombuffer(base64.b64decode(block["samples"]), np.float32)

    async def record(self, whether: bool) -> None:
        await self.page.evaluate("(whether) => pageTap.record(whether)", whether)

    async def output(self) -> dict | None:
        return await self.page.evaluate("() => pageTap.output()")

    def recorded(self, first: int, last: int) -> np.ndarray:
        """From frame `first` to before `last`, or to the end of the recording; empty if it was not recorded."""
        frames = sorted(self.blocks)
        at = bisect_left(frames, first + 1) - 1
        if at < 0:
            return np.empty(0, np.float32)
        samples = np.concatenate([self.blocks[frame] for frame in frames[at:]])
        return samples[first - frames[at] : last - frames[at]]


class Arrivals:
    """What came over the page's WebSocket, turn by turn, as DevTools tell it."""

    def __init__(self, devtools: CDPSession):
        self.turns: list[Turn] = []
        self._devtools = devtools
        self._origin = 0.0
        self._frames = 0

    async def listen(self) -> None:
        """Once the page is open and before its WebSocket is."""
        await self._devtools.send("Performance.enable")
        metrics = (await self._devtools.send("Performance.getMetrics"))["metrics"]
        # The zero of performance.now() on the monotonic clock, which is that of `timestamp` and of time.monotonic().
        self._origin = next(metric["value"] for metric in metrics if metric["name"] == "NavigationStart")
        self._devtools.on("Network.webSocketFrameReceived", self._received)
        await self._devtools.send("Network.enable")

    def milliseconds(self, monotonic: float) -> float:
        return 1000 * (monotonic - self._origin)

    def were_sent(self, seconds: list[float]) -> None:
        """When the server sent each binary frame (time.monotonic)."""
        for turn in self.turns:
            if turn.arrived is not None:
                turn.sent = self.milliseconds(seconds[turn.frame])

    def _received(self, event: dict) -> None:
        at, frame = self.milliseconds(event["timestamp"]), event["response"]
        if frame["opcode"] == 2:
            if self.turns:
                self.turns[-1].add(at, self._frames, base64.b64decode(frame["payloadData"]))
            self._frames += 1
            return
        message = json.loads(frame["payloadData"])
        data = message.get("data") or {}
        if message["type"] == "turn" and data["state"] == "started":
            self.turns.append(Turn())
        elif message["type"] == "audio" and data.get("interrupt") and self.turns and self.turns[-1].arrived:
            self.turns[-1].cut = at
