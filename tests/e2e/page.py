"""What tests do on the voice page, and what they read from it."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from playwright.async_api import Page, WebSocket

from tests.server import Server
from tests.waiting import GIVE_UP_SECONDS

DRAWN = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"


class Wire:
    """What went over the page's WebSocket, as the browser's own network layer saw it."""

    def __init__(self, page: Page):
        self.sent_frames: list[tuple[float, bytes]] = []
        self.sent: list[dict] = []
        self.received_audio: list[bytes] = []
        self.received: list[dict] = []
        self.order: list[str | bytes] = []
        """What was sent, frames and the types of messages as they came; "open" for each new socket."""
        self.urls: list[str] = []
        page.on("websocket", self._opened)

    @property
    def session_id(self) -> str:
        return self.urls[-1].partition("sessionId=")[2]

    def _opened(self, socket: WebSocket) -> None:
        self.urls.append(socket.url)
        self.order.append("open")
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _sent(self, payload: str | bytes) -> None:
        if isinstance(payload, bytes):
            self.sent_frames.append((time.monotonic(), payload))
            self.order.append(payload)
        else:
            message = json.loads(payload)
            self.sent.append(message)
            self.order.append(message["type"])

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


async def choose(page: Page, **choices: str | bool) -> None:
    """Saves these choices in the settings, as their user does."""
    await page.click("#open-settings")
    for name, choice in choices.items():
        field = page.locator(f"#settings [name={name}]")
        if isinstance(choice, bool):
            await field.set_checked(choice)
        elif await field.evaluate("(field) => field.tagName") == "SELECT":
            await field.select_option(choice)
        else:
            await field.fill(choice)
    await page.get_by_role("button", name="Save").click()


async def tool_card(page: Page, name: str, *, status: str = "done", timeout: float = GIVE_UP_SECONDS) -> dict[str, Any]:
    """The card of the newest call of that tool, once it has come to `status`: its arguments, and result or error."""
    card = page.locator(f".tool details[data-status={status}]", has=page.get_by_text(name, exact=True)).last
    await card.wait_for(timeout=timeout * 1000)
    terms = await card.locator("dt").all_text_contents()
    values = await card.locator("dd:not(.tool-copy)").all_text_contents()
    return {
        term.lower(): json.loads(value) if value.lstrip().startswith(("{", "[")) else value
        for term, value in zip(terms, values, strict=True)
    }


async def lines(page: Page, *, speaker: str) -> list[str]:
    """What one side said: "user" or "model"."""
    return await page.locator(f".line-{speaker} p").all_text_contents()


async def until(condition: Callable[[], Any], what: str = "it happens") -> Any:
    """Poll a process outside until `condition` is true; return what it gave. `what` stands in the failure."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, f"Not within {GIVE_UP_SECONDS:g} s: {what}"
        await asyncio.sleep(0.02)
    return value
