"""`GET /metrics`: who may read it, and that a conversation is in it."""

import re

import pytest
from django.contrib.auth import get_user_model
from prometheus_client.parser import text_string_to_metric_families

from sessions_app import metrics
from tests.integration.caller import Caller
from tools_app.executor import ToolExecutor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def hosts(settings):
    settings.ALLOWED_HOSTS = ["localhost"]


LOCAL = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:3001"}
ELSEWHERE = {"REMOTE_ADDR": "203.0.113.7", "HTTP_HOST": "localhost"}


def scrape() -> dict[str, float]:
    """Every sample by its name and labels."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        f"{sample.name}{sorted(sample.labels.items()) if sample.labels else ''}": sample.value
        for family in families
        for sample in family.samples
    }


def grown(before: dict[str, float], pattern: str) -> float:
    """How much all samples together that match have grown."""
    now = scrape()
    return sum(value - before.get(name, 0) for name, value in now.items() if re.fullmatch(pattern, name))


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        (LOCAL, 200),
        (LOCAL | {"REMOTE_ADDR": "::1", "HTTP_HOST": "[::1]:3001"}, 200),
        # A page of somebody else's whose name points to this machine.
        (LOCAL | {"HTTP_HOST": "evil.example"}, 400),
        # A proxy on this machine, and who comes by it.
        (LOCAL | {"HTTP_X_FORWARDED_FOR": "203.0.113.7"}, 404),
        (LOCAL | {"HTTP_X_FORWARDED_PROTO": "https"}, 404),
        (LOCAL | {"HTTP_FORWARDED": "for=203.0.113.7"}, 404),
        (ELSEWHERE, 404),
        (ELSEWHERE | {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, 404),
        (ELSEWHERE | {"HTTP_AUTHORIZATION": "Bearer "}, 404),
    ],
)
def test_it_is_there_for_this_machine_only(client, environ, status):
    assert client.get("/metrics", **environ).status_code == status


@pytest.mark.parametrize(("token", "status"), [("right-token-of-metrics", 200), ("wrong", 404), ("", 404), ("ü", 404)])
def test_a_token_opens_it_from_elsewhere(client, settings, token, status):
    settings.METRICS_TOKEN = "right-token-of-metrics"
    environ = {"REMOTE_ADDR": "10.1.2.3", "HTTP_HOST": "10.9.9.9:3001" if status == 200 else "localhost"}
    assert client.get("/metrics", **environ, HTTP_AUTHORIZATION=f"Bearer {token}").status_code == status


@pytest.mark.parametrize(("staff", "status"), [(True, 200), (False, 404)])
def test_staff_sees_it(client, staff, status):
    client.force_login(get_user_model().objects.create_user("ada", is_staff=staff))
    assert client.get("/metrics", **ELSEWHERE).status_code == status


async def test_a_conversation_is_counted(gemini):
    before = scrape()
    async with Caller(binary=True) as caller:
        await caller.converse()
        now = scrape()
        assert now["gemlive_connections"] == 1
        assert now["gemlive_sessions[('status', 'live')]"] == 1
        await caller.ask("hello")
        frames = [message for message in caller.messages if isinstance(message, bytes)]
        assert grown(before, "gemlive_frames_sent_total") == len(caller.messages)
        assert grown(before, "gemlive_bytes_sent_total") > sum(map(len, frames)) > 0
        assert grown(before, "gemlive_frames_received_total") == 2
        await caller.send("disconnect")
        await caller.until_closed()
    assert grown(before, "gemlive_opening_seconds_count") == 1
    assert grown(before, r"gemlive_gemini_dial_seconds_count\[\('result', 'ok'\)\]") == 1
    assert grown(before, "gemlive_time_to_first_audio_seconds_count") == 1
    assert grown(before, r"gemlive_turns_total\[.*'no'.*") == 1
    assert grown(before, r"gemlive_tokens_total\[.*'gemini-3.8-live'.*'response'.*") > 0
    assert grown(before, "gemlive_writer_delay_seconds_count") > 0
    assert scrape()["gemlive_connections"] == 0


async def test_labels_are_names_of_tools_and_nothing_that_a_model_makes_up():
    before = scrape()
    executor = ToolExecutor(session_id=None, user_id=None, allowed=None)
    await executor.call("1", "get_weather", {"wrong": "argument"})
    await executor.call("2", "made up by a model", {})
    await executor.close()
    for tool in ("get_weather", "other"):
        pattern = rf"gemlive_tool_call_seconds_count\[\('status', 'error'\), \('tool', '{tool}'\)\]"
        assert grown(before, pattern) == 1
    assert "made up" not in metrics.exposition().decode()
