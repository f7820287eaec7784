"""What Gemini refuses, and that it is away, says what to do; typing works again once the cause is gone."""

from collections.abc import Iterator

import httpx2
import pytest

from sessions_app.emulator import Emulator, emulator_in_thread
from tests.server import Server, free_port

from .browser import open_page, wait_for_state
from .faults import cannot_type, live_tracks, no_notice, notice, open_faulty, press_settings, settings, typing_works
from .page import lines, open_voice_page, type_message

KEY = "the-key"


@pytest.fixture(scope="module")
def own_emulator() -> Iterator[Emulator]:
    with emulator_in_thread() as emulator:
        yield emulator


@pytest.fixture
def gemini(own_emulator) -> Iterator[Emulator]:
    yield own_emulator
    own_emulator.faults.clear()
    own_emulator.bad_keys = frozenset()


@pytest.fixture(scope="module")
def server(own_emulator, make_server) -> Server:
    """Its model is none that Gemini has."""
    return make_server(
        GEMINI_API_KEY=KEY,
        GEMINI_BASE_URL=own_emulator.url,
        GEMINI_CA_FILE=str(own_emulator.ca_file),
        GEMINI_MODEL="gemini-0.9-live",
        GEMINI_SILENCE_TIMEOUT="1",
    )


async def test_what_gemini_refuses_at_the_beginning(gemini, server):
    """Key, quota, model: each has its own sentence, and the next is told when the one before is mended."""
    async with open_faulty() as page:
        await open_voice_page(page, server)
        assert not await page.locator("#offline").is_visible()
        gemini.bad_keys = frozenset({KEY})
        await page.click("#start")
        await notice(page, "Gemini refuses this server's API key", "Try again")
        await wait_for_state(page, "error")
        assert await live_tracks(page) == 0
        await cannot_type(page, "GEMINI_API_KEY", "Try again")
        gemini.bad_keys = frozenset()
        quota = gemini.faults.add("refuse_upgrade", status=429)
        await cannot_type(page, "Gemini's quota for this server's key is used up. Try again later", "Try again")
        gemini.faults.remove(quota)
        await cannot_type(page, "Gemini does not offer this model for live conversations", "Settings")
        await page.click("#notice-action")
        await page.select_option("#settings [name=model]", "gemini-3.8-live")
        await page.click("#settings button.primary")
        await typing_works(page)
        await no_notice(page)


async def test_what_gemini_does_in_mid_conversation(gemini, server):
    async with open_faulty(script=settings(model="gemini-3.8-live")) as page:
        wire = await open_voice_page(page, server)
        await page.click("#start")
        await wait_for_state(page, "listening")
        await typing_works(page)

        silence = gemini.faults.add("silence", at="input")
        await type_message(page, "Hello")
        await notice(page, "Gemini did not answer. Say it again")
        gemini.faults.remove(silence)
        await typing_works(page, "What can you do?")

        gemini.faults.add("refuse_upgrade", status=429)
        gemini.abort_all()
        await notice(page, "Gemini's quota for this server's key is used up", "Try again")
        await wait_for_state(page, "error")
        assert await lines(page, speaker="user") == ["Who are you?", "Hello", "What can you do?"]
        gemini.faults.clear()
        await page.click("#notice-action")
        await wait_for_state(page, "listening")
        await no_notice(page)
        await typing_works(page, "Tell me a joke")
        assert await live_tracks(page) == 1
        assert len(set(wire.urls)) == 1


async def test_setting_that_the_model_does_not_take(gemini, server):
    """A session that was made elsewhere for one model, opened in a browser where another is chosen."""
    made = httpx2.post(
        f"{server.url}/api/sessions", json={"model": "gemini-3.1-flash-live-preview", "thinkingLevel": "low"}
    )
    session_id = made.raise_for_status().json()["sessionId"]
    script = f'sessionStorage["gemlive.session"] ??= "{session_id}"; {settings(model="gemini-3.8-live")}'
    async with open_page(script=script) as page:
        await open_voice_page(page, server)
        await cannot_type(page, "gemini-3.8-live does not take thinkingLevel", "Settings")
        await press_settings(page)
        await page.click("#notice-action")
        await page.select_option("#settings [name=model]", "gemini-3.1-flash-live-preview")
        await page.click("#settings button.primary")
        await typing_works(page)
        await no_notice(page)


@pytest.fixture
def server_without_gemini(make_server) -> Server:
    nobody = f"https://127.0.0.1:{free_port()}"
    return make_server(GEMINI_API_KEY="test", GEMINI_BASE_URL=nobody, GEMINI_CONNECT_TIMEOUT="2")


async def test_gemini_that_cannot_be_reached(server_without_gemini):
    async with open_page() as page:
        wire = await open_voice_page(page, server_without_gemini)
        await type_message(page, "Hello")
        await wait_for_state(page, "error")
        reason = next(m["data"]["reason"] for m in wire.received if m["data"].get("status") == "ERROR")
        assert "cannot be reached" in reason
        await notice(page, reason, "Try again")
        assert await page.input_value("#text") == "Hello"
        assert await lines(page, speaker="user") == []
