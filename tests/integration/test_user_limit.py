"""How many conversations one account may have open."""

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.test import Client

from tests.integration.caller import Caller

pytestmark = pytest.mark.django_db(transaction=True)


class LoggedIn(Caller):
    def __init__(self, cookie: str):
        super().__init__()
        headers = [*self.socket.scope["headers"], (b"cookie", cookie.encode())]
        self.socket = WebsocketCommunicator(self.socket.application, "/ws", headers)


@pytest.fixture
def cookies():
    def log_in(name: str) -> str:
        client = Client()
        client.force_login(get_user_model().objects.create_user(name))
        return f"{django_settings.SESSION_COOKIE_NAME}={client.cookies[django_settings.SESSION_COOKIE_NAME].value}"

    return {name: log_in(name) for name in ("ada", "bob")}


async def test_a_user_gets_so_many_and_is_told_why(cookies, settings):
    settings.CONNECTIONS_PER_USER = 2
    async with LoggedIn(cookies["ada"]) as one, LoggedIn(cookies["ada"]) as two:
        for caller in (one, two):
            await caller.until("status", status="CONNECTING")
        async with LoggedIn(cookies["ada"]) as three:
            await three.until("error", code="too_many_of_user")
            assert await three.until_closed() == 4429
        for other in (LoggedIn(cookies["bob"]), Caller()):
            async with other as caller:
                await caller.until("status", status="CONNECTING")
    async with LoggedIn(cookies["ada"]) as four:
        await four.until("status", status="CONNECTING")
