"""Tool calls to look at, documents and metrics to edit."""

import json
from functools import partial
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator

from .admin_filters import DayFilter, NameFilter, PeriodFilter, StatusFilter
from .dashboard import ToolAdmin
from .metric_admin import MetricAdmin
from .models import KnowledgeDocument, ToolCall
from .upload import upload_view

SHOWN_PASSAGES = 50

__all__ = ["KnowledgeDocumentAdmin", "MetricAdmin", "ToolAdmin", "ToolCallAdmin"]


def _pretty(value: Any) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre class="json">{}</pre>', text)


@admin.register(ToolCall)
class ToolCallAdmin(admin.ModelAdmin):
    """A record of what happened: to be seen by whoever may view it, changed by nobody."""

    list_display = ("name", "started", "status", "took", "said", "conversation", "delivered")
    list_filter = (NameFilter, StatusFilter, PeriodFilter, DayFilter, "delivered")
    list_select_related = ("session__user",)
    list_per_page = 50
    search_fields = ("name", "call_id", "arguments", "error", "=session__id")
    # No date hierarchy and no facets: they would read every call.
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False

    class Media:
        css = {"all": ("css/admin.css",)}

    fields = (
        *("name", "status", "conversation", "call_id", "started_at", "duration_ms"),
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

    @admin.display(description="conversation")
    def conversation(self, call: ToolCall) -> str:
        if call.session_id is None:
            return "–"
        url = reverse("admin:sessions_app_livesession_change", args=[call.session_id])
        return format_html('<a href="{}">{}</a>', url, call.session.speaker or "anonymous")

    @admin.display(description="arguments")
    def pretty_arguments(self, call: ToolCall) -> str:
        return _pretty(call.arguments)

    @admin.display(description="result")
    def pretty_result(self, call: ToolCall) -> str:
        return "–" if call.result is None else _pretty(call.result)

    @admin.display(ordering="started_at")
    def started(self, call: ToolCall) -> str:
        return f"{call.started_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="ms", ordering="duration_ms")
    def took(self, call: ToolCall) -> str:
        return "–" if call.duration_ms is None else f"{call.duration_ms:,}"

    @admin.display(description="arguments, error")
    def said(self, call: ToolCall) -> str:
        arguments = Truncator(json.dumps(call.arguments, ensure_ascii=False)).chars(80)
        if not call.error:
            return arguments
        return format_html('{}<br><span class="tool-error">{}</span>', arguments, Truncator(call.error).chars(120))


@admin.register(KnowledgeDocument)
class KnowledgeDocumentAdmin(admin.ModelAdmin):
    list_display = ("title", "source", "updated_at")
    search_fields = ("title", "text", "source")
    readonly_fields = ("created_at", "updated_at", "passages")
    fieldsets = (
        (None, {"fields": ("title", "text", "source", "created_at", "updated_at")}),
        ("Passages", {"fields": ("passages",), "classes": ("collapse",)}),
    )

    class Media:
        css = {"all": ("css/admin.css",)}

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(partial(upload_view, self))
        return [path("upload/", view, name="tools_app_knowledgedocument_upload"), *super().get_urls()]

    @admin.display(description="as they are found")
    def passages(self, document: KnowledgeDocument) -> str:
        if document.pk is None:
            return "Made when the document is saved."
        KnowledgeDocument.objects.filter(pk=document.pk).cut()
        count = document.passages.count()
        shown = format_html_join(
            "",
            '<p><strong>{}</strong></p><p class="passage">{}</p>',
            ((passage.heading, passage.text) for passage in document.passages.all()[:SHOWN_PASSAGES]),
        )
        return format_html("{}{}", shown, f"and {count - SHOWN_PASSAGES} more" if count > SHOWN_PASSAGES else "")
