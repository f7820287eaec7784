"""Logging in and out as people do, and what the page says to who is not logged in any more."""

import signal
from collections.abc import Iterator

import pytest
from playwright.async_api import Page

from tests.server import Server

from .browser import open_page, wait_for_state
from .faults import clock_held, notice
from .looks import Looks
from .page import lines, open_voice_page, type_message


@pytest.fixture(scope="module")
def guarded(make_server) -> Iterator[Server]:
    """Only for who has an account: ada, with the password "enter"."""
    server = make_server(GEMLIVE_ACCESS="login", DJANGO_SUPERUSER_PASSWORD="enter", HOUSEKEEPING_SECONDS="0.5")
    server.manage("createsuperuser", "--noinput", "--username=ada", "--email=ada@example.com")
    yield server
    server.stop()


async def log_in(page: Page, password: str = "enter") -> None:
    await page.get_by_label("User name").fill("ada")
    await page.get_by_label("Password").fill(password)
    await page.get_by_label("Password").press("Enter")


async def enter(page: Page, guarded: Server) -> None:
    """To the voice page, by way of the login."""
    await open_voice_page(page, guarded)
    await log_in(page)
    await page.wait_for_url(f"{guarded.url}/")


@pytest.mark.parametrize("script", [True, False])
async def test_a_person_logs_in_and_out(guarded, script):
    async with open_page(tap=False, java_script_enabled=script) as page:
        await page.goto(f"{guarded.url}/?from=here")
        assert page.url.startswith(f"{guarded.url}/login")
        await log_in(page, "wrong")
        await page.get_by_text("Please enter a correct username and password").wait_for()
        await log_in(page)
        await page.wait_for_url(f"{guarded.url}/?from=here")
        await page.get_by_role("button", name="Log out ada").click()
        await page.get_by_label("User name").wait_for()


async def test_who_is_logged_in_converses_and_who_is_not_any_more_is_led_back(guarded):
    async with open_page() as page:
        await page.clock.install()
        await enter(page, guarded)
        await type_message(page, "Who are you?")
        await wait_for_state(page, "speaking")
        await wait_for_state(page, "listening")
        # The cookie is gone, and the next connection is refused (4401): the page says so, and keeps what was said.
        await page.context.clear_cookies()
        async with clock_held(page):
            guarded.stop(signal.SIGKILL)
            await wait_for_state(page, "reconnecting")
            guarded.start()
        await notice(page, "You are not logged in any more.", "Log in")
        assert await lines(page, speaker="user") == ["Who are you?"]
        await page.click("#notice-action")
        await log_in(page)
        # The same session goes on.
        await page.wait_for_url(f"{guarded.url}/")
        await page.get_by_text("Who are you?").first.wait_for()
        await page.click("#start")
        await wait_for_state(page, "listening")


# As another tab would: this one is not left.
LOG_OUT = """async () => {
  const form = document.querySelector("form[action='/logout']");
  await fetch(form.action, { method: "POST", body: new FormData(form) });
}"""


async def test_logging_out_elsewhere_ends_the_conversation_and_the_page_does_not_come_back_by_itself(guarded):
    async with open_page() as page:
        await enter(page, guarded)
        await type_message(page, "Who are you?")
        await wait_for_state(page, "speaking")
        await page.evaluate(LOG_OUT)
        await notice(page, "You are not logged in any more.", "Log in")
        assert await lines(page, speaker="user") == ["Who are you?"]


async def test_a_session_is_not_made_for_who_is_not_logged_in_any_more(guarded):
    async with open_page() as page:
        await enter(page, guarded)
        await page.context.clear_cookies()
        await page.click("#start")
        await notice(page, "You are not logged in.", "Log in")
        await page.click("#notice-action")
        await page.get_by_label("User name").wait_for()


async def test_it_fits_every_screen_and_can_be_read(guarded):
    async with open_page(tap=False) as page:
        looks = Looks(page)
        await page.goto(guarded.url)
        await looks.at("login")
        await log_in(page, "wrong")
        await page.get_by_role("alert").wait_for()
        await looks.at("login-wrong")
        await log_in(page)
        await page.wait_for_url(f"{guarded.url}/")
        await page.get_by_role("button", name="Start").wait_for()
        await looks.at("logged-in")
        await page.context.clear_cookies()
        for _ in range(5):
            await page.goto(f"{guarded.url}/admin/login/")
            await page.locator("#id_username").fill("bob")
            await page.locator("#id_password").fill("wrong")
            await page.locator("#id_password").press("Enter")
            await page.wait_for_load_state()
        await page.get_by_text("Too many wrong passwords").wait_for()
        await looks.at("locked-out")
    assert looks.findings == []
