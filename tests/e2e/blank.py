"""A blank page in which one module of the voice page is tried alone, under a strict content security policy."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Page

from tests.waiting import GIVE_UP_SECONDS

from .browser import open_page
from .static_server import serve

STATIC = Path(__file__).parents[2] / "static"
HEAD = """<!doctype html><html lang="en"><meta http-equiv="Content-Security-Policy" content="default-src 'self'">"""


@asynccontextmanager
async def open_blank(*args: str, body: str = "", host: str = "127.0.0.1", script: str = "", **options) -> AsyncIterator:
    """A page whose origin serves static/.

    Args:
        args: Chromium's switches, as `open_page` takes them.
        body: markup of the page.
        host: name by which the page is reached.
        script: runs before the page's own, to change what the browser offers.
    """
    with serve(STATIC) as origin:
        async with open_page(*args, tap=False, script=script, **options) as page:
            await page.goto(f"{origin.replace('127.0.0.1', host)}/img/")
            await page.set_content(HEAD + body)
            yield page


async def until_in(page: Page, expression: str, *, timeout: float = GIVE_UP_SECONDS):
    """Polls the page until `expression` is true; returns what it gave."""
    deadline = time.monotonic() + timeout
    while not (value := await page.evaluate(f"() => {expression}")):
        assert time.monotonic() < deadline, f"It did not come true in time: {expression}"
        await page.evaluate("() => new Promise(requestAnimationFrame)")
    return value
