"""A WebSocket lives no longer than the login that it came in by, in whichever process that ends."""

import asyncio
import re
from contextlib import AsyncExitStack, ExitStack
from datetime import timedelta

import httpx2
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from websockets.asyncio.client import connect

from sessions_app.access import tickets
from sessions_app.live_here import here
from sessions_app.models import LiveSession
from tests.integration.caller import ORIGIN, Caller
from tests.processes import on_each_server, running, until
from tests.server import Server
from tests.waiting import GIVE_UP_SECONDS

from .accounts import with_ada

pytestmark = pytest.mark.django_db(transaction=True)
HERS = {"her browser", "her phone", "her program"}


def log_out(client: Client, ada) -> None:
    client.post("/logout")


def log_out_of_the_admin(client: Client, ada) -> None:
    client.post("/admin/logout/")


def expire(client: Client, ada) -> None:
    mine = Session.objects.filter(session_key=client.cookies["sessionid"].value)
    mine.update(expire_date=timezone.now() - timedelta(seconds=1))


def change_her_password(client: Client, ada) -> None:
    ada.set_password("another")
    ada.save()


def close_her_account(client: Client, ada) -> None:
    ada.is_active = False
    ada.save()


def delete_her_account(client: Client, ada) -> None:
    ada.delete()


def change_her_name(client: Client, ada) -> None:
    ada.first_name = "Ada"
    ada.save()


@pytest.mark.parametrize(
    ("act", "ended"),
    [
        (log_out, {"her browser"}),
        (log_out_of_the_admin, {"her browser"}),
        (expire, {"her browser"}),
        (change_her_password, HERS),
        (close_her_account, HERS),
        (delete_her_account, HERS),
        (change_her_name, set()),
    ],
)
async def test_what_a_login_opened_ends_with_it_and_nothing_else_does(act, ended):
    create = get_user_model().objects.acreate_user
    ada, bob = await create("ada", is_staff=True), await create("bob")
    clients = {"her browser": Client(), "her phone": Client(), "his browser": Client()}
    for name, client in clients.items():
        await sync_to_async(client.force_login)(bob if name == "his browser" else ada)
    callers = {name: Caller(cookie=client.cookies["sessionid"].value) for name, client in clients.items()}
    session = await LiveSession.objects.acreate(user=ada)
    callers["her program"] = Caller(str(session.pk), origin=None, ticket=tickets.issue(session, ada))
    callers["nobody"] = Caller()
    async with AsyncExitStack() as stack:
        for caller in callers.values():
            await stack.enter_async_context(caller)
            await caller.until("status", status="CONNECTING")
        await sync_to_async(act)(clients["her browser"], ada)
        await asyncio.to_thread(here.look_at_logins)
        for name, caller in callers.items():
            if name in ended:
                await caller.until("error", code="logged_out")
                assert await caller.until_closed() == 4401
            else:
                await caller.send("ping")
                await caller.until("pong")


def post(browser: httpx2.Client, server: Server, path: str, **form: str) -> None:
    """Cookies are for the host: one of all its ports."""
    page = browser.get(f"{server.url}/login" if form else server.url).text
    [token] = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page))
    answer = browser.post(f"{server.url}{path}", data=form | {"csrfmiddlewaretoken": token})
    assert answer.status_code == 302, answer.text


def call(browser: httpx2.Client, server: Server) -> connect:
    cookie = {"Cookie": f"sessionid={browser.cookies['sessionid']}"}
    return connect(f"ws://127.0.0.1:{server.port}/ws", origin=ORIGIN, additional_headers=cookie, proxy=None)


@on_each_server
async def test_logging_out_at_one_process_ends_a_conversation_in_another(environment, command, tmp_path):
    environment |= {"GEMLIVE_ACCESS": "login", "HOUSEKEEPING_SECONDS": "0.2"}
    with_ada(environment)
    with (
        running(environment, command, tmp_path / "log") as server,
        running(environment, command, tmp_path / "other") as other,
        ExitStack() as stack,
    ):
        browser, phone = (stack.enter_context(httpx2.Client()) for _ in range(2))
        for client in (browser, phone):
            post(client, server, "/login", username="ada", password="enter")
        async with asyncio.timeout(GIVE_UP_SECONDS), call(browser, server) as mine, call(phone, server) as another:
            session_id = (await until(mine, "status", status="CONNECTING"))["sessionId"]
            for socket in (mine, another):
                await socket.send('{"type": "connect"}')
                await until(socket, "status", status="CONNECTED")
            post(browser, other, "/logout")
            await until(mine, "error", code="logged_out")
            await mine.wait_closed()
            assert mine.close_code == 4401
            await another.send('{"type": "text", "data": {"text": "hello"}}')
            await until(another, "turn", state="complete")
            # Nothing is lost: the session pauses, and goes on after the next login.
            session = f"{server.url}/api/sessions/{session_id}"
            while phone.get(session).json()["status"] != "paused":
                await asyncio.sleep(0.05)  # another process writes it
