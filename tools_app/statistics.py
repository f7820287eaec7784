"""How often, how well and how fast each tool ran: two queries for all tools, on SQLite and PostgreSQL alike."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import CharField, Count, F, Q, QuerySet, Value, Window
from django.db.models.functions import Cast, Left, RowNumber
from django.utils import timezone

from .models import ToolCall

Status = ToolCall.Status
ERRORS = (Status.ERROR, Status.TIMEOUT)
CUT = (Status.DENIED, Status.CANCELLED)
"""Calls whose duration is not the tool's own: a denied one never ran, a cancelled one was cut short."""


@dataclass(frozen=True)
class Period:
    """A stretch of time up to now, in parts of equal names: hours, days or months of UTC.

    `parts` None: all that is kept, in months.
    """

    title: str
    unit: str
    parts: int | None

    @property
    def length(self) -> int:
        """Characters of an ISO 8601 date and time that name a part."""
        return {"hour": 13, "day": 10, "month": 7}[self.unit]

    def since(self) -> datetime | None:
        """The beginning of its first part."""
        if self.parts is None:
            return None
        now = timezone.now()
        begun = now.replace(minute=0, second=0, microsecond=0, hour=now.hour if self.unit == "hour" else 0)
        return begun - timedelta(**{f"{self.unit}s": self.parts - 1})

    def names(self, first: str) -> Iterator[str]:
        """Of its parts up to now, in their order; `first` begins a period of any length."""
        step = timedelta(hours=1) if self.unit == "hour" else timedelta(days=1)
        at, last = self.since() or datetime.fromisoformat(f"{first}-01"), f"{timezone.now()}"[: self.length]
        name = ""
        while name < last:
            if name != (name := f"{at}"[: self.length]):
                yield name
            at += step


PERIODS = {
    "24h": Period("24 hours", "hour", 24),
    "7d": Period("7 days", "day", 7),
    "30d": Period("30 days", "day", 30),
    "all": Period("All time", "month", None),
}


@dataclass
class Statistics:
    """Of one tool in one period. `p50` and `p95` are milliseconds, None where nothing has run."""

    by_part: dict[str, Counter[str]] = field(default_factory=dict)
    p50: int | None = None
    p95: int | None = None

    @property
    def by_status(self) -> Counter[str]:
        return sum(self.by_part.values(), Counter())

    @property
    def calls(self) -> int:
        return self.by_status.total()

    @property
    def errors(self) -> int:
        return sum(self.by_status[status] for status in ERRORS)

    @property
    def error_rate(self) -> float:
        """0 to 1; denied and cancelled calls are calls, but no errors."""
        return self.errors / self.calls if self.calls else 0.0


def statistics(period: Period, calls: QuerySet[ToolCall]) -> dict[str, Statistics]:
    """Of those of the calls that began in the period, by the name that was called."""
    calls = calls.order_by()
    if since := period.since():
        calls = calls.filter(started_at__gte=since)
    found: dict[str, Statistics] = defaultdict(Statistics)
    # Databases write times as ISO 8601 in UTC; Django's own Trunc is a Python function on SQLite, many times slower.
    part = Left(Cast("started_at", CharField()), period.length)
    for name, at, status, count in calls.values_list("name", part, "status").annotate(count=Count("*")):
        found[name].by_part.setdefault(at, Counter())[status] += count
    for name, rank, of, duration in _at_ranks(calls):
        if rank == _rank(of, 50):
            found[name].p50 = duration
        if rank == _rank(of, 95):
            found[name].p95 = duration
    return dict(found)


def _at_ranks(calls: QuerySet[ToolCall]) -> QuerySet:
    """(name, rank, of, duration) of those calls that stand at a percentile's rank among their tool's."""
    ran = (
        calls.filter(duration_ms__isnull=False)
        .exclude(status__in=CUT)
        .annotate(
            rank=Window(RowNumber(), partition_by="name", order_by="duration_ms"),
            of=Window(Count("*"), partition_by="name"),
        )
    )
    wanted = Q(rank=_rank(F("of"), 50)) | Q(rank=_rank(F("of"), 95))
    return ran.filter(wanted).values_list("name", "rank", "of", "duration_ms")


def _rank(of: Any, percent: int) -> Any:
    """The nearest rank, of a number or in the database: the whole number from `percent` of `of` upwards."""
    numerator = of * percent + 99
    return numerator // 100 if isinstance(of, int) else numerator / Value(100)
