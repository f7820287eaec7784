"""`/livez` and `/readyz` as a prober meets them: by an address, without HTTPS, while something hangs."""

import threading

import pytest
from django.db import OperationalError

from gemlive_project import health
from sessions_app.live_here import here
from tests.integration.caller import Caller

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def another_check(monkeypatch):
    """Checks keep their last result and threads: each test has checks of its own, with a database that it may hold."""
    asked = []
    hold = threading.Event()
    hold.set()

    def ask() -> str:
        asked.append(1)
        hold.wait(30)
        return "ok"

    monkeypatch.setattr(health, "CHECKS", [*health.CHECKS, health.Check("other", ask)])
    yield hold, asked
    hold.set()


def checks(answer) -> dict[str, str]:
    return {check["name"]: check["word"] for check in answer.json()["checks"]}


def test_a_healthy_process_is_ready(client):
    answer = client.get("/readyz")
    assert answer.status_code == 200, answer.content
    assert set(checks(answer)) == {"database", "migrations", "cache", "channel_layer", "other", "draining"}
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_prober_needs_no_host_name_and_no_https(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["voice.example.com"]
    for path in ("/livez", "/readyz"):
        assert client.get(path, headers={"host": "10.1.2.3:3001"}).status_code == 200


def test_what_hangs_is_not_ready_and_asked_once(client, another_check, monkeypatch):
    hold, asked = another_check
    hold.clear()
    monkeypatch.setattr(health, "PATIENCE", 0.2)
    for _ in range(5):
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert checks(answer)["other"] == "timeout"
    assert client.get("/livez").status_code == 200
    assert len(asked) == 1
    hold.set()
    monkeypatch.setattr(health, "PATIENCE", 20.0)
    assert client.get("/readyz").status_code == 200
    assert len(asked) <= 2  # nothing had queued up meanwhile


def test_a_failure_is_one_word_and_gives_nothing_away(client, monkeypatch):
    def fail() -> str:
        raise OperationalError("connection to db.internal failed for user gemlive password hunter2")

    monkeypatch.setattr(health, "CHECKS", [health.Check("database", fail)])
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert checks(answer)["database"] == "unreachable"
    assert b"internal" not in answer.content
    assert b"hunter2" not in answer.content


def test_a_process_that_stops_is_not_ready(client, monkeypatch):
    monkeypatch.setattr(here, "draining", True)
    assert client.get("/readyz").status_code == 503
    assert client.get("/livez").status_code == 200


async def test_geminis_last_answer_is_shown_and_does_not_count(gemini, async_client, settings):
    async with Caller() as caller:
        await caller.converse()
    answer = (await async_client.get("/readyz")).json()
    assert (answer["status"], answer["gemini"]["ok"], answer["gemini"]["word"]) == ("ready", True, "ok")
    settings.GEMINI_API_KEY = "bad"
    async with Caller() as caller:
        await caller.send("connect")
        await caller.until("error", code="api_key_invalid")
    answer = (await async_client.get("/readyz")).json()
    assert (answer["status"], answer["gemini"]["ok"], answer["gemini"]["word"]) == ("ready", False, "api_key_invalid")
