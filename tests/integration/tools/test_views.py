import asyncio
from typing import Annotated

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pydantic import Field

from sessions_app.models import LiveSession
from tests.waiting import GIVE_UP_SECONDS
from tools_app.context import ToolContext
from tools_app.exceptions import ToolError
from tools_app.models import KnowledgeDocument, Tool, ToolCall
from tools_app.registry import temporary_tools, tool

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
    assert all(list(tool)[:3] == ["name", "description", "parameters"] for tool in tools.values())
    assert {name: list(tool["parameters"]["properties"]) for name, tool in tools.items()} == {
        "execute_sql_query": ["query", "database"],
        "describe_database": ["database", "table"],
        "get_analytics": ["metric", "startDate", "endDate", "interval"],
        "search_knowledge_base": ["query", "maxResults"],
        "call_external_api": ["url", "method", "body"],
        "get_weather": ["location", "units"],
        "ask_expert": ["question", "context"],
    }
    assert client.post("/api/tools").status_code == 405


@pytest.fixture
def orders():
    """Two tools, with every option and with none."""
    with temporary_tools():

        @tool(
            timeout=7, behavior="NON_BLOCKING", scheduling="SILENT", permission="auth.view_user", sensitive=True,
            rate="5/m",
        )  # fmt: skip
        async def count_orders(
            context: ToolContext, city: Annotated[str, Field(description="The city.", min_length=2)] = "Rome"
        ) -> dict:
            """Count orders."""
            if city == "Atlantis":
                raise ToolError("There is no such city; ask for another.")
            async for user in User.objects.filter(pk=context.user_id):
                return {"asked_by": user.username, "city": city, "session": context.session_id}
            return {}

        @tool
        def lose_order() -> None:
            """Lose an order."""
            raise SystemExit

        yield


@pytest.mark.django_db
def test_the_list_says_under_which_rules_a_tool_runs(client, orders, settings):
    settings.TOOLS_TIMEOUT = 33
    tools = {tool["name"]: tool for tool in client.get("/api/tools").json()["tools"]}
    rules = ("behavior", "scheduling", "timeout", "permission", "approval", "sensitive", "outside", "rate", "enabled")
    assert [tools["count_orders"][rule] for rule in rules] == [
        *("NON_BLOCKING", "SILENT", 7.0, "auth.view_user", False, True, False, "5/m", True)
    ]
    assert [tools["lose_order"][rule] for rule in rules] == [*(None, None, 33.0, None, False, False, False, None, True)]


@pytest.mark.django_db
def test_a_tool_that_is_switched_off_is_listed_for_staff_who_ask_only(client, staff, orders):
    Tool.objects.create(name="lose_order", enabled=False)
    Tool.objects.create(name="count_orders")

    def listed(client: Client, query: str = "") -> dict[str, bool]:
        return {tool["name"]: tool["enabled"] for tool in client.get(f"/api/tools{query}").json()["tools"]}

    assert "lose_order" not in listed(client)
    assert "lose_order" not in listed(staff)
    assert listed(staff, "?all=1")["lose_order"] is False
    assert listed(staff, "?all=1")["count_orders"] is True
    refused = client.get("/api/tools?all=1")
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("name", "body", "status", "result", "error"),
    [
        ("count_orders", {"arguments": {"city": "Bonn"}}, "ok",
         {"asked_by": "admin", "city": "Bonn", "session": None}, ""),
        ("count_orders", {}, "ok", {"asked_by": "admin", "city": "Rome", "session": None}, ""),
        ("count_orders", {"arguments": {"city": "Atlantis"}}, "error", None, "There is no such city; ask for another."),
        ("count_orders", {"arguments": {"city": "X"}}, "error", None, "city"),
        ("lose_order", {"arguments": {}}, "error", None, "incident number"),
    ],
)  # fmt: skip
def test_staff_calls_a_tool_as_the_model_would_and_the_row_is_there(staff, orders, name, body, status, result, error):
    response = staff.post(f"/api/tools/{name}/call", body, content_type="application/json")
    answer = response.json()
    assert response.status_code == 200
    assert list(answer) == ["callId", "name", "status", "result", "error", "durationMs"]
    assert (answer["name"], answer["status"], answer["result"]) == (name, status, result)
    assert error in (answer["error"] or "")
    row = ToolCall.objects.get()
    assert (row.call_id, row.name, row.session_id, row.status) == (answer["callId"], name, None, status)
    assert (row.arguments, row.result, row.error) == (body.get("arguments", {}), result, answer["error"] or "")
    assert row.duration_ms == answer["durationMs"]


@pytest.mark.django_db(transaction=True)
async def test_an_async_server_runs_async_tools_that_read_the_database(async_client, admin_user, orders):
    """Its view is in a thread that waits for the event loop, and the tool in the event loop for that thread."""
    await async_client.aforce_login(admin_user)
    async with asyncio.timeout(GIVE_UP_SECONDS):
        answer = await async_client.post("/api/tools/count_orders/call", {}, content_type="application/json")
    assert answer.json()["result"]["asked_by"] == "admin"
    assert await ToolCall.objects.filter(call_id=answer.json()["callId"], status="ok").aexists()


@pytest.mark.django_db(transaction=True)
def test_a_tool_that_is_too_slow_ends_as_in_a_conversation(staff):
    with temporary_tools():

        @tool(timeout=0.05)
        async def sleep_long() -> None:
            """Sleep."""
            await asyncio.sleep(60)

        answer = staff.post("/api/tools/sleep_long/call", {}, content_type="application/json").json()
    assert (answer["status"], ToolCall.objects.get().status) == ("timeout", "timeout")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "body", "status", "said"),
    [
        (
            "no_such",
            "{}",
            404,
            "There is no tool called 'no_such'; the tools are: ask_expert, call_external_api, count_orders",
        ),
        ("off", "{}", 404, "There is no tool"),
        ("lose_order", "{}", 409, "The tool lose_order is switched off. Switch it on in the admin"),
        ("count_orders", "[]", 400, "Expected a dictionary"),
        ("count_orders", '"x"', 400, "Expected a dictionary"),
        ("count_orders", '{"arguments": [1]}', 400, "Expected a dictionary"),
        ("count_orders", '{"arguments": null}', 400, "null"),
        ("count_orders", '{"city": "Rome"}', 400, "arguments into"),
        ("count_orders", "{", 400, "JSON"),
    ],
)
def test_a_call_that_cannot_be_made_is_refused_in_words(staff, orders, name, body, status, said):
    Tool.objects.create(name="lose_order", enabled=False)
    Tool.objects.create(name="off", enabled=False)
    response = staff.post(f"/api/tools/{name}/call", body, content_type="application/json")
    assert (response.status_code, said in str(response.json())) == (status, True), response.json()
    assert "lose_order," not in str(response.json())
    assert not ToolCall.objects.exists()


@pytest.mark.django_db
def test_only_staff_calls_tools_and_only_with_a_csrf_token(admin_user, orders):
    client = Client(enforce_csrf_checks=True)

    def post(**headers: str) -> int:
        return client.post(
            "/api/tools/count_orders/call", "{}", content_type="application/json", headers=headers
        ).status_code

    assert post() == 403
    client.force_login(User.objects.create_user("ada"))
    assert post() == 403
    client.force_login(admin_user)
    assert post() == 403
    assert not ToolCall.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_staff_with_a_csrf_token_calls_tools(admin_user, orders):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    client.get("/admin/password_change/")
    token = client.cookies["csrftoken"].value
    for user, status in ((admin_user, 200), (User.objects.create_user("ada"), 403)):
        client.force_login(user)
        client.cookies["csrftoken"] = token
        answer = client.post(
            "/api/tools/count_orders/call", "{}", content_type="application/json", headers={"x-csrftoken": token}
        )
        assert answer.status_code == status, answer.content
    assert "Only staff may call tools here." in answer.json()["detail"]
    assert ToolCall.objects.count() == 1


@pytest.mark.django_db
def test_a_session_is_not_made_with_a_tool_that_is_switched_off(client, orders):
    Tool.objects.create(name="lose_order", enabled=False)
    body = {"tools": ["count_orders", "lose_order"]}
    refused = client.post("/api/sessions", body, content_type="application/json")
    assert refused.status_code == 400
    assert refused.json()["fields"]["tools"][0].startswith("Switched off by an operator: lose_order.")
    Tool.objects.update(enabled=True)
    assert client.post("/api/sessions", body, content_type="application/json").status_code == 200


def test_admin_lists_filters_and_searches_calls(staff, tool_call):
    url = reverse("admin:tools_app_toolcall_changelist")
    for query in (
        {},
        {"status__exact": "running"},
        {"status": "errors"},
        {"day": "2026-02-30"},
        {"q": "city"},
        {"q": str(tool_call.session_id)},
        {"q": "\x00'%"},
    ):
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


@pytest.mark.django_db(transaction=True)
def test_who_makes_the_call_is_who_approves_it_and_his_permission_counts(staff, client):
    with temporary_tools():

        @tool(approval=True, permission="tools_app.delete_toolcall")
        def refund() -> str:
            """Refund."""
            return "done"

        answer = staff.post("/api/tools/refund/call", {}, content_type="application/json").json()
        assert (answer["status"], answer["result"]) == ("ok", "done")
        client.force_login(User.objects.create_user("clerk", is_staff=True))
        answer = client.post("/api/tools/refund/call", {}, content_type="application/json").json()
        assert (answer["status"], answer["result"]) == ("denied", None)
