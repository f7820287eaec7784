"""One form of error everywhere below /api/, and how many requests may be made."""

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import DatabaseError
from django.test import Client

from sessions_app import access
from sessions_app.models import LiveSession

pytestmark = pytest.mark.django_db
JSON = "application/json"


def test_one_form_whatever_is_wrong():
    client = Client(raise_request_exception=False)
    deep = '{"title":' * 100 + "1" + "}" * 100
    session = LiveSession.objects.create().pk
    asked = [
        (client.get("/api/nothing"), 404, "not_found"),
        (client.get("/api/"), 404, "not_found"),
        (client.delete("/api/nothing"), 404, "not_found"),
        (client.get(f"/api/sessions/{'x' * 3000}"), 404, "session_not_found"),
        (client.get("/api/sessions/ü%00"), 404, "session_not_found"),
        (client.put("/api/sessions", "{}", content_type=JSON), 405, "method_not_allowed"),
        (client.generic("TRACE", "/api/usage"), 405, "method_not_allowed"),
        (client.post("/api/sessions", "a=b", content_type="text/plain"), 415, "unsupported_media_type"),
        (client.post("/api/sessions", b"\xff\xfe", content_type=JSON), 400, "parse_error"),
        (client.post("/api/sessions", '{"userId": NaN}', content_type=JSON), 400, "parse_error"),
        (client.post("/api/sessions", "[]", content_type=JSON), 400, "invalid"),
        (client.post("/api/sessions", '{"tools": ["x", 7]}', content_type=JSON), 400, "invalid"),
        (client.patch(f"/api/sessions/{session}", deep, content_type=JSON), 400, "too_deep"),
        (client.get("/api/usage", headers={"accept": "text/html"}), 406, "not_acceptable"),
        (client.post("/api/tools/get_weather/call", "{}", content_type=JSON), 403, "permission_denied"),
        (client.get("/api/usage?since=x"), 400, "invalid"),
        (client.get("/api/sessions", headers={"host": "evil.example"}), 400, "bad_request"),
    ]  # fmt: skip
    for answer, status, code in asked:
        path = answer.request["PATH_INFO"]
        assert answer.headers["content-type"] == JSON, path
        body = answer.json()
        assert (answer.status_code, body["code"]) == (status, code), (path, body)
        assert body["detail"].endswith("."), body
        assert set(body) <= {"detail", "code", "fields"}


def test_what_is_wrong_inside_a_field_says_where():
    answer = Client().post("/api/sessions", '{"tools": ["x", 7, {}], "voice": 7}', content_type=JSON).json()
    assert set(answer["fields"]) == {"tools.1", "tools.2", "voice"}
    assert "tools.1: Not a valid string." in answer["detail"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(ZeroDivisionError("secret"), 500, "server_error"), (DatabaseError("secret"), 503, "database_unavailable")],
)
def test_a_failure_of_the_server_gives_nothing_away(monkeypatch, error, status, code):
    def fail(*args):
        raise error

    monkeypatch.setattr(access, "find_session", fail)
    answer = Client(raise_request_exception=False).get("/api/sessions/x")
    assert (answer.status_code, answer.headers["content-type"]) == (status, JSON)
    assert answer.json()["code"] == code
    assert "secret" not in answer.content.decode()


def test_elsewhere_django_answers_as_ever():
    answer = Client().get("/admin/", headers={"host": "evil.example"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")


# --- How many -----------------------------------------------------------------------------------------------------


@pytest.fixture
def rates(settings):
    cache.clear()
    settings.API_RATES = {"user": "4/h", "anonymous": "3/h", "sessions": "2/h"}
    yield
    cache.clear()


def requests_until_refused(client: Client, method: str = "get", url: str = "/api/usage", **extra) -> int:
    for number in range(10):
        answer = getattr(client, method)(url, **extra)
        if answer.status_code == 429:
            assert answer.json()["code"] == "throttled"
            assert answer.json()["detail"]
            assert 0 < int(answer.headers["retry-after"]) <= 3600
            return number
    return 10


def test_an_account_and_an_address_without_one_have_a_rate_each(rates):
    assert requests_until_refused(Client()) == 3
    assert requests_until_refused(Client(), REMOTE_ADDR="203.0.113.9") == 3
    for name in ("ada", "bob"):
        client = Client()
        client.force_login(User.objects.create_user(name))
        assert requests_until_refused(client) == 4


def test_making_sessions_has_a_rate_of_its_own(rates):
    client = Client()
    assert requests_until_refused(client, "post", "/api/sessions", content_type=JSON) == 2
    client.force_login(User.objects.create_user("ada"))
    assert requests_until_refused(client, "post", "/api/sessions", content_type=JSON) == 2
    assert LiveSession.objects.count() == 4


def test_an_address_cannot_be_made_up(rates):
    """Without a proxy that we know of, X-Forwarded-For is what the caller says."""
    for number in range(3):
        assert Client().get("/api/usage", headers={"x-forwarded-for": f"203.0.113.{number}"}).status_code == 200
    assert Client().get("/api/usage", headers={"x-forwarded-for": "203.0.113.99"}).status_code == 429


def test_a_cache_that_is_away_refuses_nobody(settings):
    settings.API_RATES = dict.fromkeys(settings.API_RATES, "1/h")
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }
    assert requests_until_refused(Client()) == 10
