"""`GET /api/tool-calls`: who sees which calls, filters and pages."""

import base64
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from sessions_app.models import LiveSession
from tools_app.models import ToolCall

pytestmark = pytest.mark.django_db
URL = "/api/tool-calls"
OWNERS = ("ada", "bob", "nobody", "another nobody")


@pytest.fixture
def sessions() -> dict[str, LiveSession | None]:
    """One with a call for each owner; "rest" is a call outside any session."""
    made: dict[str, LiveSession | None] = {"rest": None}
    for owner in OWNERS:
        user = None if "nobody" in owner else User.objects.create_user(owner)
        made[owner] = LiveSession.objects.create(user=user)
    for owner, session in made.items():
        ToolCall.objects.create(session=session, name="get_weather", call_id=owner, status="ok")
    return made


@pytest.fixture
def callers(sessions) -> dict[str, Client]:
    clerk = User.objects.create_user("clerk", is_staff=True)
    auditor = User.objects.create_user("auditor", is_staff=True)
    pretender = User.objects.create_user("pretender")
    for user in (auditor, pretender):
        user.user_permissions.add(Permission.objects.get(codename="view_toolcall"))
    users = {"ada": sessions["ada"].user, "bob": sessions["bob"].user, "clerk": clerk, "auditor": auditor}
    clients = {"anonymous": Client()}
    for name, user in {**users, "pretender": pretender}.items():
        clients[name] = Client()
        clients[name].force_login(user)
    return clients


def seen(client: Client, **query: str) -> set[str]:
    answer = client.get(URL, query)
    assert answer.status_code == 200, answer.content
    return {call["callId"] for call in answer.json()["toolCalls"]}


@pytest.mark.parametrize(
    ("caller", "listed", "when_named"),
    [
        ("anonymous", set(), {"nobody", "another nobody"}),
        ("ada", {"ada"}, {"ada", "nobody", "another nobody"}),
        ("bob", {"bob"}, {"bob", "nobody", "another nobody"}),
        ("clerk", set(), {"nobody", "another nobody"}),
        ("pretender", set(), {"nobody", "another nobody"}),
        ("auditor", {*OWNERS, "rest"}, set(OWNERS)),
    ],
)
def test_who_sees_which_calls(sessions, callers, caller, listed, when_named):
    client = callers[caller]
    assert seen(client) == listed
    assert seen(client, tool="get_weather", status="ok") == listed
    found = [seen(client, session=str(sessions[owner].pk)) for owner in OWNERS]
    assert found == [{owner} if owner in when_named else set() for owner in OWNERS]
    assert seen(client, session=str(uuid.uuid4())) == set()


def test_a_call_has_the_fields_of_its_sessions_page_and_says_where_it_was_made(sessions, callers):
    [call] = callers["ada"].get(URL).json()["toolCalls"]
    row = ToolCall.objects.get(call_id="ada")
    [on_page] = callers["ada"].get(f"/api/sessions/{sessions['ada'].pk}").json()["toolCalls"]
    assert call == {"id": row.pk, "sessionId": str(sessions["ada"].pk), **on_page}


@pytest.fixture
def twelve(admin_client) -> list[ToolCall]:
    """An hour apart, the oldest first."""
    now = timezone.now()
    return ToolCall.objects.bulk_create(
        ToolCall(
            name=("get_weather", "roll_dice")[n % 2], call_id=str(n), status=("ok", "error", "running")[n % 3],
            delivered=(True, False, None)[n % 3], started_at=now - timedelta(hours=12 - n),
        )
        for n in range(12)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"tool": "roll_dice"}, {1, 3, 5, 7, 9, 11}),
        ({"tool": "no_such"}, set()),
        ({"status": "error"}, {1, 4, 7, 10}),
        ({"delivered": "true"}, {0, 3, 6, 9}),
        ({"delivered": "false"}, {1, 4, 7, 10}),
        ({"delivered": "null"}, {2, 5, 8, 11}),
        ({"tool": "get_weather", "status": "ok"}, {0, 6}),
        ({"since": 8}, {8, 9, 10, 11}),
        ({"until": 3}, {0, 1, 2}),
        ({"since": 3, "until": 5}, {3, 4}),
        ({}, set(range(12))),
    ],
    ids=str,
)
def test_filters(admin_client, twelve, query, found):
    query = {key: twelve[at].started_at.isoformat() if isinstance(at, int) else at for key, at in query.items()}
    calls = admin_client.get(URL, query).json()["toolCalls"]
    assert {int(call["callId"]) for call in calls} == found
    times = [call["startedAt"] for call in calls]
    assert times == sorted(times, reverse=True)


def position(text: str) -> str:
    return base64.b64encode(f"p={text}".encode()).decode()


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ({"status": "failed"}, "status", "Known are: running, ok, error, timeout"),
        ({"session": "7"}, "session", "UUID"),
        ({"since": "yesterday"}, "since", "ISO 8601, such as 2026-11-24T12:00:00Z"),
        ({"until": "2026-13-01T00:00:00Z"}, "until", "ISO 8601"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "since", ""),
        ({"since": "2026-11-02T00:00:00Z", "until": "2026-11-01T00:00:00Z"}, "until", "later than since"),
        ({"delivered": "perhaps"}, "delivered", "boolean"),
        ({"limit": "0"}, "limit", "1"),
        ({"limit": "201"}, "limit", "200"),
        ({"limit": "many"}, "limit", "integer"),
        ({"tool": "\x00"}, "tool", "Null"),
        ({"staus": "ok"}, "staus", "Known are: limit, cursor, tool, status, session, since, until, delivered."),
        ({"cursor": "x"}, "cursor", "Take it from next or previous"),
        ({"cursor": "ü"}, "cursor", "Take it from next or previous"),
        ({"cursor": position("abc")}, "cursor", "Take it from next or previous"),
        ({"cursor": position("0001-01-01T00:00:00%2B14:00")}, "cursor", "Take it from next or previous"),
        ({"cursor": position("2026-13-24T99:00:00Z")}, "cursor", "Take it from next or previous"),
        ({"cursor": position("0001-01-01T00:00:00+14:00")}, "cursor", "Take it from next or previous"),
    ],
    ids=str,
)
def test_a_wrong_filter_is_refused_with_what_would_be_right(admin_client, query, field, said):
    answer = admin_client.get(URL, query)
    assert answer.status_code == 400
    error = answer.json()
    assert (error["code"], list(error["fields"])) == ("invalid", [field])
    assert said in error["fields"][field][0]
    assert error["detail"].startswith(f"{field}: ")


@pytest.mark.parametrize("time", ["2026-11-24", "2026-11-24T10:00:00"])
def test_a_cursor_without_a_time_zone_is_understood(admin_client, time):
    assert admin_client.get(URL, {"cursor": position(time)}).status_code == 200


@pytest.mark.parametrize("at_once", [1, 4])
def test_pages_have_every_call_once(admin_client, at_once):
    """Also of calls of the same moment, and while others come in."""
    moment = timezone.now() - timedelta(hours=1)
    ToolCall.objects.bulk_create(
        ToolCall(name="f", call_id=str(n), started_at=moment + timedelta(seconds=n // at_once)) for n in range(23)
    )
    url, pages = f"{URL}?limit=5&tool=f", []
    while url:
        pages.append(answer := admin_client.get(url).json())
        assert "limit=5" in (answer["next"] or "limit=5")
        url = answer["next"]
        ToolCall.objects.create(name="f", call_id="late")
    found = [call["callId"] for page in pages for call in page["toolCalls"]]
    assert found == [str(n) for n in reversed(range(23))]
    assert [len(page["toolCalls"]) for page in pages] == [5, 5, 5, 5, 3]
    assert pages[0]["previous"] is None
    if at_once == 1:
        back = admin_client.get(pages[-1]["previous"]).json()
        assert back["toolCalls"] == pages[-2]["toolCalls"]


def test_fifty_to_a_page_unless_it_is_said_otherwise(admin_client):
    ToolCall.objects.bulk_create(ToolCall(name="f", call_id=str(n)) for n in range(210))
    for query, count in (({}, 50), ({"limit": "200"}, 200), ({"limit": "1"}, 1)):
        assert len(admin_client.get(URL, query).json()["toolCalls"]) == count


def test_a_page_takes_one_query_however_long_it_is(admin_client, twelve, django_assert_num_queries):
    for limit in (1, 12):
        with django_assert_num_queries(3):  # the session, its user, the calls
            admin_client.get(URL, {"limit": limit})


def test_it_is_for_reading_only(admin_client):
    for method in (admin_client.post, admin_client.put, admin_client.delete):
        assert method(URL).status_code == 405
