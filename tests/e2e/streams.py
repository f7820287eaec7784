"""The streams that a page has opened, and whether the system still shows its mark for them."""

from playwright.async_api import Page

KEEP_STREAMS = """
window.streams = [];
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await open(wanted);
  streams.push(stream);
  return stream;
};
"""


async def live_tracks(page: Page) -> list[bool]:
    """Of each stream that was opened, oldest first: whether it is open still."""
    return await page.evaluate("() => streams.map((stream) => stream.active)")
