"""The WebSocket's door, in this process: accounts, tickets, and what a refusal says."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.signing import TimestampSigner
from django.test import Client
from knox.models import AuthToken

from sessions_app.access import tickets
from sessions_app.models import LiveSession
from tests.integration.caller import Caller
from tests.server import free_port
from tests.waiting import GIVE_UP_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)

STRANGE = "https://evil.example"


@pytest.fixture(autouse=True)
def fresh_cache():
    cache.clear()


@pytest.fixture
def login_mode(settings):
    settings.GEMLIVE_ACCESS = "login"


@pytest.fixture
def ada():
    return get_user_model().objects.create_user("ada")


def program(user) -> Client:
    _, token = AuthToken.objects.create(user)
    return Client(headers={"authorization": f"Token {token}"})


@pytest.fixture
def made(ada, login_mode) -> dict:
    """What ada's program got from POST /api/sessions."""
    return program(ada).post("/api/sessions", content_type="application/json").json()


async def is_refused(caller: Caller) -> bool:
    """In the handshake."""
    accepted, _ = await caller.socket.connect(timeout=GIVE_UP_SECONDS)
    return not accepted


async def refusal(caller: Caller) -> tuple[str, int]:
    async with caller:
        code = (await caller.until("error"))["data"]["code"]
        return code, await caller.until_closed()


async def opens(caller: Caller) -> bool:
    async with caller:
        return (await caller.receive())["data"]["status"] == "CONNECTING"


# --- Without a ticket ------------------------------------------------------------------------------------------


async def test_an_anonymous_caller_is_told_to_log_in_and_makes_no_session(login_mode):
    assert await refusal(Caller()) == ("login_required", 4401)
    assert not await LiveSession.objects.aexists()


@pytest.mark.parametrize(("who", "mode", "answer"), [
    ("ada", "login", None), ("ada", "open", None),
    ("bob", "login", ("session_not_found", 4404)), ("bob", "open", ("session_not_found", 4404)),
    ("", "login", ("login_required", 4401)), ("", "open", ("session_not_found", 4404)),
])  # fmt: skip
async def test_a_session_opens_for_the_cookie_of_its_owner_only(who, mode, answer, settings, ada):
    settings.GEMLIVE_ACCESS = mode
    session = await LiveSession.objects.acreate(user=ada)
    cookie = ""
    if who:
        user, _ = await get_user_model().objects.aget_or_create(username=who)
        client = Client()
        await sync_to_async(client.force_login)(user)
        cookie = client.cookies["sessionid"].value
    caller = Caller(str(session.pk), cookie=cookie)
    if answer:
        assert await refusal(caller) == answer
    else:
        assert await opens(caller)


async def test_a_session_without_an_account_is_nobodys_where_people_log_in(ada, login_mode):
    session = await LiveSession.objects.acreate()
    client = Client()
    await sync_to_async(client.force_login)(ada)
    assert await refusal(Caller(str(session.pk), cookie=client.cookies["sessionid"].value)) == (
        "session_not_found", 4404,
    )  # fmt: skip


async def test_an_account_that_was_closed_opens_nothing(ada, login_mode):
    client = Client()
    await sync_to_async(client.force_login)(ada)
    ada.is_active = False
    await ada.asave()
    assert await refusal(Caller(cookie=client.cookies["sessionid"].value)) == ("login_required", 4401)


# --- With one --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", [None, "null", "http://[", STRANGE, "http://localhost:3000"])
async def test_a_ticket_stands_for_its_user_from_anywhere(origin, made, ada, gemini):
    async with Caller(made["sessionId"], origin=origin, ticket=made["ticket"], binary=True) as caller:
        assert caller.subprotocol == "gemlive.v1"
        await caller.converse()
    assert (await LiveSession.objects.aget()).user_id == ada.pk


async def test_a_ticket_alone_is_not_echoed_and_audio_is_classic(made, gemini):
    async with Caller(made["sessionId"], origin=None, ticket=made["ticket"]) as caller:
        assert caller.subprotocol is None
        await caller.converse()
        await caller.ask("hello")
        assert caller.of_type("audio")


async def test_a_ticket_may_be_a_query_parameter(made):
    assert await opens(Caller(f"{made['sessionId']}&ticket={made['ticket']}", origin=None))


@pytest.mark.parametrize("headers", [{}, {"x-forwarded-proto": "https"}])
def test_the_address_is_that_of_the_request(headers, ada, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    made = (
        program(ada)
        .post("/api/sessions", content_type="application/json", headers={**headers, "host": "testserver:3001"})
        .json()
    )
    scheme = "wss" if headers else "ws"
    assert made["wsUrl"] == f"{scheme}://testserver:3001/ws?sessionId={made['sessionId']}"


async def test_a_ticket_works_once(made):
    async with Caller(made["sessionId"], origin=None, ticket=made["ticket"]):
        pass
    assert await refusal(Caller(made["sessionId"], ticket=made["ticket"])) == ("ticket_refused", 4401)
    assert await is_refused(Caller(made["sessionId"], origin=None, ticket=made["ticket"]))


async def test_of_many_at_once_one_comes_in(made):
    callers = [Caller(made["sessionId"], origin=None, ticket=made["ticket"]) for _ in range(10)]
    accepted = await asyncio.gather(*[caller.socket.connect(timeout=GIVE_UP_SECONDS) for caller in callers])
    assert sorted(yes for yes, _ in accepted) == [False] * 9 + [True]
    for caller, (yes, _) in zip(callers, accepted, strict=True):
        if yes:
            await caller.socket.disconnect()


async def test_another_ticket_brings_a_client_back(made, ada):
    async with Caller(made["sessionId"], origin=None, ticket=made["ticket"]):
        pass
    client = await sync_to_async(program)(ada)
    again = (
        await sync_to_async(client.post)(f"/api/sessions/{made['sessionId']}/ticket", content_type="application/json")
    ).json()
    assert again["wsUrl"] == made["wsUrl"]
    assert await opens(Caller(made["sessionId"], origin=None, ticket=again["ticket"]))


def test_there_is_no_ticket_for_a_session_that_has_ended(ada, login_mode):
    session = LiveSession.objects.create(user=ada, status=LiveSession.Status.ENDED)
    answer = program(ada).post(f"/api/sessions/{session.pk}/ticket", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "session_ended")


def forged(made, settings) -> str:
    value, stamp, signature = made["ticket"].rsplit(".", 2)
    session, number, _ = value.split("_")
    return f"{session}_{number}_{9999}.{stamp}.{signature}"


def of_another_session(made, settings) -> str:
    return tickets.issue(LiveSession.objects.create(), None)


def signed_for_something_else(made, settings) -> str:
    return TimestampSigner(sep=".", salt="another").sign(made["ticket"].rsplit(".", 2)[0])


def expired(made, settings) -> str:
    settings.TICKET_SECONDS = -1
    return made["ticket"]


def of_a_closed_account(made, settings) -> str:
    get_user_model().objects.update(is_active=False)
    return made["ticket"]


def no_ticket_at_all(made, settings) -> str:
    return "x"


@pytest.mark.parametrize("spoil", [
    forged, of_another_session, signed_for_something_else, expired, of_a_closed_account, no_ticket_at_all,
])  # fmt: skip
async def test_a_ticket_that_is_none_opens_nothing(spoil, made, settings, ada):
    """From a page that may call it is told; from anywhere else the handshake is refused."""
    ticket = await sync_to_async(spoil)(made, settings)
    assert await is_refused(Caller(made["sessionId"], origin=STRANGE, ticket=ticket))
    assert await is_refused(Caller(made["sessionId"], origin=None, ticket=ticket))
    assert await refusal(Caller(made["sessionId"], ticket=ticket)) == ("ticket_refused", 4401)
    session = await LiveSession.objects.aget(pk=made["sessionId"])
    assert session.generation == 0  # nobody has carried it


async def test_without_its_cache_the_server_lets_no_ticket_pass_and_says_so(made, settings, caplog):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": f"redis://127.0.0.1:{free_port()}/0",
        }
    }
    caller = Caller(made["sessionId"], origin=None, ticket=made["ticket"])
    assert await refusal(caller) == ("cache_unavailable", 4412)
    assert "Traceback" not in caplog.text


async def test_in_open_mode_a_ticket_without_a_user_opens_its_session(settings):
    made = (await sync_to_async(Client().post)("/api/sessions", content_type="application/json")).json()
    assert await opens(Caller(made["sessionId"], origin=STRANGE, ticket=made["ticket"]))
    assert await opens(Caller(made["sessionId"]))  # as the seed's client does: by the id alone


async def test_a_ticket_without_a_user_opens_nothing_where_people_log_in(login_mode):
    session = await LiveSession.objects.acreate()
    ticket = await sync_to_async(tickets.issue)(session, None)
    assert await refusal(Caller(str(session.pk), origin=None, ticket=ticket)) == ("login_required", 4401)
