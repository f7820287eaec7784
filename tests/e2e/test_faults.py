"""What goes wrong says what to do, and typing keeps working."""

import signal

import httpx2
import pytest

from tests.server import Server, free_port

from .browser import DENIED_MICROPHONE, FAKE_MICROPHONE, NO_MICROPHONE, open_page, wait_for_state
from .page import lines, open_voice_page, type_message
from .sound import silence, speak, write_wave


async def notice(page, text: str, *, timeout: float = 10) -> None:
    await page.locator("#notice:not([hidden])", has_text=text).wait_for(timeout=timeout * 1000)


async def typing_works(page) -> None:
    before = len(await lines(page, speaker="model"))
    await type_message(page, "Who are you?")
    await page.locator(".line-model").nth(before).wait_for()


@pytest.mark.parametrize(
    ("switches", "sentence"),
    [(DENIED_MICROPHONE, "allow Microphone"), (NO_MICROPHONE, "No microphone was found")],
    ids=["blocked", "missing"],
)
async def test_without_a_microphone(switches, sentence, server):
    async with open_page(*switches) as page:
        await open_voice_page(page, server)
        await page.click("#start")
        await notice(page, sentence)
        await wait_for_state(page, "error")
        assert await page.get_by_role("button", name="Try again").is_visible()
        await typing_works(page)


async def test_insecure_page(make_server):
    server = make_server(ALLOWED_HOSTS="voice.test,localhost", ALLOWED_ORIGINS="http://voice.test")
    async with open_page(*FAKE_MICROPHONE, "--host-resolver-rules=MAP voice.test 127.0.0.1") as page:
        await page.goto(f"http://voice.test:{server.port}")
        await page.click("#start")
        await notice(page, "https://")


async def test_dead_microphone(server, tmp_path):
    wave = write_wave(tmp_path / "zeros.wav", silence(30))
    async with open_page(microphone=wave) as page:
        await open_voice_page(page, server)
        await page.click("#start")
        await notice(page, "We hear nothing", timeout=15)
        await typing_works(page)


async def test_microphone_that_wakes_up_takes_the_warning_away(server, tmp_path):
    wave = write_wave(tmp_path / "late.wav", silence(6), speak("What's the weather in New York?"), silence(60))
    async with open_page(microphone=wave) as page:
        await open_voice_page(page, server)
        await page.click("#start")
        await notice(page, "We hear nothing", timeout=15)
        await page.locator("#notice").wait_for(state="hidden")


async def test_server_goes_away_and_comes_back(make_server, tmp_path):
    server = make_server()
    wave = write_wave(tmp_path / "question.wav", silence(60))
    async with open_page(microphone=wave) as page:
        wire = await open_voice_page(page, server)
        await type_message(page, "Tell me a long story")
        await wait_for_state(page, "speaking")
        server.stop(signal.SIGKILL)
        await wait_for_state(page, "reconnecting")
        assert "Reconnecting (1 of 5)" in await page.inner_text("#label")
        server.start()
        await wait_for_state(page, "listening", "speaking", timeout=20)
        assert len(set(wire.urls)) == 1  # the same session
        await typing_works(page)
        said = await lines(page, speaker="user")
        assert said == ["Tell me a long story", "Who are you?"]


async def test_server_that_is_away_is_named(make_server):
    server = make_server()
    async with open_page() as page:
        await open_voice_page(page, server)
        server.stop()
        await page.click("#start")
        await notice(page, "server does not answer")
        await wait_for_state(page, "error")
        await type_message(page, "Who are you?")
        await notice(page, "server does not answer")
        assert await page.input_value("#text") == "Who are you?"
        assert await lines(page, speaker="user") == []  # it stands in the composer, not in the transcript
        server.start()
        await page.press("#text", "Enter")
        await page.locator(".line-model").first.wait_for()
        assert await lines(page, speaker="user") == ["Who are you?"]


async def test_session_deleted_elsewhere(server):
    async with open_page() as page:
        wire = await open_voice_page(page, server)
        await typing_works(page)
        httpx2.delete(f"{server.url}/api/sessions/{wire.session_id}").raise_for_status()
        await notice(page, "Start a new one")
        await typing_works(page)
        assert len(set(wire.urls)) == 2


@pytest.fixture
def server_without_gemini(make_server) -> Server:
    nobody = f"https://127.0.0.1:{free_port()}"
    return make_server(GEMINI_API_KEY="test", GEMINI_BASE_URL=nobody, GEMINI_CONNECT_TIMEOUT="2")


async def test_gemini_that_cannot_be_reached(server_without_gemini):
    async with open_page() as page:
        wire = await open_voice_page(page, server_without_gemini)
        assert not await page.locator("#offline").is_visible()
        await type_message(page, "Hello")
        await wait_for_state(page, "error", timeout=60)
        reason = next(m["data"]["reason"] for m in wire.received if m["data"].get("status") == "ERROR")
        await notice(page, reason)
        assert await page.input_value("#text") == "Hello"
