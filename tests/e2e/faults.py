"""What the page says when something goes wrong, and what has to work all the same."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from playwright.async_api import Page

from tests.waiting import GIVE_UP_SECONDS

from .browser import open_page
from .page import lines, type_message

# `refuse` (a DOMException's name and message) is how the browser answers whoever wants a device; `streams` are those
# that it has given.
DEVICES = """
window.refuse = null;
window.streams = [];
for (const name of ["getUserMedia", "getDisplayMedia"]) {
  const open = navigator.mediaDevices?.[name]?.bind(navigator.mediaDevices);
  if (open) navigator.mediaDevices[name] = async (wanted) => {
    if (refuse) throw new DOMException(refuse[1], refuse[0]);
    const stream = await open(wanted);
    streams.push(stream);
    return stream;
  };
}
window.live = (kind) =>
  streams.flatMap((stream) => stream.getTracks()).filter((t) => t.kind === kind && t.readyState === "live").length;
"""


def settings(**values: object) -> str:
    """A script: what was chosen in this browser before the page is opened for the first time."""
    return f'localStorage["gemlive.settings"] ??= JSON.stringify({json.dumps(values)});'


def open_faulty(*switches: str, script: str = "", **options) -> AbstractAsyncContextManager[Page]:
    """A page in a browser whose devices fail on demand (DEVICES)."""
    return open_page(*switches, script=DEVICES + script, **options)


async def notice(page: Page, sentence: str, action: str | None = None, *, timeout: float = GIVE_UP_SECONDS) -> None:
    """The notice with this sentence is there, with the button that is called `action`; with none if None."""
    await page.locator("#notice:not([hidden])", has_text=sentence).wait_for(timeout=timeout * 1000)
    button = page.locator("#notice-action")
    assert (await button.inner_text() if await button.is_visible() else None) == action


async def no_notice(page: Page) -> None:
    await page.locator("#notice").wait_for(state="hidden")


async def typing_works(page: Page, text: str = "Who are you?") -> None:
    """A typed message is answered; it stands in the transcript once, and what stood there before still does."""
    before, answers = await lines(page, speaker="user"), await lines(page, speaker="model")
    await type_message(page, text)
    await page.locator(".line-model").nth(len(answers)).wait_for()
    said, answered = await lines(page, speaker="user"), await lines(page, speaker="model")
    assert said == [*before, text], said
    # An answer may go on meanwhile; none is lost, and none stands twice.
    assert all(now.startswith(then) for then, now in zip(answers, answered, strict=False)), answered
    assert len(answered) == len(answers) + 1, answered


async def cannot_type(page: Page, sentence: str, action: str | None = None, *, text: str = "Who are you?") -> None:
    """Nothing can be sent just now: that is told, and the text stands where it was written, not in the transcript."""
    before = await lines(page, speaker="user")
    await page.fill("#text", text)
    await page.press("#text", "Enter")
    await page.locator("body[data-state=error]").wait_for()
    await notice(page, sentence, action)
    assert await page.input_value("#text") == text
    assert await lines(page, speaker="user") == before
    await page.fill("#text", "")


async def press_settings(page: Page) -> None:
    """The notice's button opens the settings; they are left again."""
    await page.click("#notice-action")
    await page.locator("#settings[open]").wait_for()
    await page.click("#settings-cancel")


async def live_tracks(page: Page, kind: str = "audio") -> int:
    """How many of the tracks that the browser has given still capture."""
    return await page.evaluate("(kind) => live(kind)", kind)


@asynccontextmanager
async def clock_held(page: Page) -> AsyncIterator[None]:
    """The page's timers stand still meanwhile, so that no attempt is lost on a server that takes its time to start."""
    await page.clock.pause_at(await page.evaluate("() => Date.now() / 1000 + 2"))
    yield
    await page.clock.resume()
