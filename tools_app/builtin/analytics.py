"""Figures of the demo shop over a period, with the trend against the period before."""

import datetime
from typing import Annotated, Literal

from django.conf import settings
from pydantic import Field

from ..exceptions import ToolError
from ..readonly_sql import Limits, select
from ..registry import tool

Metric = Literal["users", "revenue", "orders", "conversions"]
UNITS = {"users": "users", "revenue": "USD", "orders": "orders", "conversions": "percent"}
MAX_DAYS = 366
# Less than this is no trend but noise.
FLAT_PERCENT = 1.0
SALE = "status <> 'cancelled'"
# Each gives one number a group; conversions are orders per hundred visits, made from two of them.
QUERIES = {
    "users": ("COUNT(DISTINCT customer_id)", "visits", "customer_id IS NOT NULL"),
    "revenue": ("SUM(total)", "orders", SALE),
    "orders": ("COUNT(*)", "orders", SALE),
    "visits": ("COUNT(*)", "visits", "1 = 1"),
}


def describe_analytics() -> str:
    return (
        "Get a figure of the shop for a period, day by day, with its trend against the equally long period before. "
        "Metrics: users (customers who visited), revenue (in US dollars), orders, "
        "conversions (orders per hundred visits, in percent). "
        f"Today is {datetime.date.today():%A, %Y-%m-%d}; cancelled orders do not count."
    )


@tool(description=describe_analytics)
def get_analytics(
    metric: Annotated[Metric, Field(description="Which figure.")],
    start: Annotated[datetime.date, Field(alias="startDate", description="The first day.")],
    end: Annotated[datetime.date, Field(alias="endDate", description="The last day, included.")],
) -> dict:
    length = end - start + datetime.timedelta(days=1)
    if length.days < 1:
        raise ToolError(f"endDate {end} is before startDate {start}; swap them.")
    if length.days > MAX_DAYS:
        raise ToolError(f"The period has {length.days} days; ask for at most {MAX_DAYS} at a time.")
    try:
        before = start - length
    except OverflowError:
        raise ToolError(f"There is no data as early as {start}; choose a later startDate.") from None
    total, previous = _total(metric, start, end), _total(metric, before, start - datetime.timedelta(days=1))
    return {
        "metric": metric,
        "startDate": start.isoformat(),
        "endDate": end.isoformat(),
        "total": total,
        "unit": UNITS[metric],
        "trend": _trend(total, previous),
        "dataPoints": _by_day(metric, start, length.days),
    }


def _trend(total: float, previous: float) -> dict:
    """`percent` is None where there was nothing before."""
    percent = round(100 * (total - previous) / previous, 1) if previous else None
    change = total - previous if percent is None else percent
    flat = change == 0 or (percent is not None and abs(percent) < FLAT_PERCENT)
    direction = "flat" if flat else "up" if change > 0 else "down"
    return {"direction": direction, "percent": percent, "previousTotal": previous}


def _total(metric: str, first: datetime.date, last: datetime.date) -> float:
    if metric == "conversions":
        return _rate(_total("orders", first, last), _total("visits", first, last))
    return _number(_query(metric, first, last, by_day=False)[0][0])


def _by_day(metric: str, start: datetime.date, days: int) -> list[dict]:
    dates = [start + datetime.timedelta(days=number) for number in range(days)]
    parts = ("orders", "visits") if metric == "conversions" else (metric,)
    found = [{str(day): _number(value) for day, value in _query(part, dates[0], dates[-1])} for part in parts]
    points = []
    for date in map(str, dates):
        values = [part.get(date, 0) for part in found]
        points.append({"date": date, "value": _rate(*values) if metric == "conversions" else values[0]})
    return points


def _query(part: str, first: datetime.date, last: datetime.date, *, by_day: bool = True) -> list[list]:
    """The dates come from `datetime.date`, so nothing of the model's words gets into the SQL."""
    value, table, condition = QUERIES[part]
    after = last + datetime.timedelta(days=1) if last < datetime.date.max else last
    where = f"FROM {table} WHERE {condition} AND created_at >= '{first}' AND created_at < '{after}'"
    sql = f"SELECT date(created_at), {value} {where} GROUP BY 1" if by_day else f"SELECT {value} {where}"
    return select(settings.DEMO_DATABASE, sql, Limits(rows=MAX_DAYS, size=256 * 1024)).rows


def _number(value: float | None) -> float:
    return round(value, 2) if isinstance(value, float) else int(value or 0)


def _rate(orders: float, visits: float) -> float:
    return round(100 * orders / visits, 2) if visits else 0.0
