"""REST as the seed's README has it."""

import json

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from sessions_app.models import LiveSession, TranscriptEntry
from tools_app.models import ToolCall

pytestmark = pytest.mark.django_db


def test_health(client):
    answer = client.get("/health").json()
    assert answer["status"] == "ok"
    assert parse_datetime(answer["timestamp"])


@pytest.mark.parametrize(
    ("body", "headers", "label"),
    [
        ("", {}, ""),
        ("{}", {}, ""),
        ('{"userId": "ada"}', {}, "ada"),
        ('{"userId": null}', {"x-user-id": "bob"}, "bob"),
        ("", {"x-user-id": "bob"}, "bob"),
        ('{"userId": "ada"}', {"x-user-id": "bob"}, "ada"),
    ],
)
def test_create_a_session_as_the_seeds_client_does(client, body, headers, label):
    answer = client.post("/api/sessions", body, content_type="application/json", headers=headers)
    assert answer.status_code == 200
    assert set(answer.json()) == {"sessionId", "createdAt", "wsUrl", "ticket"}
    assert parse_datetime(answer.json()["createdAt"])
    assert LiveSession.objects.get(pk=answer.json()["sessionId"]).user_label == label


def test_create_a_session_with_a_configuration(client):
    body = {"model": "gemini-2.5", "voice": "Puck", "language": "de-DE", "systemInstruction": "Be brief.", "tools": []}
    answer = client.post("/api/sessions", body, content_type="application/json")
    session = LiveSession.objects.get(pk=answer.json()["sessionId"])
    assert (session.model, session.voice, session.language) == ("gemini-2.5", "Puck", "de-DE")
    assert (session.instruction, session.allowed_tools) == ("Be brief.", [])


@pytest.mark.parametrize(
    "body",
    ['{"userId": ', "[]", '"x"', '{"userId": {"a": 1}}', '{"tools": ["no_such_tool"]}', '{"voice": 7, "tools": 1}'],
)
def test_a_bad_body_is_refused_in_words_and_creates_nothing(client, body):
    answer = client.post("/api/sessions", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert LiveSession.objects.count() == 0


def test_a_session_with_its_transcript_and_tool_calls(client):
    session = LiveSession.objects.create(user_label="ada")
    now = timezone.now()
    for number, role in enumerate(("user", "model"), start=1):
        TranscriptEntry.objects.create(
            session=session, sequence=number, role=role, text=f"{role} text", started_at=now, ended_at=now
        )
    ToolCall.objects.create(
        session=session, call_id="c1", name="get_weather", arguments={"location": "Rome"}, started_at=now
    )
    answer = client.get(f"/api/sessions/{session.pk}").json()
    assert (answer["sessionId"], answer["userId"], answer["memoryLength"]) == (str(session.pk), "ada", 2)
    assert parse_datetime(answer["createdAt"]) == session.created_at
    assert [entry["text"] for entry in answer["transcript"]] == ["user text", "model text"]
    assert answer["toolCalls"][0]["arguments"] == {"location": "Rome"}


def test_delete_takes_everything(client):
    session = LiveSession.objects.create()
    now = timezone.now()
    TranscriptEntry.objects.create(session=session, sequence=1, role="user", text="x", started_at=now, ended_at=now)
    ToolCall.objects.create(session=session, call_id="c1", name="f", arguments={}, started_at=now)
    answer = client.delete(f"/api/sessions/{session.pk}")
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert client.get(f"/api/sessions/{session.pk}").status_code == 404
    assert TranscriptEntry.objects.count() == ToolCall.objects.count() == 0


@pytest.mark.parametrize("method", ["get", "delete"])
@pytest.mark.parametrize("session_id", ["6f1dd040-895c-4df6-b16d-2970c561836e", "not-a-uuid", "1"])
def test_an_unknown_session_is_404_as_json(client, method, session_id):
    answer = getattr(client, method)(f"/api/sessions/{session_id}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "session_not_found"


def test_somebody_elses_session_is_404(client):
    owner = get_user_model().objects.create_user("owner")
    other = get_user_model().objects.create_user("other")
    session = LiveSession.objects.create(user=owner)
    for caller, status in ((None, 404), (other, 404), (owner, 200)):
        client.logout()
        if caller:
            client.force_login(caller)
        assert client.get(f"/api/sessions/{session.pk}").status_code == status


def test_an_unknown_path_below_api_is_404_as_json(client):
    for method in (client.get, client.post):
        answer = method("/api/nothing/here")
        assert answer.status_code == 404
        assert "detail" in answer.json()


def test_a_wrong_verb_is_405_as_json(client):
    assert "detail" in client.put("/api/sessions", "{}", content_type="application/json").json()


def test_tools_have_name_description_and_parameters(client):
    tools = {tool["name"]: tool for tool in client.get("/api/tools").json()["tools"]}
    assert set(tools) >= {
        "execute_sql_query", "get_analytics", "search_knowledge_base", "call_external_api", "get_weather",
    }  # fmt: skip
    for tool in tools.values():
        assert list(tool)[:3] == ["name", "description", "parameters"]
        assert tool["parameters"]["type"] == "object"
    wanted = {
        "execute_sql_query": (["query", "database"], ["query"]),
        "get_analytics": (["metric", "startDate", "endDate", "interval"], ["metric", "startDate", "endDate"]),
        "search_knowledge_base": (["query", "maxResults"], ["query"]),
        "call_external_api": (["url", "method", "body"], ["url"]),
        "get_weather": (["location", "units"], ["location"]),
    }
    for name, (parameters, required) in wanted.items():
        schema = tools[name]["parameters"]
        assert list(schema["properties"]) == parameters
        assert schema.get("required", []) == required, name


def test_pages_of_allowed_origins_may_call(client):
    allowed = client.options(
        "/api/sessions",
        headers={
            "origin": "http://localhost:5173",
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type,x-user-id",
        },
    )
    assert allowed.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert "x-user-id" in allowed.headers["access-control-allow-headers"]
    for origin in ("http://localhost:5174", "https://localhost:5173", "null", "http://evil.example"):
        refused = client.get("/api/tools", headers={"origin": origin})
        assert "access-control-allow-origin" not in refused.headers


def test_every_answer_can_be_read_by_a_program(client):
    for path in ("/health", "/api/tools"):
        json.loads(client.get(path).content)
