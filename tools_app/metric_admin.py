"""The admin's page of a metric: its SQL, and how it has gone lately."""

import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Field
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html

from . import metrics, sql_databases
from .exceptions import ToolError
from .models import Metric


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
        if db_field.name == "description":
            kwargs["widget"] = forms.Textarea(attrs={"rows": 3, "cols": 100})
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
