"""The page without a mouse, without eyes, with little movement, with the system's colours, enlarged, and translated."""

from playwright.async_api import Page

from .blank import until_in
from .browser import DENIED_MICROPHONE, open_page, wait_for_state
from .looks import Looks
from .page import DRAWN, open_voice_page, type_message

FOCUSED = """
() => {
  const { activeElement: element } = document;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const isSeen = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
  const composer = element.closest(".composer");
  const border = composer && getComputedStyle(composer).borderColor;
  return {
    name: element.ariaLabel || element.labels?.[0]?.textContent || element.innerText.trim().replace(/\\s+/g, " "),
    tag: element.localName,
    isSeen: isSeen || border === getComputedStyle(document.querySelector(".composer button")).color,
    dialog: element.closest("dialog")?.id ?? element.localName,
  };
}
"""
STARTED = """
() => {
  window.said = [];
  for (const id of ["announcer", "said"]) {
    const part = document.getElementById(id);
    new MutationObserver(() => said.push(part.textContent)).observe(part, { childList: true });
  }
}
"""
GROW = """
() => {
  const list = document.getElementById("transcript");
  list.parentElement.scrollTop -= 1;
  list.lastElementChild.style.setProperty("padding-bottom", "200px");
}
"""
# Words of other languages are longer by a third, and so are these; in every sentence that the page has now.
LENGTHEN = """
() => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const isWord = (node) => /[a-z]{2}/.test(node.data) && !node.parentElement.closest("script, noscript, code");
  while (texts.nextNode()) {
    const node = texts.currentNode;
    if (isWord(node)) node.data += node.data.trim().slice(0, Math.ceil(node.data.trim().length / 3));
  }
}
"""


async def focused(page: Page) -> dict:
    return await page.evaluate(FOCUSED)


async def tab_to(page: Page, name: str) -> list[str]:
    """Presses Tab until that has the focus. Returns the names on the way, each of which showed that it has it."""
    names = []
    for _ in range(40):
        await page.keyboard.press("Tab")
        now = await focused(page)
        if now["tag"] == "body":  # the browser's own controls, between end and beginning
            continue
        assert now["isSeen"], now
        names.append(now["name"])
        if now["name"] == name:
            return names
    raise AssertionError(f"{name} is not reached: {names}")


async def test_with_the_keyboard_alone(server):
    """In reading order, with a focus that is seen, and that is never lost."""
    async with open_page(tap=False, viewport={"width": 1280, "height": 800}) as page:
        await open_voice_page(page, server)
        names = await tab_to(page, "Start")
        assert names[:4] == ["Figures, round trip: – ms", "Help", "Settings", "Transcript"]
        assert names[4:-3] == await page.locator(".phrase").all_text_contents()
        assert names[-3:] == ["Message", "Send", "Start"]

        await page.keyboard.press("Enter")
        await wait_for_state(page, "listening")
        assert (await focused(page))["name"] == "Controls"
        assert await tab_to(page, "End") == ["Camera", "Screen", "Mute", "Turn the microphone off", "End"]
        await page.keyboard.press("Enter")
        await wait_for_state(page, "idle")
        assert (await focused(page))["name"] == "Controls"

        for opener, dialog in (("Settings", "settings"), ("Help", "help")):
            await page.get_by_role("button", name=opener, exact=True).focus()
            await page.keyboard.press("Enter")
            await page.locator(f"dialog#{dialog}[open]").wait_for()
            inside = set()
            for _ in range(30):
                inside.add((await focused(page))["dialog"])
                await page.keyboard.press("Tab")
            assert inside <= {dialog, "body"}
            await page.keyboard.press("Escape")
            await page.locator(f"dialog#{dialog}[open]").wait_for(state="detached")
            assert (await focused(page))["name"] == opener


async def test_what_a_screen_reader_is_told(server):
    """States once they last, sentences once they are whole, errors at once; the transcript itself says nothing."""
    async with open_page(*DENIED_MICROPHONE, tap=False) as page:
        await open_voice_page(page, server)
        await page.evaluate(STARTED)
        live = page.locator("[aria-live], [role=log], [role=status], [role=alert]")
        assert await live.filter(has=page.locator("#transcript")).count() == 0

        await type_message(page, "What's the weather in Berlin?")
        await wait_for_state(page, "speaking")
        await page.locator("#announcer", has_text="Speaking").wait_for(state="attached")
        await page.locator("#said", has_text="Gemini: It is").wait_for(state="attached")
        said = [text for text in await page.evaluate("() => said") if text]
        assert said.count("You: What's the weather in Berlin?") == 1
        assert sum(text.startswith("Gemini: ") for text in said) == 1  # not piece by piece
        assert said[-1].endswith(("percent.", "Speaking"))

        await page.get_by_role("button", name="Speak").click()  # the microphone is refused
        await page.get_by_role("alert").filter(has_text="The microphone is blocked").wait_for()
        for name in ("Camera", "Screen"):
            assert await page.get_by_role("button", name=name, exact=True, pressed=False).count() == 1


async def test_a_long_conversation_is_followed_until_the_person_scrolls_up(server):
    """A phone that is turned is not the person, nor is a card that grows while the page still scrolls."""
    from_end = "(scroller) => Math.round(scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop)"
    async with open_page(tap=False, viewport={"width": 1280, "height": 800}) as page:
        await open_voice_page(page, server)
        scroller = page.locator(".scroller")
        await type_message(page, "This is a long message. " * 100)
        await page.locator(".line-model").wait_for()
        for width, height in ((320, 568), (740, 360), (390, 844)):
            await page.set_viewport_size({"width": width, "height": height})
            await page.evaluate(DRAWN)
            assert await scroller.evaluate(from_end) <= 1
        await page.evaluate(GROW)
        await page.evaluate(DRAWN)
        assert await scroller.evaluate(from_end) <= 1
        await scroller.hover()
        await page.mouse.wheel(0, -10_000)
        await until_in(page, "document.querySelector('.scroller').scrollTop === 0")
        await page.evaluate(DRAWN)  # the page hears of it with the next frame
        await type_message(page, "Who are you?")
        await page.get_by_role("button", name="Jump to latest").click()
        assert await page.locator("#jump").is_hidden()
        assert await scroller.evaluate(from_end) <= 1
        assert (await focused(page))["name"] == "Transcript"


async def test_little_movement_and_the_systems_colours(server):
    async with open_page(tap=False, reduced_motion="reduce", forced_colors="active") as page:
        await open_voice_page(page, server)
        await type_message(page, "Tell me a long story")
        await wait_for_state(page, "speaking")
        await page.evaluate("() => document.getElementById('orb').style.setProperty('--level', '1')")
        size = "() => getComputedStyle(document.getElementById('orb'), '::before').transform"
        assert await page.evaluate(size) == "matrix(0.86, 0, 0, 0.86, 0, 0)"
        await page.get_by_role("button", name="Speak").click()
        await page.locator("#mute").wait_for()
        await page.keyboard.press("m")
        await page.locator("#mute[aria-pressed=true]").wait_for()
        looks = Looks(page, axe=False)  # it would measure colours that are not ours
        await looks.at("system-colours")
    assert not looks.findings, "\n".join(looks.findings)


async def test_enlarged_and_in_longer_words(server):
    """At 200 % a laptop has 640 by 400 points."""
    async with open_page(tap=False, device_scale_factor=2) as page:
        await open_voice_page(page, server)
        await type_message(page, "What's the weather in Tokyo?")
        await page.locator('.tool details[data-status="failed"]').wait_for()
        await page.click("#start")
        await page.locator("#mute").wait_for()
        await page.evaluate(LENGTHEN)
        looks = Looks(page, sizes=[(640, 400), (320, 568)], axe=False)
        await looks.at("longer-words")
        await page.click("#open-settings")
        await looks.at("longer-settings")
    assert not looks.findings, "\n".join(looks.findings)
