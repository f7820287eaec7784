"""The page fits, in every size, light and dark, empty and in use."""

import pytest

from .browser import DENIED_MICROPHONE, open_page
from .page import open_voice_page, tool_card, type_message

SIZES = [(320, 568), (390, 844), (740, 360), (1280, 800)]
OVERFLOWING = """
() => [...document.querySelectorAll("body *")]
  .filter((element) => !element.closest(".phrases, .visually-hidden, template, svg") && element.checkVisibility())
  .map((element) => [element.getBoundingClientRect(), element.outerHTML.slice(0, 100)])
  .filter(([box]) => box.right > innerWidth + 0.5 || box.left < -0.5)
  .map(([_, html]) => html)
"""
SMALL = """
() => [...document.querySelectorAll("button, summary, input")]
  .filter((element) => element.checkVisibility())
  .filter((element) => (element.closest("label") ?? element).getBoundingClientRect().height < 43.5)
  .map((element) => element.outerHTML.slice(0, 100))
"""


async def assert_fits(page, size) -> None:
    scroll = await page.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert scroll == list(size)
    assert await page.evaluate(OVERFLOWING) == []
    assert await page.evaluate(SMALL) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_page_fits(size, scheme, server):
    viewport = {"width": size[0], "height": size[1]}
    async with open_page(viewport=viewport, color_scheme=scheme) as page:
        await open_voice_page(page, server)
        await assert_fits(page, size)
        await type_message(page, "What's the weather in Tokyo?")
        await tool_card(page, "get_weather", status="failed")
        await assert_fits(page, size)
        # The whole of the newest line can be seen.
        room = await page.locator(".scroller").bounding_box()
        assert room["height"] >= 90


@pytest.mark.parametrize("size", [*SIZES, (1280, 640)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_page_fits_with_an_error(size, server):
    async with open_page(*DENIED_MICROPHONE, viewport={"width": size[0], "height": size[1]}) as page:
        await open_voice_page(page, server)
        await page.click("#start")
        await page.locator("#notice").wait_for()
        await assert_fits(page, size)
        stage = await page.locator(".stage").bounding_box()
        for part in ("#orb", "#label", "#hint"):
            box = await page.locator(part).bounding_box()
            assert stage["y"] <= box["y"]
            assert box["y"] + box["height"] <= stage["y"] + stage["height"]
