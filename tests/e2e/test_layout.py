"""The page fits, in every size, light and dark, empty and in use."""

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


async def assert_fits_everywhere(page, sizes) -> None:
    for width, height in sizes:
        await page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await assert_fits(page, (width, height))


async def test_page_fits(server):
    async with open_page(tap=False) as page:
        await open_voice_page(page, server)
        await assert_fits_everywhere(page, SIZES)
        await type_message(page, "What's the weather in Tokyo?")
        await tool_card(page, "get_weather", status="failed")
        await assert_fits_everywhere(page, SIZES)
        for width, height in SIZES:
            await page.set_viewport_size({"width": width, "height": height})
            # The whole of the newest line can be seen.
            room = await page.locator(".scroller").bounding_box()
            assert room["height"] >= 90


async def test_page_fits_with_an_error(server):
    async with open_page(*DENIED_MICROPHONE, tap=False) as page:
        await open_voice_page(page, server)
        await page.click("#start")
        await page.locator("#notice").wait_for()
        for width, height in [*SIZES, (1280, 640)]:
            await page.set_viewport_size({"width": width, "height": height})
            await assert_fits(page, (width, height))
            stage = await page.locator(".stage").bounding_box()
            for part in ("#orb", "#label", "#hint"):
                box = await page.locator(part).bounding_box()
                assert stage["y"] <= box["y"]
                assert box["y"] + box["height"] <= stage["y"] + stage["height"]
