"""Tool calls to look at, documents and metrics to edit."""

import datetime
import json
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Field
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.text import Truncator

from . import metrics, sql_databases
from .exceptions import ToolError
from .models import KnowledgeDocument, Metric, ToolCall


def _pretty(value: Any) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre style="margin:0;white-space:pre-wrap;overflow-wrap:anywhere">{}</pre>', text)


@admin.register(ToolCall)
class ToolCallAdmin(admin.ModelAdmin):
    """A record of what happened: to be seen by whoever may view it, changed by nobody."""

    list_display = (
        "name",
        "status",
        "short_arguments",
        "short_error",
        "delivered",
        "duration_ms",
        "started_at",
        "session",
    )
    list_filter = ("name", "status", "delivered", "started_at")
    list_select_related = ("session__user",)
    search_fields = ("name", "call_id", "arguments", "error", "=session__id")
    date_hierarchy = "started_at"
    show_full_result_count = False
    fields = (
        *("name", "status", "session", "call_id", "started_at", "duration_ms"),
        *("pretty_arguments", "pretty_result", "error", "delivered"),
    )
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Else a session could not be deleted, which takes its calls with it.
        return request.user.is_superuser

    @admin.display(description="arguments")
    def pretty_arguments(self, call: ToolCall) -> str:
        return _pretty(call.arguments)

    @admin.display(description="result")
    def pretty_result(self, call: ToolCall) -> str:
        return "–" if call.result is None else _pretty(call.result)

    @admin.display(description="arguments")
    def short_arguments(self, call: ToolCall) -> str:
        return Truncator(json.dumps(call.arguments, ensure_ascii=False)).chars(60)

    @admin.display(description="error", ordering="error")
    def short_error(self, call: ToolCall) -> str:
        return Truncator(call.error or "–").chars(60)


@admin.register(KnowledgeDocument)
class KnowledgeDocumentAdmin(admin.ModelAdmin):
    list_display = ("title", "source", "updated_at")
    search_fields = ("title", "text", "source")
    readonly_fields = ("created_at", "updated_at")


@admin.register(Metric)
class MetricAdmin(admin.ModelAdmin):
    """What is saved has run once (Metric.clean); how it has gone lately is seen on its page."""

    list_display = ("name", "description", "unit", "database", "enabled", "updated_at")
    list_filter = ("enabled", "database")
    search_fields = ("name", "description", "sql")
    fields = ("name", "description", "unit", "database", "sql", "enabled", "preview", "created_at", "updated_at")
    readonly_fields = ("preview", "created_at", "updated_at")

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest | None, **kwargs: Any) -> Any:
        if db_field.name == "database":
            kwargs["widget"] = forms.Select(choices=[(name, name) for name in sql_databases.names()])
        if db_field.name == "sql":
            kwargs["widget"] = forms.Textarea(attrs={"rows": 8, "cols": 100, "spellcheck": "false"})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description="last 30 days")
    def preview(self, metric: Metric) -> str:
        if metric.pk is None:
            return "Shown once it is saved."
        today = datetime.date.today()
        try:
            report = metrics.report(metric, today - datetime.timedelta(days=29), today, "day")
        except ToolError as error:
            return format_html('<span class="errornote">{}</span>', str(error))
        highest = max(point["value"] or 0 for point in report["dataPoints"])
        context = {"report": report, "bars": _bars(report["dataPoints"]), "highest": highest}
        return render_to_string("admin/tools_app/metric_preview.html", context)


def _bars(points: list[dict[str, Any]], height: float = 100.0, step: int = 16) -> list[dict[str, Any]]:
    """The rectangles of a bar chart, in its own units; what is below 0 hangs from the line of 0."""
    values = [point["value"] or 0 for point in points]
    highest, lowest = max([0, *values]), min([0, *values])
    scale = height / ((highest - lowest) or 1)
    return [
        {
            **point,
            "x": number * step,
            "y": round((highest - max(value, 0)) * scale, 2),
            "height": round(abs(value) * scale, 2),
        }
        for number, (point, value) in enumerate(zip(points, values, strict=True))
    ]
