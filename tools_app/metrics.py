"""Figures of the company: one SELECT that gives one number for a period, asked anew for each period.

Each period is asked by itself, so that counts of different people and rates are exact, too, which no sum of days is.
"""

import datetime
import time
from collections.abc import Iterator
from typing import Any, Literal

from . import sql_databases
from .exceptions import ToolError
from .models import Metric
from .readonly_sql import DIALECTS, Limits, engine_of, select

Interval = Literal["day", "week", "month"]
# The first day and the one after the last.
Period = tuple[datetime.date, datetime.date]

MAX_POINTS = 100
MAX_SQL = 4_000
# Of all queries together that make up one answer.
SECONDS = 10.0
# Many periods go into one statement, as long as SQLite takes it.
STATEMENT_LENGTH = 12_000
STATEMENT_PERIODS = 40
# Less than this is no trend but noise.
FLAT_PERCENT = 1.0
DAY = datetime.timedelta(days=1)
# The longest period that "auto" gives in days, and in weeks.
DAYS, WEEKS = 92, 366


def report(
    metric: Metric, start: datetime.date, end: datetime.date, interval: Interval | None = None
) -> dict[str, Any]:
    """`end` is included. The trend is against the equally long period before. Raises ToolError."""
    length = end - start + DAY
    if length.days < 1:
        raise ToolError(f"endDate {end} is before startDate {start}; swap them.")
    interval = interval or ("day" if length.days <= DAYS else "week" if length.days <= WEEKS else "month")
    points = buckets((start, _after(end)), interval)
    if len(points) > MAX_POINTS:
        mend = "a shorter period" if interval == "month" else "a shorter period or a longer interval"
        raise ToolError(f"The period has more than {MAX_POINTS} {interval}s; ask for {mend}.")
    try:
        before = (start - length, start)
    except OverflowError:
        raise ToolError(f"There is no data as early as {start}; choose a later startDate.") from None
    total, previous, *values = numbers(metric.database, metric.sql, [(start, _after(end)), before, *points])
    return {
        "metric": metric.name,
        "startDate": start.isoformat(),
        "endDate": end.isoformat(),
        "total": total,
        "unit": metric.unit,
        "interval": interval,
        "trend": trend(total, previous),
        "dataPoints": [
            {"date": first.isoformat(), "value": value} for (first, _), value in zip(points, values, strict=True)
        ],
    }


def trend(total: float | None, previous: float | None) -> dict[str, Any]:
    """`percent` is None where there was nothing before; "unknown" where one of the two is no number."""
    if total is None or previous is None:
        return {"direction": "unknown", "percent": None, "previousTotal": previous}
    percent = round(100 * (total - previous) / abs(previous), 1) if previous else None
    change = total - previous if percent is None else percent
    flat = change == 0 or (percent is not None and abs(percent) < FLAT_PERCENT)
    direction = "flat" if flat else "up" if change > 0 else "down"
    return {"direction": direction, "percent": percent, "previousTotal": previous}


def buckets(period: Period, interval: Interval) -> list[Period]:
    """The period in days, weeks from Monday, or months; the first and the last are cut where the period is.

    No more than MAX_POINTS + 1, however many centuries it has.
    """
    found: list[Period] = []
    first, after = period
    while first < after and len(found) <= MAX_POINTS:
        following = min(_next(first, interval), after)
        found.append((first, following))
        first = following
    return found


def numbers(database: str, sql: str, periods: list[Period]) -> list[float | None]:
    """The metric's number for each period. Raises ToolError if the query is wrong or takes too long."""
    config = sql_databases.get(database)
    dialect = DIALECTS[engine_of(config)]
    deadline = time.monotonic() + SECONDS
    found: list[float | None] = []
    for statement in _statements(sql, dialect, periods):
        left = deadline - time.monotonic()
        if left <= 0:
            raise ToolError("The metric takes too long; ask for a shorter period or a longer interval.")
        result = select(config, statement, Limits(rows=1, seconds=left), max_length=MAX_SQL + STATEMENT_LENGTH)
        found += [_number(value) for value in result.rows[0]]
    return found


def check(database: str, sql: str) -> None:
    """Raises ToolError unless it is one SELECT of one number between :start and :end that runs on this database."""
    config = sql_databases.get(database)
    today = datetime.date.today()
    periods = [(today - 7 * DAY, today)]
    ((tree, names),) = _bound(sql, DIALECTS[engine_of(config)], periods)
    for name, meaning in (("start", "the first day"), ("end", "the day after the last")):
        if name not in names:
            raise ToolError(f"The query does not use :{name}; compare the date with it, which is {meaning}.")
    if unknown := names - {"start", "end"}:
        raise ToolError(f"The query uses :{min(unknown)}; there are only :start and :end.")
    # By itself first: as a part of another query one row of two would pass for the number.
    result = select(config, tree.sql(DIALECTS[engine_of(config)]), Limits(rows=2, seconds=SECONDS))
    if len(result.columns) != 1:
        raise ToolError(f"The query gives {len(result.columns)} columns; it must give one number.")
    if len(result.rows) != 1:
        raise ToolError(
            "The query gives no row; it must give one number, as SUM() or COUNT() without GROUP BY do."
            if not result.rows
            else "The query gives more than one row; it must give one number, as SUM() or COUNT() without GROUP BY do."
        )
    _number(result.rows[0][0])
    numbers(database, sql, periods)


def _next(day: datetime.date, interval: Interval) -> datetime.date:
    try:
        if interval == "day":
            return day + DAY
        if interval == "week":
            return day + (7 - day.weekday()) * DAY
        return (day.replace(day=1) + 32 * DAY).replace(day=1)
    except OverflowError:
        return datetime.date.max


def _after(day: datetime.date) -> datetime.date:
    return day + DAY if day < datetime.date.max else day


def _statements(sql: str, dialect: str, periods: list[Period]) -> Iterator[str]:
    """SELECT (…), (…), …: the query once for each period, in as few statements as fit."""
    parts: list[str] = []
    for tree, _ in _bound(sql, dialect, periods):
        part = f"({tree.sql(dialect, comments=False)})"
        if parts and (len(parts) == STATEMENT_PERIODS or sum(map(len, parts)) + len(part) > STATEMENT_LENGTH):
            yield f"SELECT {', '.join(parts)}"
            parts = []
        parts.append(part)
    yield f"SELECT {', '.join(parts)}"


def _bound(sql: str, dialect: str, periods: list[Period]) -> Iterator[tuple[Any, set[str]]]:
    """The parsed query with dates in the placeholders' places, and the placeholders' names."""
    from sqlglot import exp

    from .sql_check import check as parsed

    if len(sql) > MAX_SQL:
        raise ToolError(f"The query is longer than {MAX_SQL} characters; write a shorter one.")
    template = parsed(sql, dialect, placeholders=True).tree
    names = {placeholder.name for placeholder in template.find_all(exp.Placeholder)}
    for start, end in periods:
        tree = template.copy()
        for placeholder in list(tree.find_all(exp.Placeholder)):
            day = exp.Literal.string({"start": start, "end": end}.get(placeholder.name, start).isoformat())
            # SQLite keeps dates as text; PostgreSQL would not know what to make of a text plus an interval.
            placeholder.replace(day if dialect == "sqlite" else exp.cast(day, "date"))
        yield tree, names


def _number(value: Any) -> float | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, float):
        # Nobody wants to hear twelve digits; what is small keeps three.
        return round(value, 2) if abs(value) >= 1 else float(f"{value:.3g}")
    raise ToolError(f"The query gives {str(value)[:40]!r}; it must give a number.")
