"""`GET /api/sessions`: who sees which sessions, filters, pages, and what a page costs."""

import os
import re
import subprocess
import sys
import time
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app.models import LiveSession, TranscriptEntry
from tests.forms import in_long_form
from tests.postgresql import postgresql
from tests.server import ROOT
from tools_app.models import ToolCall

from .listing import HOUR, URL, listed, logged_in

pytestmark = pytest.mark.django_db


def say(session: LiveSession, sequence: int, role: str, text: str) -> None:
    now = timezone.now()
    TranscriptEntry.objects.create(
        session=session, sequence=sequence, role=role, text=text, started_at=now, ended_at=now
    )


def test_everybody_sees_his_own_and_nobody_those_without_an_account(auditor):
    ada, bob = User.objects.create_user("ada"), User.objects.create_user("bob")
    clerk = User.objects.create_user("clerk", is_staff=True)
    pretender = User.objects.create_user("pretender")
    pretender.user_permissions.add(Permission.objects.get(codename="view_livesession"))
    for owner in (ada, bob, None):
        LiveSession.objects.create(user=owner, title=owner.username if owner else "nobody")
    assert listed(Client()) == []
    assert listed(logged_in(ada)) == ["ada"]
    assert listed(logged_in(bob), search="ada") == []
    assert listed(logged_in(clerk)) == listed(logged_in(pretender)) == []
    assert listed(auditor) == ["nobody", "bob", "ada"]


def test_a_row_says_what_a_session_was_about(auditor):
    session = LiveSession.objects.create(
        user_label="ada", title="Weather", model="m", voice="Puck", prompt_tokens=7, response_tokens=3, total_tokens=10,
        tokens_by_modality={"prompt.audio": 7},
    )  # fmt: skip
    for sequence, (role, text) in enumerate([("model", "Hello"), ("user", "What is " + "the weather " * 40)], start=1):
        say(session, sequence, role, text)
    for _ in range(3):
        ToolCall.objects.create(session=session, name="get_weather")
    [row] = auditor.get(URL).json()["sessions"]
    whole = auditor.get(f"{URL}/{session.pk}").json()
    assert {name: row[name] for name in set(row) & set(whole)} == {name: whole[name] for name in set(row) & set(whole)}
    assert set(row) - set(whole) == {"toolCallCount", "opening"}
    assert (row["userId"], row["memoryLength"], row["toolCallCount"]) == ("ada", 2, 3)
    assert row["tokens"] == {"prompt": 7, "response": 3, "total": 10, "byModality": {"prompt.audio": 7}}
    assert row["opening"].startswith("What is the weather")
    assert len(row["opening"]) == 200


@pytest.fixture
def six(auditor) -> list[LiveSession]:
    """An hour apart, the oldest first; titled 0 to 5."""
    now, ada = timezone.now(), User.objects.create_user("ada")
    rows = [
        LiveSession.objects.create(
            title=str(n), created_at=now - (6 - n) * HOUR, status=("ended", "paused")[n % 2], model="abc"[n % 3],
            user=ada if n < 3 else None, user_label="" if n < 2 else "Bob",
        )
        for n in range(6)
    ]  # fmt: skip
    say(rows[1], 1, "user", "The quick brown fox")
    say(rows[4], 1, "model", "A QUICK answer about foxes")
    for n in (0, 4, 4):
        ToolCall.objects.create(session=rows[n], name="get_weather")
    ToolCall.objects.create(session=None, name="get_weather")
    return rows


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "543210"),
        ({"ordering": "createdAt"}, "012345"),
        ({"status": "paused"}, "531"),
        ({"model": "b"}, "41"),
        ({"user": "ada"}, "10"),
        ({"user": "Bob"}, "5432"),
        ({"tool": "get_weather"}, "40"),
        ({"tool": "no_such"}, ""),
        ({"search": "quick fox"}, "41"),
        ({"search": "BROWN"}, "1"),
        ({"search": "bob 3"}, "3"),
        ({"search": "%"}, ""),
        ({"createdSince": 4}, "54"),
        ({"createdUntil": 2}, "10"),
        ({"createdSince": 1, "createdUntil": 3, "status": "paused"}, "1"),
    ],
    ids=str,
)
def test_filters(auditor, six, query, found):
    query = {key: six[at].created_at.isoformat() if isinstance(at, int) else at for key, at in query.items()}
    assert "".join(listed(auditor, **query)) == found


def test_a_name_may_be_a_label_and_an_accounts(auditor, six):
    """A label goes before the account, as the rows show it."""
    User.objects.create_user("Bob").live_sessions.create(title="6")
    six[5].delete()
    LiveSession.objects.create(title="7", user=User.objects.get(username="Bob"), user_label="Eve")
    assert "".join(listed(auditor, user="Bob")) == "6432"


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ({"staus": "ended"}, "staus", "Known are: limit, cursor, status, user,"),
        ({"status": "over"}, "status", "Known are: created, connecting, live"),
        ({"ordering": "title"}, "ordering", "Known are: -createdAt"),
        ({"since": "yesterday"}, "since", "ISO 8601"),
        ({"since": "2026-01-01", "ordering": "createdAt"}, "ordering", "leave ordering out"),
        ({"createdSince": "2026-01-02", "createdUntil": "2026-01-01"}, "createdUntil", "later than createdSince"),
        ({"limit": "201"}, "limit", "200"),
        ({"cursor": "x"}, "cursor", "Take it from next or previous"),
        ({"user": "\x00"}, "user", "Null"),
        ({"format": "json"}, "format", "No such filter"),
    ],
    ids=str,
)
def test_a_wrong_filter_is_refused_with_what_would_be_right(auditor, query, field, said):
    answer = auditor.get(URL, query)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])
    assert said in answer.json()["fields"][field][0]


@pytest.mark.parametrize("query", ["", "&ordering=createdAt", "&since=2020-01-01"])
def test_pages_have_every_session_once_while_others_come_in(auditor, query):
    moment = timezone.now() - HOUR
    LiveSession.objects.bulk_create(
        LiveSession(title=str(n), created_at=moment + timedelta(seconds=n // 3)) for n in range(23)
    )
    LiveSession.objects.update(updated_at=moment)  # as a sweep does
    url, found = f"{URL}?limit=5{query}", []
    while url:
        answer = auditor.get(url).json()
        found += [row["title"] for row in answer["sessions"]]
        url = answer["next"]
        LiveSession.objects.create(title="late", created_at=moment + HOUR if not query else moment - HOUR)
    assert sorted((title for title in found if title != "late"), key=int) == [str(n) for n in range(23)]


def test_a_session_that_is_not_there_does_not_shift_the_others(auditor, six):
    page = auditor.get(URL, {"limit": 2}).json()
    LiveSession.objects.filter(pk=uuid.UUID(page["sessions"][-1]["sessionId"])).delete()
    assert [row["title"] for row in auditor.get(page["next"]).json()["sessions"]] == ["3", "2"]


def plan(queries: CaptureQueriesContext) -> str:
    """Of finding the rows of a page, and of what they show."""
    asked = [query["sql"] for query in queries if 'FROM "sessions_app_livesession"' in query["sql"]]
    with connection.cursor() as cursor:
        return "\n".join(row[3] for sql in asked for row in cursor.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall())


@pytest.mark.parametrize("rows", [2_000, *in_long_form([100_000])])
def test_a_page_of_very_many_sessions_takes_as_many_queries_as_one_of_ten_and_reads_indexes(auditor, capsys, rows):
    """Of how long it takes only the long form is a measure."""
    owner = User.objects.create_user("owner")
    now = timezone.now()

    def add(numbers: range) -> None:
        LiveSession.objects.bulk_create(
            (
                LiveSession(
                    title=f"Session {n}", created_at=now - timedelta(seconds=n), updated_at=now - timedelta(seconds=n),
                    user=owner if n % 2 else None, user_label="" if n % 2 else f"guest {n % 500}", status="ended",
                    instruction="Be brief. " * 20,
                )
                for n in numbers
            ),
            batch_size=2000,
        )  # fmt: skip

    add(range(10))
    cases = {
        "newest": (auditor, {}), "own": (logged_in(owner), {}),
        "sync": (auditor, {"since": now.isoformat(), "limit": 5}),  # the last page alone has deletions
        "status": (auditor, {"status": "ended"}), "model": (auditor, {"model": "none"}),
        "user": (auditor, {"user": "owner"}), "label": (auditor, {"user": "guest 8", "ordering": "updatedAt"}),
    }  # fmt: skip

    def ask() -> dict[str, tuple[int, str, float]]:
        asked = {}
        for name, (client, query) in cases.items():
            begun = time.perf_counter()
            assert client.get(URL, query).status_code == 200
            took = time.perf_counter() - begun
            with CaptureQueriesContext(connection) as queries:
                client.get(URL, query)
            asked[name] = (len(queries), plan(queries), took)
        return asked

    few = ask()
    add(range(10, rows))
    for session in LiveSession.objects.order_by("-created_at")[:50]:
        say(session, 1, "user", "Hello")
    many = ask()
    assert {name: count for name, (count, _, _) in many.items()} == {name: count for name, (count, _, _) in few.items()}
    indexes = {
        "newest": "session_newest", "own": "session_user_newest", "sync": "session_changed",
        "status": "session_status_newest", "model": "session_model_newest", "user": "session_user_newest",
        "label": "session_label_newest",
    }  # fmt: skip
    for name, (_, found, _) in many.items():
        assert f"USING INDEX {indexes[name]}" in found or f"USING COVERING INDEX {indexes[name]}" in found, found
        assert not re.search(r"SCAN (?!sessions_app_livesession USING INDEX)", found), found
    with capsys.disabled():
        print(f"\n{rows:,} sessions:", {name: f"{1000 * took:.0f} ms" for name, (_, _, took) in many.items()})


def test_postgresql_answers_every_list(tmp_path):
    """`python -m tests.load.lists` asserts it, and says how fast; here with few rows."""
    with postgresql() as server:
        command = [sys.executable, "-m", "tests.load.lists", "400", server.url]
        ran = subprocess.run(command, cwd=ROOT, env=os.environ | {"DJANGO_SETTINGS_MODULE": ""}, capture_output=True)
    assert ran.returncode == 0, ran.stderr.decode()
