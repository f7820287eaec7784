"""The admin's page of tools: switch them on and off, and see how often, how well and how fast they run."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Case, F, FloatField, OuterRef, QuerySet, Subquery, Value, When
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.timesince import timesince

from . import charts
from .admin_filters import PeriodFilter
from .definition import ToolDefinition
from .models import Tool, ToolCall
from .registry import registry
from .statistics import PERIODS, Statistics, statistics

LATEST = 10
SORTABLE = ("calls", "error_rate", "p50", "p95")


class StatisticsFilter(PeriodFilter):
    """Chooses the period that the statistics are of; gives each tool what the list is sorted by."""

    default = "7d"

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        names = set(Tool.objects.values_list("name", flat=True))
        everything = statistics(self.period, ToolCall.objects.all())
        self.statistics = {name: found for name, found in everything.items() if name in names}
        self.strangers = sum(found.calls for name, found in everything.items() if name not in names)
        return queryset.annotate(**{f"sort_{column}": self._values(column) for column in SORTABLE})

    def _values(self, column: str) -> Case:
        """A column of figures that were counted already, as one that the database can sort by."""
        whens = [When(name=name, then=Value(float(getattr(s, column) or 0))) for name, s in self.statistics.items()]
        return Case(*whens, default=Value(0.0), output_field=FloatField())


@admin.register(Tool)
class ToolAdmin(admin.ModelAdmin):
    list_display = ("name", "purpose", "enabled", "calls", "errors", "p50", "p95", "last_call", "activity")
    list_editable = ("enabled",)
    list_filter = (StatisticsFilter,)
    list_per_page = 100
    search_fields = ("name", "note")
    show_facets = admin.ShowFacets.NEVER
    actions = None
    fields = ("enabled", "note", ("updated_at", "updated_by"))
    readonly_fields = ("updated_at", "updated_by")

    class Media:
        css = {"all": ("css/admin.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Tool | None = None) -> bool:
        """The row of a registered tool would come back, switched on."""
        return obj is not None and registry.get(obj.name) is None and super().has_delete_permission(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tool]:
        latest = ToolCall.objects.filter(name=OuterRef("name")).order_by("-started_at").values("started_at")[:1]
        return super().get_queryset(request).select_related("updated_by").annotate(last_called_at=Subquery(latest))

    def save_model(self, request: HttpRequest, obj: Tool, form: Any, change: bool) -> None:
        obj.updated_by = request.user  # type: ignore[assignment]  who is logged in is no AnonymousUser
        super().save_model(request, obj, form, change)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        Tool.objects.list_registered()
        return super().changelist_view(request, {"title": "Tools", **(extra_context or {})})

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        (chosen,) = changelist.filter_specs
        changelist.statuses = ToolCall.Status.choices
        changelist.strangers, changelist.strangers_url = chosen.strangers, _calls_url(period=chosen.key)
        definitions = {definition.name: definition for definition in registry.all(wait=True)}
        for tool in changelist.result_list:
            tool.definition = definitions.get(tool.name)
            tool.statistics = chosen.statistics.get(tool.name) or Statistics()
            tool.period = chosen.key
        return changelist

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **options: Any) -> HttpResponse:
        tool = options["obj"]
        period = PERIODS["30d"]
        calls = ToolCall.objects.filter(name=tool.name)
        found = statistics(period, calls).get(tool.name, Statistics())
        definition = registry.get(tool.name)
        context |= {
            "options": _options(definition) if definition else {},
            "declaration": json.dumps(definition.declaration(), indent=2, ensure_ascii=False) if definition else "",
            "statistics": found,
            "bars": charts.bars(period, found, lambda day: _calls_url(name=tool.name, day=day)),
            "statuses": [
                (label, status, found.by_status[status], _calls_url(name=tool.name, status=status, period="30d"))
                for status, label in ToolCall.Status.choices
                if found.by_status[status]
            ],
            # What people said stands in the arguments: only for whoever may read calls.
            "latest": [(call, json.dumps(call.arguments, ensure_ascii=False)) for call in calls[:LATEST]]
            if request.user.has_perm("tools_app.view_toolcall")
            else [],
            "all_calls": _calls_url(name=tool.name),
        }
        return super().render_change_form(request, context, **options)

    @admin.display(description="what it does")
    def purpose(self, tool: Tool) -> str:
        if tool.definition is None:
            return format_html('<span class="tool-mark">{}</span>', "Not registered any more")
        sentence = tool.definition.purpose
        if tool.enabled:
            return sentence
        why = f"Off: {tool.note}" if tool.note else "Off"
        return format_html('<span class="tool-mark">{}</span> {}', why, sentence)

    @admin.display(ordering="-sort_calls")
    def calls(self, tool: Tool) -> str:
        return _linked(tool.statistics.calls, name=tool.name, period=tool.period)

    @admin.display(ordering="-sort_error_rate")
    def errors(self, tool: Tool) -> str:
        if not tool.statistics.calls:
            return "–"
        count = _linked(tool.statistics.errors, name=tool.name, period=tool.period, status="errors")
        return format_html("{} <small>{}</small>", count, f"{tool.statistics.error_rate:.1%}")

    @admin.display(description="p50 ms", ordering="-sort_p50")
    def p50(self, tool: Tool) -> str:
        return _number(tool.statistics.p50)

    @admin.display(description="p95 ms", ordering="-sort_p95")
    def p95(self, tool: Tool) -> str:
        return _number(tool.statistics.p95)

    @admin.display(description="last call", ordering=F("last_called_at").desc(nulls_last=True))
    def last_call(self, tool: Tool) -> str:
        if tool.last_called_at is None:
            return "never"
        recent = timezone.now() - tool.last_called_at < timedelta(minutes=1)
        ago = "just now" if recent else f"{timesince(tool.last_called_at, depth=1)} ago"
        return format_html('<span title="{}">{}</span>', f"{tool.last_called_at:%Y-%m-%d %H:%M:%S} UTC", ago)

    @admin.display(description="over time")
    def activity(self, tool: Tool) -> str:
        if not tool.statistics.calls:
            return "–"
        return format_html("{}{}", charts.bars(PERIODS[tool.period], tool.statistics), charts.shares(tool.statistics))


def _options(definition: ToolDefinition) -> dict[str, str]:
    """Of a tool's definition, in words."""
    return {
        "Function": definition.where,
        "Time-out": f"{definition.timeout or settings.TOOLS_TIMEOUT:g} s",
        "Behavior": definition.behavior or "the model decides",
        "Scheduling": definition.scheduling or "the model decides",
        "Permission": definition.permission or "none needed",
        "Approval": "a person agrees to each call" if definition.approval else "none needed",
        "Sensitive": "its results are not for strangers" if definition.sensitive else "no",
        "Outside": "what it is given leaves the house" if definition.outside else "no",
        "Rate": definition.rate or "not limited",
    }


def _calls_url(**filters: str) -> str:
    return f"{reverse('admin:tools_app_toolcall_changelist')}?{urlencode(filters)}"


def _linked(count: int, **filters: str) -> str:
    return format_html('<a href="{}">{}</a>', _calls_url(**filters), _number(count)) if count else "0"


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"
