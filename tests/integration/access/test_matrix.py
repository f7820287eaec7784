"""Who may do what over HTTP: every route × every verb × every caller × both modes, generated from the URLconf.

A route without a row in `ROUTES` fails the test. A row says, for each verb, the status in `open` mode | in `login` mode
(only one side: the same in both) for five callers:

    anonymous, the owner, another user, staff, a program with the owner's token

"*" stands for the verbs that the row does not name; HEAD is as GET unless it is named. What a request is about is the
owner's.
"""

import json
import uuid
from collections.abc import Iterator

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import URLPattern, get_resolver
from knox.models import AuthToken

from sessions_app.models import LiveSession

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::google.genai.errors.ExperimentalWarning"),
]

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
CALLERS = ("anonymous", "owner", "other", "staff", "token")
ALL = "200 200 200 200 200"
ALL_WITH_ACCOUNT = "200 200 200 200 200 | 401 200 200 200 200"
ONLY_ITS_OWNER = "404 200 404 404 200 | 401 200 404 404 200"
NO_SUCH_VERB = "405 405 405 405 405"
NO_SUCH_VERB_OF_REST = "405 405 405 405 405 | 401 405 405 405 405"
REST = {"*": NO_SUCH_VERB_OF_REST, "OPTIONS": ALL_WITH_ACCOUNT}
ROUTES = {
    # For everybody.
    "health": {"GET": ALL, "*": NO_SUCH_VERB},
    "jsi18n": {"GET": ALL, "OPTIONS": ALL, "*": NO_SUCH_VERB},
    "favicon.ico": {"GET": "302 302 302 302 302", "*": NO_SUCH_VERB},
    # For Prometheus there are other ways in: tests/integration/test_metrics.py.
    "metrics": {"GET": "404 404 404 200 404", "*": NO_SUCH_VERB},
    # Pages know cookies only; who is logged in is sent on to the voice page.
    "": {"GET": "200 200 200 200 200 | 302 200 200 200 302", "*": NO_SUCH_VERB},
    "login": {
        **dict.fromkeys(("GET", "POST", "PUT", "OPTIONS"), "200 302 302 302 200"),
        "*": "405 302 302 302 405",
    },
    "logout": {"POST": "302 302 302 302 302", "OPTIONS": ALL, "*": NO_SUCH_VERB},
    "admin/": {"*": "302 302 302 200 302"},
    # REST.
    "api/sessions": {"GET": ALL_WITH_ACCOUNT, "POST": ALL_WITH_ACCOUNT, **REST},
    # 400: the body's field is not one that can be changed.
    "api/sessions/<str:session_id>": {
        "GET": ONLY_ITS_OWNER, "DELETE": ONLY_ITS_OWNER,
        "PATCH": "404 400 404 404 400 | 401 400 404 404 400", **REST,
    },
    "api/sessions/<str:session_id>/transcript": {"GET": ONLY_ITS_OWNER, **REST},
    "api/sessions/<str:session_id>/export": {"GET": ONLY_ITS_OWNER, **REST},
    "api/sessions/<str:session_id>/ticket": {"POST": ONLY_ITS_OWNER, **REST},
    "api/ephemeral-tokens": {"POST": ONLY_ITS_OWNER, **REST},
    "api/tools": {"GET": ALL_WITH_ACCOUNT, **REST},
    # 404: there is no such tool, and only staff is told so.
    "api/tools/<str:name>/call": {
        "POST": "403 403 403 404 403 | 401 403 403 404 403", "OPTIONS": "403 403 403 200 403 | 401 403 403 200 403",
        "*": "403 403 403 405 403 | 401 403 403 405 403",
    },
    "api/tool-calls": {"GET": ALL_WITH_ACCOUNT, **REST},
    "api/usage": {"GET": ALL_WITH_ACCOUNT, **REST},
    "api/schema": {"GET": ALL_WITH_ACCOUNT, **REST},
    "api/docs": {"GET": ALL_WITH_ACCOUNT, **REST},
    "api/^": {
        "HEAD": NO_SUCH_VERB_OF_REST, "OPTIONS": ALL_WITH_ACCOUNT, "*": "404 404 404 404 404 | 401 404 404 404 404",
    },
}  # fmt: skip


def routes(patterns=None, prefix: str = "") -> Iterator[str]:
    """Of the URLconf; the admin's own are one: Django's permissions hold there."""
    for entry in patterns or get_resolver().url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern) or route == "admin/":
            yield route
        else:
            yield from routes(entry.url_patterns, route)


@pytest.fixture
def people():
    users = get_user_model().objects
    return {
        "owner": users.create_user("owner"),
        "other": users.create_user("other"),
        "staff": users.create_user("staff", is_staff=True),
    }


def client_of(caller: str, people, **options) -> Client:
    client = Client(**options)
    if caller == "token":
        _, token = AuthToken.objects.create(people["owner"])
        client.defaults["HTTP_AUTHORIZATION"] = f"Token {token}"
    elif caller != "anonymous":
        client.force_login(people[caller])
    return client


def ask(client: Client, route: str, verb: str, session: LiveSession):
    path = {"api/^": "api/nothing-here"}.get(route, route)
    path = path.replace("<str:session_id>", str(session.pk)).replace("<str:name>", "no_such_tool")
    body = {"sessionId": str(session.pk)} if verb in ("POST", "PUT", "PATCH") else ""
    return client.generic(verb, f"/{path}", json.dumps(body) if body else "", content_type="application/json")


def expected(row: dict[str, str], verb: str, mode: str) -> list[int]:
    as_get = row.get("GET", row["*"]) if verb == "HEAD" else row["*"]
    cell = row.get(verb, as_get).split(" | ")
    return [int(status) for status in cell[mode == "login" and len(cell) == 2].split()]


def test_every_route_has_a_row_and_every_row_a_route():
    assert set(routes()) == set(ROUTES)


@pytest.mark.parametrize("mode", ["open", "login"])
@pytest.mark.parametrize("route", ROUTES)
def test_who_may_do_what(route, mode, people, settings, gemini):
    settings.GEMLIVE_ACCESS = mode
    for verb in VERBS:
        statuses = []
        for caller in CALLERS:
            session = LiveSession.objects.create(user=people["owner"])
            answer = ask(client_of(caller, people), route, verb, session)
            statuses.append(answer.status_code)
            if answer.status_code == 401:
                assert answer.headers["www-authenticate"] == "Token"
                if verb != "HEAD" and route != "api/docs":  # a page
                    assert answer.json()["code"] == "not_authenticated"
        assert statuses == expected(ROUTES[route], verb, mode), (verb, CALLERS)


@pytest.mark.parametrize("route", ROUTES)
def test_nothing_unsafe_is_done_for_a_cookie_without_a_csrf_token(route, people):
    client = client_of("owner", people, enforce_csrf_checks=True)
    session = LiveSession.objects.create(user=people["owner"])
    for verb in ("POST", "PUT", "PATCH", "DELETE"):
        assert ask(client, route, verb, session).status_code == 403, verb
    assert list(LiveSession.objects.all()) == [session]


@pytest.mark.parametrize("mode", ["open", "login"])
def test_a_session_without_an_account(mode, people, settings):
    """Who holds its id in `open` mode; nobody, whatever he holds, where people have accounts."""
    settings.GEMLIVE_ACCESS = mode
    session = LiveSession.objects.create()
    seen = [ask(client_of(caller, people), "api/sessions/<str:session_id>", "GET", session) for caller in CALLERS]
    anonymous = 200 if mode == "open" else 401
    assert [answer.status_code for answer in seen] == [anonymous, *[200 if mode == "open" else 404] * 4]


def test_an_id_that_is_guessed_says_no_more_than_one_that_is_not_there(people, settings):
    settings.GEMLIVE_ACCESS = "login"
    client = client_of("other", people)
    session = LiveSession.objects.create(user=people["owner"])
    foreign, unknown = (client.get(f"/api/sessions/{key}") for key in (session.pk, uuid.uuid4()))
    assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content)
