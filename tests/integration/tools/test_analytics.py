"""Metrics, from the row in the admin to what the model gets."""

import datetime
import os
import sqlite3

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.urls import reverse

from tests.postgresql import postgresql
from tools_app import metrics
from tools_app.builtin.analytics import describe_analytics
from tools_app.demo import metrics as demo_metrics
from tools_app.models import Metric

PERIOD = "created_at >= :start AND created_at < :end"
ORDERS = f"SELECT COUNT(*) FROM orders WHERE {PERIOD}"
# As the shop of 2026-11-22 had them before metrics were rows: total, direction, percent, total before.
WEEK, MONTH, YEAR, NEVER = ("2026-11-14", "2026-11-20"), ("2026-10-01", "2026-10-31"), ("2025-11-23", "2026-11-22"), (
    "1990-01-01", "1990-01-02",
)  # fmt: skip
FIGURES = [
    ("users", "users", WEEK, (310, "flat", -0.6, 312), [51, 40, 60, 54, 39, 51, 50]),
    ("users", "users", MONTH, (836, "up", 10.1, 759), None),
    ("users", "users", YEAR, (1131, "up", 74.8, 647), None),
    ("users", "users", NEVER, (0, "flat", None, 0), [0, 0]),
    ("revenue", "USD", WEEK, (7575.0, "down", -28.6, 10605.0), [1984.0, 1350.0, 232.5, 281.0, 834.0, 1703.5, 1190.0]),
    ("revenue", "USD", MONTH, (53732.0, "flat", 0.6, 53420.5), None),
    ("revenue", "USD", YEAR, (556407.5, "up", 22.4, 454589.0), None),
    ("revenue", "USD", NEVER, (0, "flat", None, 0), [0, 0]),
    ("orders", "orders", WEEK, (49, "up", 8.9, 45), [10, 5, 3, 5, 7, 10, 9]),
    ("orders", "orders", MONTH, (219, "down", -5.6, 232), None),
    ("orders", "orders", YEAR, (2380, "up", 21.6, 1958), None),
    ("orders", "orders", NEVER, (0, "flat", None, 0), [0, 0]),
    ("conversions", "percent", WEEK, (5.28, "up", 8.9, 4.85), [7.19, 5.43, 1.88, 3.47, 6.73, 7.52, 5.77]),
    ("conversions", "percent", MONTH, (5.95, "down", -10.0, 6.61), None),
    ("conversions", "percent", YEAR, (6.26, "flat", 0.5, 6.23), None),
    ("conversions", "percent", NEVER, (0.0, "flat", None, 0.0), [0.0, 0.0]),
]


@pytest.fixture
def demo(demo_shop, transactional_db) -> dict:
    """The demo shop with its metrics."""
    demo_metrics.load()
    return demo_shop


def of(database, sql):
    connection = sqlite3.connect(database["NAME"])
    try:
        return connection.execute(sql).fetchone()[0]
    finally:
        connection.close()


def metric(**fields) -> Metric:
    return Metric(**{"name": "sales", "description": "Sales.", "unit": "orders", "sql": ORDERS} | fields)


@pytest.mark.parametrize(("name", "unit", "period", "figures", "points"), FIGURES, ids=lambda value: str(value)[:24])
async def test_the_demo_shops_figures_are_what_they_were(call, demo, name, unit, period, figures, points):
    start, end = period
    result = (await call("get_analytics", metric=name, startDate=start, endDate=end)).result
    trend = result["trend"]
    assert (result["total"], trend["direction"], trend["percent"], trend["previousTotal"]) == figures
    assert (result["metric"], result["unit"], result["startDate"], result["endDate"]) == (name, unit, start, end)
    if points:
        assert [point["value"] for point in result["dataPoints"]] == points
    if name in ("orders", "revenue"):
        assert sum(point["value"] for point in result["dataPoints"]) == pytest.approx(result["total"])


async def test_a_week_of_different_people_is_counted_by_itself_and_not_as_a_sum_of_days(call, demo):
    args = {"metric": "users", "startDate": "2026-09-01", "endDate": "2026-11-22", "interval": "week"}
    result = (await call("get_analytics", **args)).result
    points = {point["date"]: point["value"] for point in result["dataPoints"]}
    assert points["2026-11-16"] == of(
        demo,
        "SELECT COUNT(DISTINCT customer_id) FROM visits WHERE date(created_at) BETWEEN '2026-11-16' AND '2026-11-22'",
    )
    assert result["total"] < sum(points.values())


@pytest.mark.parametrize(
    ("start", "end", "interval", "given", "dates"),
    [
        # 2026-11-04 is a Wednesday: the first and the last week are cut where the period is.
        ("2026-11-04", "2026-11-17", "week", "week", ["2026-11-04", "2026-11-09", "2026-11-16"]),
        ("2026-01-15", "2026-03-02", "month", "month", ["2026-01-15", "2026-02-01", "2026-03-01"]),
        ("2025-12-31", "2026-01-01", "month", "month", ["2025-12-31", "2026-01-01"]),
        ("2026-11-01", "2026-11-01", "auto", "day", ["2026-11-01"]),
    ],
)
async def test_the_steps_are_those_of_the_calendar(call, demo, start, end, interval, given, dates):
    args = {"metric": "orders", "startDate": start, "endDate": end, "interval": interval}
    result = (await call("get_analytics", **args)).result
    assert result["interval"] == given
    assert [point["date"] for point in result["dataPoints"]] == dates
    assert sum(point["value"] for point in result["dataPoints"]) == result["total"]


@pytest.mark.parametrize(
    ("days", "interval", "points"), [(92, "day", 92), (93, "week", 14), (366, "week", 54), (3000, "month", 100)]
)
def test_auto_takes_what_gives_no_more_than_100_points(demo, days, interval, points):
    end = datetime.date(2026, 11, 24)
    found = metrics.report(Metric.objects.get(name="orders"), end - datetime.timedelta(days - 1), end)
    assert found["interval"] == interval
    assert abs(len(found["dataPoints"]) - points) <= 1
    assert len(found["dataPoints"]) <= 100


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"endDate": "2026-10-01"}, "is before startDate"),
        ({"startDate": "2026-01-01", "interval": "day"}, "more than 100 days; ask for a shorter period or a longer"),
        ({"startDate": "1000-01-01"}, "more than 100 months; ask for a shorter period"),
        ({"startDate": "last week"}, "'startDate' is wrong"),
        ({"startDate": "0001-01-01", "endDate": "0001-01-02"}, "choose a later startDate"),
        ({"metric": "profit"}, "no metric called 'profit'; the metrics are: conversions, orders, revenue, users."),
        ({"metric": "x' OR 1=1 --"}, "no metric called"),
        ({"startDate": "2026-11-01' OR 1=1 --"}, "'startDate' is wrong"),
        ({"interval": "hour"}, "'day', 'week', 'month' or 'auto'"),
    ],
)
async def test_what_cannot_be_answered_is_a_sentence(call, demo, changes, sentence):
    args = {"metric": "users", "startDate": "2026-11-01", "endDate": "2026-11-07"} | changes
    outcome = await call("get_analytics", **args)
    assert outcome.status == "error"
    assert sentence in outcome.error


async def test_the_end_of_time_is_no_crash(call, demo):
    outcome = await call("get_analytics", metric="orders", startDate="9999-12-30", endDate="9999-12-31")
    assert outcome.result["total"] == 0


async def test_without_metrics_the_tool_says_how_to_make_them(call, demo_shop):
    outcome = await call("get_analytics", metric="users", startDate="2026-01-01", endDate="2026-01-02")
    assert "`python manage.py load_demo`" in outcome.error
    assert "`python manage.py load_demo`" in await sync_to_async(describe_analytics)()


async def test_a_database_that_is_not_there_is_a_sentence(call, demo):
    os.unlink(demo["NAME"])
    outcome = await call("get_analytics", metric="users", startDate="2026-01-01", endDate="2026-01-02")
    assert "load_demo" in outcome.error


def test_the_model_is_told_of_the_enabled_metrics_and_the_day(demo):
    Metric.objects.filter(name="users").update(enabled=False)
    text = describe_analytics()
    assert "revenue (USD): What was sold, in US dollars, without cancelled orders; users" not in text
    assert "revenue (USD): What was sold, in US dollars, without cancelled orders." in text
    assert f"{datetime.date.today():%Y-%m-%d}" in text
    for number in range(300):
        metric(name=f"metric_{number}", description="x" * 5000).save()
    assert len(describe_analytics()) < 20_000


@pytest.mark.parametrize(
    ("total", "previous", "direction", "percent"),
    [(110, 100, "up", 10.0), (50, 100, "down", -50.0), (100, 100, "flat", 0.0), (100.5, 100, "flat", 0.5),
     (5, 0, "up", None), (0, 0, "flat", None), (-50, -100, "up", 50.0), (None, 3, "unknown", None)],
)  # fmt: skip
def test_trends(total, previous, direction, percent):
    assert metrics.trend(total, previous) == {"direction": direction, "percent": percent, "previousTotal": previous}


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("database", "sales", "There is no database called 'sales'; the databases are: main."),
        ("name", "New Customers", "Use small letters"),
        ("sql", "SELECT COUNT(*) FROM", "cannot be read as sqlite SQL"),
        ("sql", "DELETE FROM orders WHERE created_at >= :start AND created_at < :end", "Only SELECT is allowed"),
        ("sql", "SELECT 1; SELECT :start < :end", "Exactly one statement"),
        ("sql", "SELECT COUNT(*) FROM orders", "does not use :start"),
        ("sql", "SELECT COUNT(*) FROM orders WHERE created_at >= :start -- :end", "does not use :end"),
        ("sql", "SELECT COUNT(*) FROM orders WHERE ':end' > :start", "does not use :end"),
        ("sql", ORDERS + " AND status = :status", "uses :status"),
        ("sql", "SELECT COUNT(*), 1 FROM orders WHERE created_at >= :start AND created_at < :end", "2 columns"),
        ("sql", "SELECT total FROM orders WHERE created_at < :start OR created_at < :end", "more than one row"),
        ("sql", "SELECT total FROM orders WHERE created_at < :start AND created_at > :end", "gives no row"),
        ("sql", "SELECT MAX(created_at) || :start || :end FROM orders", "must give a number"),
        ("sql", "SELECT COUNT(*) FROM nowhere WHERE :start < :end", "no such table"),
        ("sql", "SELECT COUNT(*) FROM sqlite_master WHERE :start < :end", "may not be read"),
        ("sql", f"SELECT {'1 +' * 2000} 1", "longer than 4000"),
    ],
)
def test_a_metric_that_does_not_work_is_not_saved_and_says_why_at_its_field(demo_shop, db, field, value, sentence):
    with pytest.raises(ValidationError) as caught:
        metric(**{field: value}).full_clean()
    assert sentence in " ".join(caught.value.message_dict[field])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT AVG(total) FROM orders WHERE created_at BETWEEN :start AND date(:end, '-1 day')",
        f"WITH sold AS (SELECT * FROM orders WHERE {PERIOD}) SELECT COUNT(*) FROM sold;",
        f"SELECT COUNT(*) FILTER (WHERE status = 'returned') FROM orders WHERE {PERIOD}",
        "SELECT 0.00012345 * COUNT(*) /* a comment: */ FROM orders WHERE created_at >= :start AND created_at < :end",
        "SELECT NULL WHERE :start < :end",
    ],
)
def test_what_gives_one_number_is_saved(demo_shop, db, sql):
    sales = metric(sql=sql)
    sales.full_clean()
    found = metrics.report(sales, datetime.date(2026, 9, 1), datetime.date(2026, 11, 20), "day")
    assert len(found["dataPoints"]) == 81


def test_an_average_of_nothing_is_no_number(demo_shop):
    average = metric(sql="SELECT AVG(total) FROM orders WHERE created_at >= :start AND created_at < :end")
    found = metrics.report(average, datetime.date(1990, 1, 1), datetime.date(1990, 1, 1))
    assert (found["total"], found["trend"]["direction"]) == (None, "unknown")
    assert found["dataPoints"] == [{"date": "1990-01-01", "value": None}]


# --- the admin


def test_the_admin_saves_what_works_and_shows_its_last_30_days(admin_client, demo):
    fields = {"name": "sales", "description": "Sales.", "unit": "orders", "database": "main", "enabled": "on"}
    url = reverse("admin:tools_app_metric_add")
    page = admin_client.post(url, fields | {"sql": "SELECT COUNT(*) FROM nowhere WHERE :start < :end"})
    assert "no such table: nowhere" in page.content.decode()
    assert admin_client.post(url, fields | {"sql": ORDERS}).status_code == 302
    sales = Metric.objects.get(name="sales")
    page = admin_client.get(reverse("admin:tools_app_metric_change", args=[sales.pk])).content.decode()
    today = datetime.date.today()
    total = metrics.report(sales, today - datetime.timedelta(29), today)["total"]
    assert f"<strong>{total} orders</strong>" in page
    assert page.count("<title>") == 31  # the page's own, and a bar a day


def test_the_page_of_a_metric_opens_when_its_database_is_away(admin_client, demo):
    os.unlink(demo["NAME"])
    orders = Metric.objects.get(name="orders")
    page = admin_client.get(reverse("admin:tools_app_metric_change", args=[orders.pk]))
    assert page.status_code == 200
    assert "is not there yet" in page.content.decode()


def test_who_may_view_sees_the_preview_and_saves_nothing(client, demo):
    clerk = get_user_model().objects.create_user("clerk", is_staff=True)
    orders = Metric.objects.get(name="orders")
    url = reverse("admin:tools_app_metric_change", args=[orders.pk])
    client.force_login(clerk)
    assert client.get(url).status_code == 403
    clerk.user_permissions.add(Permission.objects.get(codename="view_metric"))
    page = client.get(url).content.decode()
    assert "<svg" in page
    assert 'name="_save"' not in page
    assert client.post(url, {"name": "other"}).status_code == 403


def test_hostile_names_are_escaped(admin_client, demo):
    hostile = '<script>alert("x")</script>'
    row = metric(name="sales", description=hostile, unit=hostile)
    row.save()
    for url in (reverse("admin:tools_app_metric_change", args=[row.pk]), reverse("admin:tools_app_metric_changelist")):
        assert hostile not in admin_client.get(url).content.decode()


# --- PostgreSQL


@pytest.mark.django_db
def test_metrics_of_postgresql_have_dates_to_reckon_with(settings):
    with postgresql() as server:
        with server.connect() as connection:
            connection.execute("CREATE TABLE orders (total numeric(10, 2), created_at timestamptz, day date)")
            connection.execute(
                "INSERT INTO orders SELECT n, t, t::date FROM generate_series(1, 100) n, "
                "LATERAL (SELECT timestamptz '2026-10-01 12:00Z' + n * interval '1 day' AS t) x"
            )
        settings.SQL_DATABASES = {"main": server.settings}
        for sql in (
            "SELECT SUM(total) FROM orders WHERE created_at >= :start AND created_at < :end",
            "SELECT SUM(total) FROM orders WHERE day >= :start AND day <= :end - interval '1 day'",
            "SELECT SUM(total) * (:end - :start) / (:end - :start) FROM orders WHERE day BETWEEN :start AND :end - 1",
        ):
            sales = metric(sql=sql)
            sales.full_clean()
            found = metrics.report(sales, datetime.date(2026, 10, 2), datetime.date(2026, 12, 30), "week")
            assert found["total"] == 4095
            assert sum(point["value"] for point in found["dataPoints"]) == pytest.approx(4095)
    with pytest.raises(ValidationError, match="cannot be reached"):
        sales.full_clean()
