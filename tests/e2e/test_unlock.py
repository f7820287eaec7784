"""Sound after a person's own click or key, in a Chromium that holds it back before; see `blind`."""

from contextlib import asynccontextmanager

from .browser import loudest, open_page, tap_page, wait_for_state
from .page import open_voice_page

# The contexts stay suspended, as a browser that has its reasons leaves them, until `allowed`.
HOLD_BACK = """
const resume = AudioContext.prototype.resume;
AudioContext.prototype.resume = function () {
  return window.allowed ? resume.call(this) : new Promise(() => this.suspend());
};
window.AudioContext = class extends AudioContext {
  constructor(...options) {
    super(...options);
    if (!window.allowed) this.suspend();
  }
};
"""


# Whether sound was held back before anybody touched the page: a context needs a moment to run where it may.
LOOK_FIRST = """
const first = new AudioContext();
addEventListener("load", () => setTimeout(() => (window.before = first.state), 200));
"""


@asynccontextmanager
async def blind(page, server):
    """Another page, loaded and not touched. What Playwright evaluates counts as a gesture, mouse and keys must do."""
    other = await page.context.browser.new_page()
    try:
        await tap_page(other)
        await other.add_init_script(LOOK_FIRST)
        await other.goto(server.url, wait_until="networkidle")
        yield other
        assert await other.evaluate("() => before") == "suspended"
    finally:
        await other.close()


async def is_heard(page) -> None:
    await wait_for_state(page, "speaking")
    while await loudest(page) < 0.1:
        await page.evaluate("() => new Promise(requestAnimationFrame)")
    assert await page.evaluate("() => tap.context.state") == "running"


async def test_the_first_gesture_unlocks_the_sound(server):
    async with open_page() as page:
        await open_voice_page(page, server)
        phrase = await page.get_by_role("button", name="Who are you?").bounding_box()
        text = await page.locator("#text").bounding_box()
        start = await page.locator("#start").bounding_box()

        def middle(box) -> tuple[float, float]:
            return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

        async with blind(page, server) as other:
            await other.mouse.click(*middle(phrase))
            await is_heard(other)
        async with blind(page, server) as other:
            await other.mouse.click(*middle(text))
            await other.keyboard.type("Who are you?")
            await other.keyboard.press("Enter")
            await is_heard(other)
        async with blind(page, server) as other:
            await other.mouse.click(*middle(start))
            await wait_for_state(other, "listening")
            assert await other.evaluate("() => tap.context.state") == "running"


async def test_sound_that_is_held_back_comes_with_a_button(server):
    async with open_page() as page:
        await page.add_init_script(HOLD_BACK)
        await open_voice_page(page, server)
        await page.get_by_role("button", name="Who are you?").click()
        await page.locator("#notice:not([hidden])", has_text="The browser holds the sound back").wait_for()
        await page.locator(".line-model").wait_for()  # the text comes meanwhile
        assert await loudest(page) == 0
        await page.evaluate("() => (window.allowed = true)")
        await page.get_by_role("button", name="Turn sound on").click()
        await is_heard(page)
        await page.locator("#notice").wait_for(state="hidden")
