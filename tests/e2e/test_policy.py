"""Every page works under the content security policy."""

import sqlite3
from collections.abc import Iterator

import pytest
from playwright.async_api import Request

from tests.server import Server

from .browser import open_page, wait_for_state
from .page import open_voice_page, tool_card, type_message

# Each of them once, as an operator comes to it; "{}" is the first row's key.
ADMIN_PAGES = [
    "", "sessions_app/livesession/", "sessions_app/livesession/{}/change/", "sessions_app/livesession/{}/delete/",
    "tools_app/tool/", "tools_app/tool/get_weather/change/", "tools_app/toolcall/", "tools_app/toolcall/{}/change/",
    "tools_app/metric/", "tools_app/metric/{}/change/", "tools_app/metric/add/",
    "tools_app/knowledgedocument/", "tools_app/knowledgedocument/{}/change/", "tools_app/knowledgedocument/upload/",
    "auth/user/", "auth/user/add/", "auth/user/{}/change/", "auth/user/{}/password/", "auth/group/add/",
    "knox/authtoken/", "knox/authtoken/add/", "axes/accessattempt/", "password_change/",
]  # fmt: skip


@pytest.fixture(scope="module")
def admin_server(make_server) -> Iterator[Server]:
    """One with somebody who may log in: ada, with the password "enter"."""
    server = make_server(DJANGO_SUPERUSER_PASSWORD="enter")
    server.manage("createsuperuser", "--noinput", "--username=ada", "--email=ada@example.com")
    yield server
    server.stop()


def first_key(server: Server, address: str) -> str:
    table = "_".join(address.split("/")[:2])
    database = sqlite3.connect(server.environment["DATABASE_URL"].removeprefix("sqlite:///"))
    (key,) = database.execute(f"SELECT id FROM {table} LIMIT 1").fetchone()
    database.close()
    return str(key)


def was_refused(request: Request) -> bool:
    """An icon that was on its way when the next page was opened was not."""
    return "/admin/" in request.frame.url and request.failure != "net::ERR_ABORTED"


async def test_a_conversation_and_the_whole_admin_keep_to_the_policy(admin_server):
    """`open_page` fails for a breach: an inline script or style, anything from elsewhere."""
    refused: list[str] = []
    async with open_page() as page:
        page.on("requestfailed", lambda request: refused.append(request.url) if was_refused(request) else None)
        page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
        await open_voice_page(page, admin_server)
        await page.click("#start")
        await wait_for_state(page, "listening")
        await type_message(page, "What's the weather in London?")
        await tool_card(page, "get_weather")
        await wait_for_state(page, "speaking")
        await page.click("#end")
        await wait_for_state(page, "idle")

        admin = f"{admin_server.url}/admin/"
        await page.goto(admin)
        await page.fill("#id_username", "ada")
        await page.fill("#id_password", "enter")
        await page.click("[type=submit]")
        await page.get_by_role("heading", name="What was said, what was called, what is known").wait_for()
        for address in ADMIN_PAGES:
            await page.goto(admin + (address.format(first_key(admin_server, address)) if "{}" in address else address))
            await page.locator("#content h1").wait_for()
        await page.goto(f"{admin}tools_app/tool/")
        await page.locator("svg.calls-bars rect.calls-ok").first.wait_for()
    assert refused == []


async def with_an_inline_style(server: Server) -> None:
    async with open_page(tap=False) as page:
        await open_voice_page(page, server)
        await page.evaluate("() => document.body.setAttribute('style', 'color: red')")
        await wait_for_state(page, "idle")


async def test_what_the_policy_forbids_is_seen(server):
    """The guard of `open_page` is no dead one."""
    with pytest.raises(AssertionError, match="Content Security Policy"):
        await with_an_inline_style(server)
