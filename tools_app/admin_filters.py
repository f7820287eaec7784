"""Filters of the admin's lists of tools and calls; both lists mean the same by a period."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from .models import Tool, ToolCall
from .statistics import ERRORS, PERIODS, Period


class PeriodFilter(admin.SimpleListFilter):
    title = "period"
    parameter_name = "period"
    default = "all"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(key, period.title) for key, period in PERIODS.items()]

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        for key, title in self.lookup_choices:
            query = changelist.get_query_string({self.parameter_name: key}, ["p"])
            yield {"selected": self.key == key, "query_string": query, "display": title}

    @property
    def key(self) -> str:
        value = self.value()
        return value if value in PERIODS else self.default

    @property
    def period(self) -> Period:
        return PERIODS[self.key]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        since = self.period.since()
        return queryset.filter(started_at__gte=since) if since else queryset


class DayFilter(admin.SimpleListFilter):
    """One day of UTC; any date may stand in the address, the latest are offered."""

    title = "day"
    parameter_name = "day"
    offered = 5

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        today = timezone.now().date()
        days = [f"{today - timedelta(days=back)}" for back in range(self.offered)]
        chosen = request.GET.get(self.parameter_name, "")
        return [(day, day) for day in days + [chosen] * bool(chosen and chosen not in days)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet | None:
        try:
            day = datetime.strptime(self.value() or "", "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            return None
        return queryset.filter(started_at__gte=day, started_at__lt=day + timedelta(days=1))


class NameFilter(admin.SimpleListFilter):
    """Of the tools that are known; the names of all calls would be read from every row."""

    title = "tool"
    parameter_name = "name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        Tool.objects.list_registered()
        return [(name, name) for name in Tool.objects.values_list("name", flat=True)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet | None:
        return queryset.filter(name=self.value()) if self.value() else None


class StatusFilter(admin.SimpleListFilter):
    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            *((status.value, status.label.capitalize()) for status in ToolCall.Status),
            ("errors", "Error or time-out"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet | None:
        if self.value() == "errors":
            return queryset.filter(status__in=ERRORS)
        return queryset.filter(status=self.value()) if self.value() else None
