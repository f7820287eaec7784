import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from sessions_app.models import LiveSession
from tools_app.models import KnowledgeDocument, ToolCall

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def staff(admin_client):
    return admin_client


@pytest.fixture
def tool_call(db):
    session = LiveSession.objects.create(user_label=HOSTILE)
    return ToolCall.objects.create(
        session=session, name=HOSTILE, call_id=HOSTILE, arguments={"city": HOSTILE}, result=[HOSTILE], error=HOSTILE
    )


@pytest.mark.django_db
def test_the_list_of_tools_has_the_seeds_shape(client, demo_shop):
    response = client.get("/api/tools")
    assert response.status_code == 200
    assert set(response.json()) == {"tools"}
    tools = {tool["name"]: tool for tool in response.json()["tools"]}
    assert all(set(tool) == {"name", "description", "parameters"} for tool in tools.values())
    assert {name: list(tool["parameters"]["properties"]) for name, tool in tools.items()} == {
        "execute_sql_query": ["query", "database"],
        "get_analytics": ["metric", "startDate", "endDate"],
        "search_knowledge_base": ["query", "maxResults"],
        "call_external_api": ["url", "method", "body"],
        "get_weather": ["location", "units"],
        "ask_expert": ["question", "context"],
    }
    assert client.post("/api/tools").status_code == 405


def test_admin_lists_filters_and_searches_calls(staff, tool_call):
    url = reverse("admin:tools_app_toolcall_changelist")
    for query in ({}, {"status__exact": "running"}, {"q": "city"}, {"q": str(tool_call.session_id)}, {"q": "\x00'%"}):
        response = staff.get(url, query)
        assert response.status_code in (200, 302), query
    assert "1 tool call" in staff.get(url, {"q": str(tool_call.session_id)}).content.decode()


@pytest.mark.parametrize("page", ["changelist", "change"])
def test_admin_escapes_what_models_and_tools_say(staff, tool_call, page):
    url = reverse(f"admin:tools_app_toolcall_{page}", args=[tool_call.pk] if page == "change" else [])
    text = staff.get(url).content.decode()
    assert HOSTILE not in text
    assert "&lt;script&gt;alert(1)" in text


def test_a_record_cannot_be_changed_or_added(staff, tool_call):
    url = reverse("admin:tools_app_toolcall_change", args=[tool_call.pk])
    assert 'name="_save"' not in staff.get(url).content.decode()
    assert staff.post(url, {"name": "other"}).status_code == 403
    assert staff.get(reverse("admin:tools_app_toolcall_add")).status_code == 403
    tool_call.refresh_from_db()
    assert tool_call.name == HOSTILE


def test_only_superusers_delete_calls(client, tool_call):
    from django.contrib.auth.models import Permission

    user = User.objects.create_user("clerk", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="tools_app"))
    client.force_login(user)
    assert client.get(reverse("admin:tools_app_toolcall_change", args=[tool_call.pk])).status_code == 200
    assert (
        client.post(reverse("admin:tools_app_toolcall_delete", args=[tool_call.pk]), {"post": "yes"}).status_code == 403
    )


def test_a_document_written_in_the_admin_is_found(staff):
    from tools_app.fulltext import search

    response = staff.post(
        reverse("admin:tools_app_knowledgedocument_add"), {"title": "Quokkas", "text": "They smile.", "source": ""}
    )
    assert response.status_code == 302
    assert KnowledgeDocument.objects.count() == 1
    assert [result["title"] for result in search("smile", 5)] == ["Quokkas"]
