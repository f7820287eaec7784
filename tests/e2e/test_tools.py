"""Tools that ask, and tools that say how far they are, on the page."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sessions_app.emulator import emulator_in_thread
from tests.reliability.conftest import SCRIPT
from tests.server import Server

from .browser import open_page, wait_for_state
from .faults import clock_held
from .page import open_voice_page, tool_card, type_message, until


@pytest.fixture(scope="module")
def trace(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("tools") / "trace"


@pytest.fixture(scope="module")
def asking_server(make_server: Callable[..., Server], trace: Path) -> Iterator[Server]:
    """One whose tools are those of the reliability tests."""
    with emulator_in_thread(speed=0, script=SCRIPT) as emulator:
        server = make_server(
            DJANGO_SETTINGS_MODULE="tests.reliability.settings",
            GEMINI_API_KEY="test",
            GEMINI_BASE_URL=emulator.url,
            GEMINI_CA_FILE=str(emulator.ca_file),
            RELIABILITY_TRACE=str(trace),
        )
        yield server
        server.stop()


@pytest.mark.parametrize(("button", "status", "runs"), [("Allow", "done", 1), ("Deny", "denied", 0)])
async def test_a_person_sees_what_is_asked_and_decides(button, status, runs, asking_server, trace):
    trace.unlink(missing_ok=True)
    async with open_page() as page:
        wire = await open_voice_page(page, asking_server)
        await type_message(page, "refund books")
        card = page.locator(".tool")
        await card.get_by_text("May refund run with these arguments?").wait_for()
        assert await card.locator("pre").is_visible()
        assert await page.inner_text("#label") == "Waits for you"
        assert await page.inner_text("#hint") == "Allow or deny refund"
        assert '"item": "books"' in await card.locator("pre").inner_text()
        await card.get_by_role("button", name=button).click()
        assert await page.inner_text("#label") != "Waits for you"
        await page.locator(f'.tool details[data-status="{status}"]').wait_for()
        assert not await card.locator(".tool-ask").is_visible()
    [click] = [message["data"] for message in wire.sent if message["type"] == "tool_approval"]
    assert click["approved"] is (button == "Allow")
    assert (trace.read_text().splitlines() if trace.exists() else []) == ["refund books"] * runs


async def test_a_phone_has_room_for_the_question(asking_server):
    """And the buttons are large enough for a thumb."""
    async with open_page(viewport={"width": 390, "height": 844}) as page:
        await open_voice_page(page, asking_server)
        await type_message(page, "refund books")
        allow = page.locator(".tool").get_by_role("button", name="Allow")
        await allow.wait_for()
        box = await allow.bounding_box()
        assert box["height"] >= 44
        assert box["x"] + box["width"] <= 390


async def test_progress_and_parts_stand_on_the_card_while_the_tool_runs(asking_server, trace):
    for place in ("the cellar", "the attic"):
        Path(f"{trace}.{place}").unlink(missing_ok=True)
    async with open_page() as page:
        await open_voice_page(page, asking_server)
        await type_message(page, "find books")
        card = page.locator(".tool")
        await card.get_by_text("Looking for books…").wait_for()
        Path(f"{trace}.the cellar").touch()
        await card.locator("pre", has_text="the cellar").wait_for(state="attached")
        assert await page.locator('.tool details[data-status="running"]').count() == 1
        Path(f"{trace}.the attic").touch()
        await page.locator('.tool details[data-status="done"]').wait_for()
        assert not await card.locator(".tool-progress").is_visible()


async def test_a_tool_that_runs_while_the_page_is_loaded_anew(asking_server, trace):
    """Its card runs on with it."""
    Path(f"{trace}.books").unlink(missing_ok=True)
    async with open_page() as page:
        await open_voice_page(page, asking_server)
        await type_message(page, "wait for books")
        running = page.locator('.tool details[data-status="running"]')
        await running.wait_for()
        await page.reload()
        await running.wait_for()
        await page.click("#start")
        await wait_for_state(page, "listening", "thinking", "speaking")
        assert await running.count() == 1
        Path(f"{trace}.books").touch()
        assert (await tool_card(page, "wait_for"))["result"] == {"thing": "books"}


async def test_a_tool_whose_server_was_killed_runs_no_more(asking_server, trace):
    Path(f"{trace}.books").unlink(missing_ok=True)
    async with open_page() as page:
        await page.clock.install()
        wire = await open_voice_page(page, asking_server)
        await type_message(page, "wait for books")
        await page.locator('.tool details[data-status="running"]').wait_for()
        await until(lambda: asking_server.session(wire.session_id)["toolCalls"])  # its row is written
        async with clock_held(page):
            asking_server.stop(signal.SIGKILL)
            await wait_for_state(page, "reconnecting")
            asking_server.start()
        assert (await tool_card(page, "wait_for", status="cancelled"))["error"] == "The server stopped during the call."
        [call] = asking_server.session(wire.session_id)["toolCalls"]
        assert call["status"] == "cancelled"
