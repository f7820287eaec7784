"""Every state of the page, in every size, light and dark: it fits, axe-core finds nothing serious, and a picture of it
stands in var/screenshots/ to be looked at."""

import asyncio
import shutil
import signal
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, Route

from sessions_app.emulator import emulator_in_thread
from sessions_app.emulator.script import DEFAULT_SCRIPT
from tests.reliability.conftest import SCRIPT
from tests.server import ROOT, Server

from .browser import DENIED_MICROPHONE, open_page, wait_for_state
from .looks import HOLD, Looks
from .page import DRAWN, open_voice_page, tool_card, type_message

LONG_TOOL = "refund_everything_that_was_ordered_by_the_customer"
REASON = "https://shop.example.com/complaints/2026/the-parcel-never-arrived-and-nobody-answers/" + "0123456789" * 6
LONG_INTENT = {
    "name": "all",
    "phrases": "refund everything",
    "tool": LONG_TOOL,
    "args": {"customer": "Maximiliane Oberhuber-Schwarzenegger", "reason": REASON},
    "reply": "All is refunded.",
}
STORY = "Once upon a time there was a king who had a garden, and in the garden stood a tree with golden apples. " * 8


@pytest.fixture(scope="module")
def trace(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("looks") / "trace"


@pytest.fixture(scope="module")
def long_emulator() -> Iterator:
    """Knows what every emulator knows, and the tools of the reliability tests; speaks long enough to be looked at."""
    script = tomllib.loads(DEFAULT_SCRIPT.read_text())
    others = [intent for intent in script["intents"] if intent["name"] != "story"]
    asking = [intent for intent in SCRIPT["intents"] if intent["name"] in {"wait", "refund"}]
    story = {"name": "story", "phrases": "tell me a long story", "reply": STORY}
    script["intents"] = [story, LONG_INTENT, *asking, *others]
    script["slots"] |= SCRIPT["slots"]
    with emulator_in_thread(speed=0, script=script) as emulator:
        ca_file = ROOT / "var" / f"emulator-ca-{emulator.port}.pem"
        shutil.copyfile(emulator.ca_file, ca_file)
        yield emulator
        ca_file.unlink(missing_ok=True)


@pytest.fixture
def looks_server(make_server: Callable[..., Server], long_emulator, trace) -> Iterator[Server]:
    """An offline one, whose page is the fullest: it offers phrases."""
    server = make_server(
        DJANGO_SETTINGS_MODULE="tests.reliability.settings",
        EMULATOR_PORT=str(long_emulator.port),
        SESSIONS_PER_PROCESS="1",
        TOOLS_TIMEOUT="300",
        TOOLS_APPROVAL_TIMEOUT="300",
        RELIABILITY_TRACE=str(trace),
    )
    yield server
    server.stop()


async def held(page: Page, action, state: str) -> None:
    """Does what leads to a state that lasts for moments, and keeps it."""
    await page.evaluate("() => hold()")
    await action()
    await wait_for_state(page, state)
    await page.evaluate("() => hold(false)")


async def test_a_page_that_cannot_start(server):
    async with open_page(tap=False, java_script_enabled=False) as page:
        await page.goto(server.url)
        looks = Looks(page, axe=False)  # it is a script, too
        await looks.at("without-script")
        assert await page.locator(".cannot").is_hidden()
    async with open_page(tap=False) as page:
        await page.route("**/js/transcript*.js", lambda route: route.abort())
        await page.goto(server.url)
        await page.locator(".cannot").wait_for()
        broken = Looks(page)
        await broken.at("did-not-start")
    assert not (found := looks.findings + broken.findings), "\n".join(found)


async def test_before_a_conversation(looks_server):
    """And what hinders it: a microphone that is blocked, a server that is full."""
    async with open_page(*DENIED_MICROPHONE, tap=False) as page:
        await page.add_init_script(HOLD)
        await open_voice_page(page, looks_server)
        looks = Looks(page)
        await looks.at("idle")
        await page.click("#open-help")
        await looks.at("help")
        await page.keyboard.press("Escape")
        await page.click("#open-settings")
        await page.locator("[name=microphone] option").first.wait_for(state="attached")
        await looks.at("settings")
        await looks.at("settings-end", scroll_to_end="#settings")
        await page.keyboard.press("Escape")
        await page.click("#start")
        await page.locator("#notice").wait_for()
        await looks.at("error")
        # The only line is taken by another page.
        async with open_page(tap=False) as other:
            await open_voice_page(other, looks_server)
            await type_message(other, "Who are you?")
            await other.locator(".line-model").wait_for()
            await type_message(page, "Hello")
            countdown = page.locator("#notice-countdown", has_text="Retrying")
            await countdown.wait_for()
            await page.evaluate("() => hold()")
            await page.locator("#notice-countdown").filter(has_not_text=await countdown.inner_text()).wait_for()
            await page.evaluate("() => hold(false)")
            await looks.at("busy")
    assert not looks.findings, "\n".join(looks.findings)


async def test_a_conversation(looks_server, trace):
    """From Start to a page that was loaded anew."""
    async with open_page(tap=False) as page:
        await page.add_init_script(HOLD)
        await open_voice_page(page, looks_server)
        looks = Looks(page)

        answer = asyncio.Event()

        async def hold_back(route: Route) -> None:
            await answer.wait()
            await route.continue_()

        await page.route("**/api/sessions", hold_back)
        await page.click("#start")
        await page.locator("#mute").wait_for()
        await looks.at("connecting")
        answer.set()
        await wait_for_state(page, "listening")
        await page.keyboard.press("m")
        await looks.at("muted")
        await page.keyboard.press("m")
        await looks.at("listening")
        await page.click("#camera")
        await page.locator("#preview").wait_for()
        await looks.at("camera")
        await page.click("#camera")

        await type_message(page, "What's the weather in Berlin?")
        await tool_card(page, "get_weather")
        await type_message(page, "wait for books")
        await page.locator("#hint", has_text="Using wait_for").wait_for()
        await looks.at("thinking")
        Path(f"{trace}.books").touch()
        await tool_card(page, "wait_for")
        await type_message(page, "refund everything")
        await page.locator(".tool-ask").last.wait_for()
        await looks.at("asking")
        await page.locator(".tool-ask:not([hidden]) .tool-deny").click()

        await type_message(page, "Tell me a long story")
        await page.locator(".line-model", has_text="garden").wait_for()
        await wait_for_state(page, "speaking")
        await looks.at("speaking")
        await page.click("#open-metrics")
        await looks.at("metrics")
        await page.click("#open-metrics")
        await held(page, lambda: page.keyboard.press("Escape"), "interrupted")
        await page.locator(".line-model s", has_text="king").wait_for()
        await looks.at("interrupted")
        await page.evaluate("() => goOn()")

        await page.click("#pause")
        await page.locator("#label", has_text="Ready").wait_for()
        await looks.at("microphone-off")
        await page.locator(".scroller").evaluate("(scroller) => scroller.scrollTo(0, 0)")
        await page.evaluate(DRAWN)
        await type_message(page, "Who are you?")
        await page.locator("#jump").wait_for()
        await looks.at("scrolled-up")

        async def lose_the_server():
            looks_server.stop(signal.SIGKILL)

        await held(page, lose_the_server, "reconnecting")
        await looks.at("reconnecting")
        looks_server.start()
        await page.reload()
        await page.locator("#hint", has_text="go on where you stopped").wait_for()
        await looks.at("restored")
    assert not looks.findings, "\n".join(looks.findings)


async def test_push_to_talk(looks_server):
    async with open_page(tap=False) as page:
        await open_voice_page(page, looks_server)
        await page.evaluate("() => localStorage.setItem('gemlive.settings', '{\"activityDetection\": \"manual\"}')")
        await page.reload()
        looks = Looks(page)
        await page.click("#start")
        await page.locator("#hint", has_text="Hold Space").wait_for()
        await looks.at("push-to-talk")
        await page.locator("body").press("Escape")
        await page.evaluate("() => document.activeElement.blur()")
        await page.keyboard.down(" ")
        await page.locator("body[data-talking]").wait_for()
        await looks.at("push-to-talk-held")
        await page.keyboard.up(" ")
    assert not looks.findings, "\n".join(looks.findings)
