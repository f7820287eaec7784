"""Looks at a state of the page in every size, light and dark: a picture of each, and what is wrong with it."""

from pathlib import Path

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from tests.server import ROOT

from .test_layout import OVERFLOWING, SIZES, SMALL

PICTURES = ROOT / "var" / "screenshots"
SCHEMES = ("light", "dark")
# Contrast is another one in the dark, and other things are hidden on a phone.
AXE_AT = {((320, 568), "light"), ((390, 844), "dark"), ((1280, 800), "light")}
SHORT_FORM = {((390, 844), "dark"), ((1280, 800), "light")}
SERIOUS = {"serious", "critical"}
# Timers that begin between hold() and hold(false) wait for goOn(): a state that lasts for moments can be looked at.
HOLD = """
(() => {
  const { setTimeout: later, clearTimeout: forget } = window;
  const held = new Map();
  let holds = false;
  window.setTimeout = (run, ...rest) => {
    if (!holds) return later.call(window, run, ...rest);
    const id = -1 - held.size;
    held.set(id, run);
    return id;
  };
  window.clearTimeout = (id) => held.delete(id) || forget.call(window, id);
  window.hold = (on = true) => { holds = on; };
  window.goOn = () => {
    const waiting = [...held.values()];
    held.clear();
    for (const run of waiting) run();
  };
})();
"""


class Looks:
    """`findings`: what is wrong, each with the picture that shows it.

    A picture takes half a second of the processor: the short form takes those of a phone in the dark and of a laptop.
    """

    takes_all_pictures = False

    def __init__(self, page: Page, *, sizes: list[tuple[int, int]] = SIZES, axe: bool = True):
        self.page = page
        self.sizes = sizes
        self.axe = axe
        self.findings: list[str] = []

    async def at(self, state: str, scroll_to_end: str = "") -> None:
        """Every size and scheme of the state that the page is in.

        Args:
            scroll_to_end: selector of what is scrolled to its end first, in each size.
        """
        for size in self.sizes:
            await self.page.set_viewport_size({"width": size[0], "height": size[1]})
            if scroll_to_end:
                await self.page.eval_on_selector(scroll_to_end, "(part) => part.scrollTo(0, part.scrollHeight)")
            for scheme in SCHEMES:
                await self.page.emulate_media(color_scheme=scheme)
                name = f"{state}-{size[0]}x{size[1]}-{scheme}"
                if self.takes_all_pictures or (size, scheme) in SHORT_FORM or size not in SIZES:
                    await self.page.screenshot(path=_picture(name), animations="disabled")
                if self.axe and (size, scheme) in AXE_AT:
                    self._found(name, await self._inaccessible())
            self._found(name, await self._misplaced(size))

    def _found(self, name: str, wrong: list[str]) -> None:
        self.findings += [f"{name}: {thing}" for thing in wrong]

    async def _misplaced(self, size: tuple[int, int]) -> list[str]:
        width, height = await self.page.evaluate(
            "() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        scrolls = [] if (width, height) == size else [f"the page scrolls: {width}x{height}"]
        overflowing = [f"overflows: {html}" for html in await self.page.evaluate(OVERFLOWING)]
        small = [f"small: {html}" for html in await self.page.evaluate(SMALL)]
        return scrolls + overflowing + small

    async def _inaccessible(self) -> list[str]:
        result = await Axe().run(self.page)
        return [
            f"{violation['id']}: {node['html'][:120]}: {node['failureSummary']}"
            for violation in result.response["violations"]
            if violation["impact"] in SERIOUS
            for node in violation["nodes"]
        ]


def _picture(name: str) -> Path:
    PICTURES.mkdir(parents=True, exist_ok=True)
    return PICTURES / f"{name}.png"
