"""What tests do on the voice page, and what they read from it."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from playwright.async_api import Page, WebSocket

from tests.server import Server


class Wire:
    """What went over the page's WebSocket, as the browser's own network layer saw it."""

    def __init__(self, page: Page):
        self.sent_frames: list[tuple[float, bytes]] = []
        self.sent: list[dict] = []
        self.received_audio: list[bytes] = []
        self.received: list[dict] = []
        self.urls: list[str] = []
        page.on("websocket", self._opened)

    @property
    def session_id(self) -> str:
        return self.urls[-1].partition("sessionId=")[2]

    def _opened(self, socket: WebSocket) -> None:
        self.urls.append(socket.url)
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _sent(self, payload: str | bytes) -> None:
        if isinstance(payload, bytes):
            self.sent_frames.append((time.monotonic(), payload))
        else:
            self.sent.append(json.loads(payload))

    def _received(self, payload: str | bytes) -> None:
        if isinstance(payload, bytes):
            self.received_audio.append(payload)
        else:
            self.received.append(json.loads(payload))


async def open_voice_page(page: Page, server: Server) -> Wire:
    wire = Wire(page)
    await page.goto(server.url)
    return wire


async def type_message(page: Page, text: str) -> None:
    await page.fill("#text", text)
    await page.press("#text", "Enter")


async def tool_card(page: Page, name: str, *, status: str = "done", timeout: float = 20) -> dict[str, Any]:
    """The card of the newest call of that tool, once it has come to `status`: its arguments, and result or error."""
    card = page.locator(f".tool details[data-status={status}]", has=page.get_by_text(name, exact=True)).last
    await card.wait_for(timeout=timeout * 1000)
    terms = await card.locator("dt").all_text_contents()
    values = await card.locator("dd").all_text_contents()
    return {
        term.lower(): json.loads(value) if value.lstrip().startswith(("{", "[")) else value
        for term, value in zip(terms, values, strict=True)
    }


async def lines(page: Page, *, speaker: str) -> list[str]:
    """What one side said: "user" or "model"."""
    return await page.locator(f".line-{speaker} p").all_text_contents()


async def until(condition: Callable[[], Any], *, timeout: float = 10) -> Any:
    """Polls a process outside until `condition` is true; returns what it gave."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, "It did not happen in time."
        await asyncio.sleep(0.05)
    return value
