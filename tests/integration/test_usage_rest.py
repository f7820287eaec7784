"""`GET /api/usage`: what is added up, for whom."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_app.models import LiveSession
from tools_app.models import ToolCall

pytestmark = pytest.mark.django_db
MIDNIGHT = datetime(2026, 11, 3, tzinfo=UTC)
QUERY = {"since": "2026-11-01", "until": "2026-11-10"}


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


@pytest.fixture(autouse=True)
def sessions(ada):
    """Minutes around a midnight, model, owner, label, minutes of talk, calls."""
    table = [
        (-1, "m1", ada, "", 2.5, 2),
        (0, "m1", ada, "", 1, 0),
        (1, "m2", ada, "guest", None, 1),
        (5, "m2", None, "guest", 4, 0),
        (-60 * 24 * 3, "m1", ada, "", 7, 0),  # before QUERY
    ]
    for minute, model, user, label, minutes, calls in table:
        created = MIDNIGHT + timedelta(minutes=minute)
        session = LiveSession.objects.create(
            created_at=created, model=model, user=user, user_label=label, prompt_tokens=10, response_tokens=5,
            total_tokens=15, tokens_by_modality={"prompt.audio": 8, "prompt.text": 2, "response.audio": 5},
            connected_at=created if minutes else None, last_activity_at=created + timedelta(minutes=minutes or 0),
        )  # fmt: skip
        for _ in range(calls):
            ToolCall.objects.create(session=session, name="f")


def rows(client, **query):
    answer = client.get("/api/usage", {**QUERY, **query})
    assert answer.status_code == 200, answer.content
    answer = answer.json()
    key = answer["groupBy"]
    figures = [(row["sessions"], row["minutes"], row["toolCalls"], row["tokens"]["total"]) for row in answer["rows"]]
    return dict(zip([row[key] for row in answer["rows"]], figures, strict=True)), answer["total"]


def test_ones_own_by_day_as_utc_has_it(client, ada):
    client.force_login(ada)
    by_day, total = rows(client)
    assert by_day == {"2026-11-02": (1, 2.5, 2, 15), "2026-11-03": (2, 1, 1, 30)}
    assert (total["sessions"], total["minutes"], total["toolCalls"]) == (3, 3.5, 3)
    assert total["tokens"] == {
        "prompt": 30, "response": 15, "total": 45,
        "byModality": {"prompt.audio": 24, "prompt.text": 6, "response.audio": 15},
    }  # fmt: skip


def test_staff_has_everybodys_by_model_and_speaker_the_most_first(admin_client):
    by_model, total = rows(admin_client, groupBy="model")
    assert by_model == {"m1": (2, 3.5, 2, 30), "m2": (2, 4, 1, 30)}
    assert total["sessions"] == 4
    assert rows(admin_client, groupBy="user")[0] == {"ada": (2, 3.5, 2, 30), "guest": (2, 4, 1, 30)}


def test_without_an_account_nothing_is_ones_own():
    assert rows(Client())[0] == {}


def test_thirty_days_unless_it_is_said_otherwise(admin_client):
    session = LiveSession.objects.create(model="new")
    LiveSession.objects.filter(pk=session.pk).update(created_at=session.created_at - timedelta(days=29))
    answer = admin_client.get("/api/usage", {"groupBy": "model"}).json()
    assert "new" in [row["model"] for row in answer["rows"]]
    LiveSession.objects.filter(pk=session.pk).update(created_at=session.created_at - timedelta(days=31))
    answer = admin_client.get("/api/usage", {"groupBy": "model"}).json()
    assert "new" not in [row["model"] for row in answer["rows"]]


@pytest.mark.parametrize("query", [{"groupBy": "hour"}, {"since": "x"}, {"since": "2026-11-11"}, {"by": "day"}])
def test_a_wrong_query_is_refused(admin_client, query):
    answer = admin_client.get("/api/usage", {**QUERY, **query})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_two_queries_however_many_rows(admin_client, django_assert_num_queries):
    with django_assert_num_queries(4):  # the session, its user, figures, calls
        admin_client.get("/api/usage", QUERY)
