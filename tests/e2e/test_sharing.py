"""Camera and screen as pictures: what leaves the page, at which pace, and how it ends."""

import asyncio
import base64
import struct
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from tests.waiting import GIVE_UP_SECONDS

from .blank import open_blank, until_in
from .browser import DENIED_MICROPHONE, FAKE_MICROPHONE, NO_MICROPHONE

FAKE_CAMERA = FAKE_MICROPHONE
TWO_CAMERAS = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream=device-count=2"]
VIDEO = "<video muted playsinline></video>"
SETUP = """
async () => {
  const { Sharing } = await import("/js/sharing.js");
  const video = document.querySelector("video");
  Object.assign(window, { video, pictures: [], ended: [], asked: [], isFast: true, streams: [] });
  for (const name of ["getUserMedia", "getDisplayMedia"]) {
    const open = navigator.mediaDevices?.[name]?.bind(navigator.mediaDevices);
    if (open) navigator.mediaDevices[name] = async (wanted) => {
      const stream = await open(wanted);
      streams.push(stream);
      return stream;
    };
  }
  window.sharing = new Sharing({
    video,
    mayEncode: () => { asked.push(performance.now()); return isFast; },
    onFrame: (base64) => pictures.push({ base64 }),
    onEnd: (problem) => ended.push(problem && problem.code),
  });
  window.start = (...args) => sharing.start(...args).catch((problem) => `${problem.constructor.name} ${problem.code}`);
  window.isReleased = () =>
    sharing.kind === null && video.srcObject === null &&
    streams.every((stream) => stream.getTracks().every((track) => track.readyState === "ended"));
}
"""
# In place of the screen, a canvas that keeps changing; its tracks are real ones. window.painted is its size.
CANVAS_AS_SCREEN = """
window.paint = (width, height) => {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  setInterval(() => {
    context.fillStyle = `hsl(${performance.now() % 360} 80% 50%)`;
    context.fillRect(0, 0, width, height);
  }, 50);
  navigator.mediaDevices.getDisplayMedia = async () => {
    const stream = canvas.captureStream();
    streams.push(stream);
    return stream;
  };
};
"""
# How many different levels of grey there are in a picture, and its size as the browser decodes it.
LOOK = """
async ({ base64 }) => {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const levels = new Set();
  for (let i = 0; i < data.length; i += 4) levels.add((data[i] + data[i + 1] + data[i + 2]) >> 2);
  return { width: bitmap.width, height: bitmap.height, levels: levels.size };
}
"""


@asynccontextmanager
async def open_sharing(*switches, **options):
    async with open_blank(*switches, body=VIDEO, **options) as page:
        await page.evaluate(SETUP)
        yield page


async def pictures(page, count: int) -> list[dict]:
    await until_in(page, f"pictures.length >= {count}")
    return await page.evaluate("() => pictures")


def jpeg_size(picture: dict) -> tuple[int, int]:
    """Width and height from the frame header (SOF0 or SOF2)."""
    data = base64.b64decode(picture["base64"], validate=True)
    assert data[:2] == b"\xff\xd8"
    assert data[-2:] == b"\xff\xd9"
    at = 2
    while data[at + 1] not in (0xC0, 0xC2):
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    height, width = struct.unpack_from(">HH", data, at + 5)
    return width, height


async def test_camera_as_pictures():
    async with open_sharing(*FAKE_CAMERA) as page:
        assert await page.evaluate("() => sharing.kind") is None
        assert await page.evaluate("() => start('camera')") is True
        assert await page.evaluate("() => [sharing.kind, video.paused, sharing.deviceWasMissing]") == [
            "camera", False, False,
        ]  # fmt: skip
        first, second, *_ = await pictures(page, 2)
        assert jpeg_size(first) == (768, 432)  # of 1280 × 720
        looked = await page.evaluate(LOOK, first)
        assert (looked["width"], looked["height"]) == (768, 432)
        assert looked["levels"] > 20  # a scene, not one colour
        assert first["base64"] != second["base64"]


async def test_one_picture_a_second():
    async with open_sharing(*FAKE_CAMERA) as page:
        await page.evaluate("() => start('camera')")
        await pictures(page, 5)
        times = await page.evaluate("() => asked")
        gaps = [after - before for before, after in pairwise(times)]
        assert min(gaps) > 950  # a timer is never early; how late it is depends on the machine
        assert sum(gaps) / len(gaps) < 3000


async def test_first_picture_waits_for_no_timer():
    hold_timers = "() => { window.setTimeout = (due, ms) => { window.next = { due, ms }; }; return start('camera'); }"
    async with open_sharing(*FAKE_CAMERA) as page:
        await page.evaluate(hold_timers)
        assert len(await pictures(page, 1)) == 1
        await page.evaluate("() => next.due()")
        assert len(await pictures(page, 2)) == 2
        assert await page.evaluate("() => next.ms <= 1000")


async def test_picture_keeps_its_aspect_and_is_not_enlarged():
    expected = {(1920, 1080): (768, 432), (600, 1200): (384, 768), (400, 300): (400, 300), (3000, 2): (768, 1)}
    async with open_sharing(*FAKE_CAMERA, script=CANVAS_AS_SCREEN) as page:
        sizes = {}
        for size in expected:
            await page.evaluate("([width, height]) => { pictures.length = 0; paint(width, height); }", size)
            assert await page.evaluate("() => start('screen')") is True
            sizes[size] = jpeg_size((await pictures(page, 1))[0])
        assert sizes == expected


async def test_slow_network_leaves_pictures_out():
    async with open_sharing(*FAKE_CAMERA) as page:
        await page.evaluate("() => { isFast = false; return start('camera'); }")
        await until_in(page, "asked.length >= 3")
        assert await page.evaluate("() => pictures.length") == 0
        await page.evaluate("() => (isFast = true)")
        await pictures(page, 1)


async def test_slow_encoder_works_on_one_picture_at_a_time():
    slow = """
    window.encoding = window.most = 0;
    const toBlob = HTMLCanvasElement.prototype.toBlob;
    HTMLCanvasElement.prototype.toBlob = function (done, ...rest) {
      window.most = Math.max(window.most, ++window.encoding);
      toBlob.call(this, (blob) => setTimeout(() => { window.encoding -= 1; done(blob); }, 1500), ...rest);
    };
    """
    async with open_sharing(*FAKE_CAMERA, script=slow) as page:
        await page.evaluate("() => start('camera')")
        await pictures(page, 3)
        assert await page.evaluate("() => most") == 1


async def test_stop_releases_the_camera_and_may_come_twice():
    async with open_sharing(*FAKE_CAMERA) as page:
        await page.evaluate("() => sharing.stop()")
        await page.evaluate("() => start('camera')")
        await pictures(page, 1)
        assert not await page.evaluate("() => isReleased()")
        await page.evaluate("() => { sharing.stop(); sharing.stop(); }")
        assert await page.evaluate("() => isReleased()")
        assert await page.evaluate("() => ended") == []  # it was the page's doing


async def test_picture_in_work_at_the_stop_is_not_delivered():
    stop_while_encoding = """
    const toBlob = HTMLCanvasElement.prototype.toBlob;
    HTMLCanvasElement.prototype.toBlob = function (...args) {
      toBlob.apply(this, args);
      if (this.width === 400) sharing.stop();
    };
    """
    async with open_sharing(*FAKE_CAMERA, script=CANVAS_AS_SCREEN + stop_while_encoding) as page:
        await page.evaluate("() => { paint(400, 300); return start('screen'); }")
        await until_in(page, "isReleased()")
        await page.evaluate("() => { paint(300, 400); return start('screen'); }")
        assert {jpeg_size(picture) for picture in await pictures(page, 2)} == {(300, 400)}


async def test_start_replaces_what_is_shared():
    async with open_sharing(*FAKE_CAMERA, script=CANVAS_AS_SCREEN) as page:
        await page.evaluate("() => { paint(400, 300); return start('screen'); }")
        await pictures(page, 1)
        assert await page.evaluate("() => start('camera')") is True
        assert await page.evaluate("() => [sharing.kind, streams[0].active, streams[1].active]") == [
            "camera", False, True,
        ]  # fmt: skip
        sizes = [jpeg_size(picture) for picture in await pictures(page, 3)]
        assert sizes[-2:] == [(768, 432)] * 2


@pytest.mark.parametrize("meanwhile", ["sharing.stop()", "second = start('camera')"], ids=["stop", "start"])
async def test_start_that_was_overtaken(meanwhile):
    async with open_sharing(*FAKE_CAMERA) as page:
        first, second = await page.evaluate(
            f"async () => {{ let second = null; const first = start('camera'); {meanwhile};"
            " return Promise.all([first, second]); }"
        )
        assert first is False
        if second:
            assert await page.evaluate("() => streams.map((stream) => stream.active)") == [False, True]
            await pictures(page, 1)
        else:
            assert await page.evaluate("() => streams.length === 1 && isReleased()")


async def test_chosen_camera_is_opened():
    async with open_sharing(*TWO_CAMERAS) as page:
        await page.evaluate("() => start('camera')")
        first, chosen = await page.evaluate(
            """async () => (await navigator.mediaDevices.enumerateDevices())
              .filter((device) => device.kind === "videoinput").map((device) => device.deviceId)"""
        )
        used = "() => streams.at(-1).getVideoTracks()[0].getSettings().deviceId"
        assert await page.evaluate(used) == first
        assert await page.evaluate("(id) => start('camera', id)", chosen) is True
        assert await page.evaluate(used) == chosen
        assert await page.evaluate("() => sharing.deviceWasMissing") is False


async def test_chosen_camera_that_is_gone_is_replaced_and_told():
    async with open_sharing(*FAKE_CAMERA) as page:
        assert await page.evaluate("() => start('camera', 'unplugged')") is True
        assert await page.evaluate("() => sharing.deviceWasMissing") is True
        await pictures(page, 1)
        await page.evaluate("() => start('camera')")
        assert await page.evaluate("() => sharing.deviceWasMissing") is False


@pytest.mark.parametrize(
    ("switches", "kind", "outcome"),
    [
        (DENIED_MICROPHONE, "camera", "Problem camera_blocked"),
        (NO_MICROPHONE, "camera", "Problem camera_missing"),
        (DENIED_MICROPHONE, "screen", False),  # as if the person had closed the picker
    ],
    ids=["camera blocked", "camera missing", "picker closed"],
)
async def test_without_a_permission_or_a_device(switches, kind, outcome):
    async with open_sharing(*switches) as page:
        assert await page.evaluate("(kind) => start(kind)", kind) == outcome
        assert await page.evaluate("() => isReleased()")


async def test_browsers_error_is_told_by_its_cause():
    expected = {
        ("camera", "NotReadableError", "Could not start video source"): "Problem camera_busy",
        ("camera", "AbortError", "Timeout starting video source"): "Problem camera_busy",
        ("camera", "NotAllowedError", "Permission denied by system"): "Problem camera_blocked",
        ("camera", "TypeError", ""): "Problem camera_failed",
        ("screen", "NotAllowedError", "Permission denied by system"): "Problem screen_blocked",
        ("screen", "NotReadableError", "Could not start video source"): "Problem screen_blocked",
    }
    fail = """
    async ([kind, name, message]) => {
      navigator.mediaDevices.getUserMedia = navigator.mediaDevices.getDisplayMedia = async () => {
        throw new DOMException(message, name);
      };
      return [await start(kind), isReleased()];
    }
    """
    async with open_sharing(*FAKE_CAMERA) as page:
        told = {error: await page.evaluate(fail, error) for error in expected}
        assert told == {error: [problem, True] for error, problem in expected.items()}


async def test_browser_that_cannot_share_its_screen():
    async with open_sharing(*FAKE_CAMERA, script="delete MediaDevices.prototype.getDisplayMedia;") as page:
        assert await page.evaluate("() => start('screen')") == "Problem screen_unsupported"


@pytest.mark.parametrize("kind", ["camera", "screen"])
async def test_insecure_page(kind):
    switches = FAKE_CAMERA
    async with open_sharing(*switches, host="voice.test") as page:
        assert await page.evaluate("(kind) => start(kind)", kind) == "Problem insecure"


async def test_shared_tab_is_seen_until_it_is_closed():
    switches = ["--use-fake-device-for-media-stream", "--auto-select-tab-capture-source-by-title=Shared"]
    async with open_sharing(*switches) as page, asyncio.timeout(GIVE_UP_SECONDS):
        async with page.expect_popup() as opened:
            await page.evaluate("() => void open('about:blank')")
        shared = await opened.value
        await shared.set_content("<!doctype html><title>Shared</title><h1>What is on the screen</h1>")
        await page.bring_to_front()
        assert await page.evaluate("() => start('screen')") is True
        (picture, *_) = await pictures(page, 1)
        width, height = jpeg_size(picture)
        assert max(width, height) <= 768
        assert (await page.evaluate(LOOK, picture))["levels"] > 5
        await shared.close()
        await until_in(page, "ended.length")
        assert await page.evaluate("() => [ended, isReleased()]") == [[None], True]


async def test_camera_whose_permission_is_taken_back():
    async with open_sharing("--use-fake-device-for-media-stream", permissions=["camera"]) as page:
        assert await page.evaluate("() => start('camera')") is True
        await pictures(page, 1)
        await page.context.clear_permissions()
        await until_in(page, "ended.length")
        assert await page.evaluate("() => [ended, isReleased()]") == [["camera_gone"], True]
