"""The screen stays awake during a conversation, and no longer."""

from contextlib import asynccontextmanager

from .blank import open_blank

# The browser's part: requests that the test answers, and a page that it hides.
WAKE_LOCK = """
window.locks = [];
window.answers = [];
Object.defineProperty(navigator, "wakeLock", { configurable: true, value: {
  request: (type) => new Promise((resolve, reject) => answers.push({
    refuse: () => reject(new DOMException("", "NotAllowedError")),
    grant: () => {
      const lock = { type, released: false, release: async () => { lock.released = true; } };
      locks.push(lock);
      resolve(lock);
    },
  })),
} });
window.show = (state) => {
  Object.defineProperty(document, "visibilityState", { configurable: true, value: state });
  document.dispatchEvent(new Event("visibilitychange"));
};
"""
SETUP = """
async () => {
  const { WakeLock } = await import("/js/wake_lock.js");
  window.wakeLock = new WakeLock();
  window.held = () => locks.filter((lock) => !lock.released).length;
}
"""


@asynccontextmanager
async def open_wake_lock(script: str = WAKE_LOCK):
    async with open_blank(script=script) as page:
        await page.evaluate(SETUP)
        yield page


async def test_held_until_it_is_released():
    async with open_wake_lock() as page:
        await page.evaluate("async () => { const held = wakeLock.hold(); answers[0].grant(); await held; }")
        assert await page.evaluate("() => [held(), locks[0].type]") == [1, "screen"]
        await page.evaluate("() => void wakeLock.hold()")
        assert await page.evaluate("() => answers.length") == 1  # it has one already
        await page.evaluate("() => { wakeLock.release(); wakeLock.release(); }")
        assert await page.evaluate("() => held()") == 0


async def test_taken_again_when_the_page_is_visible_again():
    async with open_wake_lock() as page:
        await page.evaluate("async () => { const held = wakeLock.hold(); answers[0].grant(); await held; }")
        await page.evaluate("() => { locks[0].released = true; show('hidden'); }")  # as the browser does it
        assert await page.evaluate("() => answers.length") == 1
        await page.evaluate("async () => { show('visible'); answers[1].grant(); await wakeLock.hold(); }")
        assert await page.evaluate("() => [held(), answers.length]") == [1, 2]
        await page.evaluate("() => { wakeLock.release(); show('hidden'); show('visible'); }")
        assert await page.evaluate("() => [held(), answers.length]") == [0, 2]


async def test_release_during_a_request():
    async with open_wake_lock() as page:
        await page.evaluate(
            "async () => { const held = wakeLock.hold(); wakeLock.release(); answers[0].grant(); await held; }"
        )
        assert await page.evaluate("() => [locks.length, held()]") == [1, 0]
        # And wanted again before the answer: it is kept, once.
        await page.evaluate("""async () => {
          const holds = [wakeLock.hold()];
          wakeLock.release();
          holds.push(wakeLock.hold());
          answers[1].grant();
          await Promise.all(holds);
        }""")
        assert await page.evaluate("() => [answers.length, held()]") == [2, 1]


async def test_refusal_is_no_error_and_it_is_tried_again():
    async with open_wake_lock() as page:
        await page.evaluate("async () => { const held = wakeLock.hold(); answers[0].refuse(); await held; }")
        assert await page.evaluate("() => held()") == 0
        await page.evaluate("async () => { show('visible'); answers[1].grant(); await wakeLock.hold(); }")
        assert await page.evaluate("() => held()") == 1


async def test_browser_without_wake_locks():
    without = "Object.defineProperty(navigator, 'wakeLock', { value: undefined }); window.locks = [];"
    async with open_wake_lock(without) as page:
        await page.evaluate("async () => { await wakeLock.hold(); wakeLock.release(); }")
        assert await page.evaluate("() => [navigator.wakeLock === undefined, held()]") == [True, 0]
