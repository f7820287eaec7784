"""Whatever a record holds, its line is one line, names its session, and keeps secrets to itself."""

import json
import logging
import sys

import pytest

from sessions_app import logs

HOSTILE = "ada\r\n2026-01-01 00:00:00,000 ERROR root: forged\x1b[2J\x1b[31m\u2028\x85\x00"


def line() -> logging.Formatter:
    return logs.LineFormatter("{asctime} {levelname} {name}: {message}", style="{")


FORMATTERS = pytest.mark.parametrize("formatter", [line(), logs.JsonFormatter()], ids=["line", "json"])


def record(message: str, *args, **attributes) -> logging.LogRecord:
    made = logging.LogRecord("shop", logging.INFO, __file__, 1, message, args, attributes.pop("exc_info", None))
    made.__dict__.update(attributes)
    return made


@FORMATTERS
def test_what_a_client_says_stays_on_one_line(formatter):
    text = formatter.format(record("Hello %s", HOSTILE))
    assert len(text.splitlines()) == 1
    assert not logs.CONTROLS.search(text)
    assert "forged" in text


def test_a_traceback_cannot_forge_a_line():
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        exc_info = sys.exc_info()
    first, *rest = line().format(record("It broke", exc_info=exc_info)).splitlines()
    assert first.endswith("shop: It broke")
    assert rest
    assert all(row.startswith("    ") for row in rest)
    assert len(logs.JsonFormatter().format(record("It broke", exc_info=exc_info)).splitlines()) == 1


@pytest.fixture(autouse=True)
def nobodys():
    """Another test's session and request may be left over."""
    logs.session_id.set("")
    logs.request_id.set("")


def test_json_has_a_name_for_everything():
    logs.session_id.set("a-session")
    logs.request_id.set("a-request")
    data = json.loads(logs.JsonFormatter().format(record("Ended (%s)", "idle", tool="weather")))
    assert data.pop("time")
    assert data == {
        "level": "INFO", "logger": "shop", "message": "Ended (idle)", "tool": "weather",
        "session": "a-session", "request": "a-request",
    }  # fmt: skip
    assert line().format(record("Ended")).endswith("shop: Ended [session a-session] [request a-request]")


@FORMATTERS
@pytest.mark.parametrize(
    "text",
    [
        "GET /ws?sessionId=7&ticket=canary-0123456789 HTTP/1.1",
        "https://generativelanguage.googleapis.com/ws?alt=json&key=canary-0123456789",
        "Authorization: Bearer canary-0123456789",
        "{'authorization': 'Token canary-0123456789', 'accept': '*/*'}",
        '{"x-goog-api-key": "canary-0123456789"}',
        "(b'cookie', b'canary-0123456789')",
        "Sec-WebSocket-Protocol: gemlive.v1, ticket.canary-0123456789",
        "the whole secret is our-own-secret-key-canary-0123456789",
    ],
)
def test_credentials_are_not_told(formatter, text, settings):
    settings.SECRET_KEY = "our-own-secret-key-canary-0123456789"
    logs._redactor.cache_clear()
    try:
        told = formatter.format(record("Asked: %s", text))
    finally:
        logs._redactor.cache_clear()
    assert "canary" not in told
    assert logs.SECRET in told
    assert told.rstrip('"}').count("[secret]") == 1


def test_what_only_looks_like_one_is_told():
    text = "The key to it all: a token of thanks, tickets for two, /ws?sessionId=7"
    assert text in line().format(record(text))
