"""The admin's page of tools: every tool, its figures, and the switch."""

import json
import math
import os
import random
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app.models import LiveSession
from tests.postgresql import postgresql
from tools_app.dashboard import ToolAdmin
from tools_app.models import Tool, ToolCall
from tools_app.registry import registry, temporary_tools, tool
from tools_app.statistics import PERIODS, Statistics, statistics

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[3]
URL = "/admin/tools_app/tool/"
HOSTILE = "<script>alert(1)</script>"


def calls_of(name: str, statuses: list[str], *, age: timedelta = timedelta(), **fields) -> None:
    ToolCall.objects.bulk_create(
        ToolCall(
            name=name, status=status, started_at=timezone.now() - age,
            duration_ms=None if status == "running" else fields.get("duration_ms", 10 * (number + 1)),
        )
        for number, status in enumerate(statuses)
    )  # fmt: skip


def cells(client, query: str = "") -> dict[str, dict[str, str]]:
    """By tool: the text of each column of the list."""
    page = client.get(f"{URL}{query}").content.decode()
    body = page.split('id="result_list"')[1].split("<tbody>")[1].split("</tbody>")[0]
    rows = {}
    for row in body.split("<tr>")[1:]:
        columns = re.findall(r'class="field-(\w+)[^"]*">(.*?)</t[dh]>', row, re.DOTALL)
        texts = {column: " ".join(re.sub(r"<[^>]+>", " ", text).split()) for column, text in columns}
        rows[texts["name"]] = texts
    return rows


def test_the_list_has_every_registered_tool_and_those_that_are_gone(admin_client):
    Tool.objects.create(name="get_invoice")
    rows = cells(admin_client)
    assert set(rows) == {tool.name for tool in registry.all()} | {"get_invoice"}
    assert rows["get_invoice"]["purpose"] == "Not registered any more"
    assert rows["get_weather"]["purpose"] == "Get the current weather in a city"
    assert (rows["get_weather"]["calls"], rows["get_weather"]["last_call"]) == ("0", "never")
    assert cells(admin_client) == rows


def test_figures_of_a_period(admin_client):
    calls_of("get_weather", ["ok"] * 15 + ["error", "error", "timeout", "denied", "cancelled", "running"])
    calls_of("get_weather", ["error"] * 9, age=timedelta(days=10))
    calls_of("get_analytics", ["ok"], age=timedelta(days=3), duration_ms=1234)
    calls_of("get_analytics", ["ok"], age=timedelta(days=300), duration_ms=5)
    week = cells(admin_client)
    figures = ("calls", "errors", "p50", "p95")
    # 10, 20, … 180 ms of the 18 that ran: the ninth and the eighteenth.
    assert [week["get_weather"][name] for name in figures] == ["21", "3 14.3%", "90", "180"]
    assert [week["get_analytics"][name] for name in figures] == ["1", "0 0.0%", "1,234", "1,234"]
    assert "15 ok" in admin_client.get(URL).content.decode()
    assert [cells(admin_client, "?period=24h")["get_analytics"][name] for name in figures] == ["0", "–", "–", "–"]
    assert cells(admin_client, "?period=30d")["get_weather"]["errors"] == "12 40.0%"
    assert [cells(admin_client, "?period=all")["get_analytics"][name] for name in figures] == [
        *("2", "0 0.0%", "5", "1,234")
    ]


@pytest.mark.parametrize("column", ["calls", "p50", "p95", "last_call"])
def test_it_is_sorted_by_its_figures(admin_client, column):
    calls_of("get_weather", ["ok", "ok", "error"], duration_ms=50)
    calls_of("get_analytics", ["ok", "ok", "ok", "ok", "error", "error", "error"], duration_ms=500)
    calls_of("execute_sql_query", ["ok"], age=timedelta(days=2), duration_ms=5)
    number = ToolAdmin.list_display.index(column)
    first = list(cells(admin_client, f"?o={number}"))[:3]
    last = list(cells(admin_client, f"?o=-{number}"))[-3:]
    assert first == ["get_analytics", "get_weather", "execute_sql_query"] == last[::-1]


def test_it_is_sorted_by_the_share_of_errors_not_by_their_number(admin_client):
    calls_of("get_weather", ["error", "ok"])
    calls_of("get_analytics", ["error"] * 2 + ["ok"] * 9)
    number = ToolAdmin.list_display.index("errors")
    assert list(cells(admin_client, f"?o={number}"))[:2] == ["get_weather", "get_analytics"]


def test_calls_of_names_that_are_no_tools_are_told(admin_client):
    calls_of("send_fax", ["error"])
    page = admin_client.get(URL).content.decode()
    assert "1 call in this period asked for tools that do not exist" in page
    assert "send_fax" not in cells(admin_client)


def test_the_list_takes_the_same_queries_for_many_tools_and_calls(admin_client):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(URL)
        return len(captured)

    queries()
    few = queries()
    for name in ("get_weather", "get_analytics", "execute_sql_query"):
        calls_of(name, ["ok", "error", "running"] * 30)
    Tool.objects.bulk_create(Tool(name=f"tool_{n}") for n in range(50))
    assert queries() == few


def test_an_operator_switches_tools_in_the_list(admin_client, admin_user, client):
    cells(admin_client)
    names = list(Tool.objects.values_list("name", flat=True))
    form = {"form-TOTAL_FORMS": len(names), "form-INITIAL_FORMS": len(names), "_save": "Save"}
    for number, name in enumerate(names):
        form[f"form-{number}-name"] = name
        form |= {f"form-{number}-enabled": "on"} if name != "get_weather" else {}
    assert admin_client.post(URL, form).status_code == 302
    assert Tool.objects.switched_off() == {"get_weather"}
    assert Tool.objects.get(name="get_weather").updated_by == admin_user
    assert Tool.objects.get(name="get_analytics").updated_by is None
    assert "get_weather" not in {tool["name"] for tool in client.get("/api/tools").json()["tools"]}
    assert cells(admin_client)["get_weather"]["purpose"] == "Off Get the current weather in a city"


def test_who_may_only_view_tools_changes_none_and_reads_no_calls(client):
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_tool"))
    client.force_login(user)
    Tool.objects.create(name="get_weather")
    ToolCall.objects.create(name="get_weather", status="ok", arguments={"location": "Secretville"})
    assert 'type="checkbox"' not in client.get(URL).content.decode()
    page = client.get(f"{URL}get_5Fweather/change/").content.decode()
    assert "As the model gets it" in page
    assert "Secretville" not in page
    assert client.post(f"{URL}get_5Fweather/change/", {"note": "x"}).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_toolcall"))
    assert "Secretville" in client.get(f"{URL}get_5Fweather/change/").content.decode()


def test_the_page_of_a_tool_shows_what_it_is_and_did(admin_client):
    with temporary_tools():

        @tool(timeout=7, permission="auth.view_user", rate="5/m")
        def count_orders(city: str = HOSTILE) -> dict:
            """Count orders."""
            return {}

        cells(admin_client)
        call = ToolCall.objects.create(
            name="count_orders", status="error", duration_ms=42, arguments={"city": HOSTILE}, error=HOSTILE
        )
        page = admin_client.get(f"{URL}count_5Forders/change/").content.decode()
    for text in ("tests.integration.tools.test_tool_admin.", "7 s", "auth.view_user", "5/m", "42 ms", "1 error",
                 f"/admin/tools_app/toolcall/{call.pk}/change/",
                 f"?name=count_orders&amp;day={timezone.now():%Y-%m-%d}"):  # fmt: skip
        assert text in page, text
    assert HOSTILE not in page
    gone = admin_client.get(f"{URL}count_5Forders/change/").content.decode()
    assert "No tool of this name is registered any more" in gone


def test_only_the_row_of_a_tool_that_is_gone_can_be_deleted(admin_client):
    for name, status in (("get_weather", 403), ("get_invoice", 302)):
        Tool.objects.create(name=name)
        assert admin_client.post(f"{URL}{name.replace('_', '_5F')}/delete/", {"post": "yes"}).status_code == status
    assert list(Tool.objects.values_list("name", flat=True)) == ["get_weather"]
    assert admin_client.get(f"{URL}add/").status_code == 403


def test_calls_are_found_from_their_tool_by_status_day_and_period(admin_client):
    calls_of("get_weather", ["ok", "error", "timeout", "denied"])
    calls_of("get_weather", ["error"], age=timedelta(days=10))
    calls_of("get_analytics", ["error"])
    old = timezone.now() - timedelta(days=10)
    for query, count in (
        ("name=get_weather", 5), ("name=get_weather&status=errors&period=7d", 2), ("status=denied", 1),
        (f"day={old:%Y-%m-%d}", 1), ("day=1999-01-01", 0), ("period=30d", 6), ("period=nonsense", 6),
    ):  # fmt: skip
        page = admin_client.get(f"/admin/tools_app/toolcall/?{query}").content.decode()
        assert page.count('class="field-started') == count, query


def test_a_call_leads_to_its_conversation(admin_client):
    session = LiveSession.objects.create(user_label="ada")
    call = ToolCall.objects.create(session=session, name="get_weather")
    for page in ("", f"{call.pk}/change/"):
        assert (
            f"/admin/sessions_app/livesession/{session.pk}/change/"
            in admin_client.get(f"/admin/tools_app/toolcall/{page}").content.decode()
        )


def test_parts_of_a_period_have_no_gaps():
    for key, count in (("24h", 24), ("7d", 7), ("30d", 30)):
        names = list(PERIODS[key].names(""))
        assert len(names) == len(set(names)) == count
        assert names[-1] == f"{timezone.now()}"[: PERIODS[key].length]
    assert list(PERIODS["all"].names("2025-12"))[:3] == ["2025-12", "2026-01", "2026-02"]


FILL = """
def fill(ToolCall, rows):
    import datetime
    ToolCall.objects.bulk_create(
        ToolCall(name=n, status=s, duration_ms=d, started_at=datetime.datetime.fromisoformat(t)) for n, s, d, t in rows
    )
"""
ASK = f"""
import json, sys, django
django.setup()
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from tools_app.models import ToolCall
from tools_app.statistics import PERIODS, statistics
{FILL}
fill(ToolCall, json.load(sys.stdin))
client = Client(headers={{"host": "localhost"}})
client.force_login(User.objects.create_superuser("admin"))
pages = ("tool/", "tool/?o=-4.5&period=all", "tool/get_5Fweather/change/", "toolcall/?status=errors&period=7d")
print(json.dumps({{
    "vendor": connection.vendor,
    "pages": [client.get("/admin/tools_app/" + page).status_code for page in pages],
    "rest": client.get("/api/tool-calls?limit=2&since=2020-01-01&delivered=null").status_code,
    "figures": {{key: {{name: [found.p50, found.p95, found.by_part] for name, found in
                statistics(period, ToolCall.objects.all()).items()}} for key, period in PERIODS.items()}},
}}))
"""


def as_python_has_it(rows: list, key: str) -> dict:
    period = PERIODS[key]
    found: dict[str, Statistics] = {}
    ran: dict[str, list[int]] = {}
    for name, status, duration, started in rows:
        at = datetime.fromisoformat(started)
        if (since := period.since()) and at < since:
            continue
        part = f"{at.astimezone(UTC)}"[: period.length]
        found.setdefault(name, Statistics()).by_part.setdefault(part, Counter())[status] += 1
        if status in ("ok", "error", "timeout"):
            ran.setdefault(name, []).append(duration)
    for name, durations in ran.items():
        durations.sort()
        found[name].p50, found[name].p95 = (durations[math.ceil(len(durations) * p / 100) - 1] for p in (50, 95))
    return {name: [figures.p50, figures.p95, figures.by_part] for name, figures in found.items()}


@pytest.fixture
def rows() -> list:
    """Calls of sixty days, also in the last microsecond of a day, of tools with 1, 2, 20, 21 and 500 calls."""
    chance, now, made = random.Random(7), timezone.now() - timedelta(minutes=1), []
    for name, count in (("one", 1), ("two", 2), ("twenty", 20), ("more", 21), ("get_weather", 500)):
        for _ in range(count):
            status = chance.choices(["ok", "error", "timeout", "denied", "cancelled", "running"], [70, 9, 5, 5, 5, 5])[
                0
            ]
            at = now - timedelta(seconds=chance.randrange(60 * 86_400))
            if chance.random() < 0.1:
                at = at.replace(hour=23, minute=59, second=59, microsecond=999_999) - timedelta(days=1)
            made.append([name, status, None if status == "running" else chance.randrange(2000), at.isoformat()])
    return made


@pytest.mark.parametrize("key", PERIODS)
def test_statistics_on_sqlite_are_those_of_plain_python(rows, key):
    names: dict = {}
    exec(FILL, names)
    names["fill"](ToolCall, rows)
    found = statistics(PERIODS[key], ToolCall.objects.all())
    assert {name: [tool.p50, tool.p95, tool.by_part] for name, tool in found.items()} == as_python_has_it(rows, key)


@pytest.mark.parametrize("key", PERIODS)
def test_statistics_never_open_the_rows_with_what_was_said(key):
    with CaptureQueriesContext(connection) as captured:
        statistics(PERIODS[key], ToolCall.objects.all())
    assert len(captured) == 2
    with connection.cursor() as cursor:
        for query in captured:
            plan = cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}").fetchall()
            assert "USING COVERING INDEX toolcall_name_newest" in str(plan)


def test_statistics_and_pages_on_postgresql(rows):
    with postgresql() as server:
        environment = os.environ | {"DATABASE_URL": server.url, "DJANGO_SETTINGS_MODULE": "gemlive_project.settings"}

        def python(*arguments: str, said: str = "") -> str:
            done = subprocess.run(
                [sys.executable, "-W", "ignore", *arguments], cwd=ROOT, env=environment, input=said,
                capture_output=True, text=True, timeout=120,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return done.stdout

        python("manage.py", "migrate", "--verbosity", "0")
        answer = json.loads(python("-c", ASK, said=json.dumps(rows)).splitlines()[-1])
    assert (answer["vendor"], answer["pages"], answer["rest"]) == ("postgresql", [200, 200, 200, 200], 200)
    assert answer["figures"] == {key: json.loads(json.dumps(as_python_has_it(rows, key))) for key in PERIODS}
