"""Conversations for operators: who spoke, what was said, what was called. The record is read, not changed."""

import json
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.text import Truncator

from .access import admin as _tokens  # noqa: F401  registers them
from .models import LiveSession, TranscriptEntry
from .quotas.admin import ConversationSwitchAdmin, DailyUseAdmin, QuotaAdmin
from .rest.export import FORMS, attachment

__all__ = ["ConversationSwitchAdmin", "DailyUseAdmin", "LiveSessionAdmin", "QuotaAdmin"]


@admin.register(LiveSession)
class LiveSessionAdmin(admin.ModelAdmin):
    list_display = ("created_at", "who", "about", "status", "messages", "calls", "length", "total_tokens")
    list_display_links = ("created_at", "who", "about")
    list_filter = ("status", "created_at", "model", "voice", "tool_calls__name")
    search_fields = ("=id", "title", "user_label", "user__username", "transcript__text")
    search_help_text = "Session id, title, speaker, or words that were said."
    date_hierarchy = "created_at"
    list_select_related = ("user",)
    list_per_page = 50
    readonly_fields = ("conversation", "length", "export")
    fieldsets = (
        (None, {"fields": ("title", ("status", "end_reason", "length"), "export")}),
        ("Conversation", {"fields": ("conversation",)}),
        ("Speaker", {"fields": (("user", "user_label"), "id", "metadata")}),
        ("Times", {"fields": (("created_at", "connected_at"), ("last_activity_at", "ended_at"))}),
        (
            "Configuration",
            {"fields": (("model", "voice", "language"), "model_settings", "allowed_tools", "instruction")},
        ),
        ("Tokens", {"fields": (("prompt_tokens", "response_tokens", "total_tokens"), "tokens_by_modality")}),
        ("Connections", {"fields": (("reconnects", "dropped_audio_ms", "seen_at"),)}),
    )

    class Media:
        css = {"all": ("css/admin.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: LiveSession | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).with_summary()

    @admin.display(description="speaker")
    def who(self, session: LiveSession) -> str:
        return session.speaker or "anonymous"

    @admin.display(description="about")
    def about(self, session: LiveSession) -> str:
        """The title; without one what was asked first."""
        return Truncator(session.title or session.opening or "–").chars(60)

    @admin.display(description="messages")
    def messages(self, session: LiveSession) -> int:
        return session.message_count

    @admin.display(description="tool calls")
    def calls(self, session: LiveSession) -> int:
        return session.call_count

    @admin.display(description="length")
    def length(self, session: LiveSession) -> str:
        if session.connected_at is None:
            return "–"
        end = session.ended_at or session.last_activity_at
        minutes, seconds = divmod(max(0, round((end - session.connected_at).total_seconds())), 60)
        return f"{minutes}:{seconds:02}"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.send_export)
        return [
            path("<path:object_id>/export/<str:form>", view, name="sessions_app_livesession_export"),
            *super().get_urls(),
        ]

    def send_export(self, request: HttpRequest, object_id: str, form: str) -> HttpResponseBase:
        session = self.get_object(request, object_id)
        if form not in FORMS or session is None:
            raise Http404
        if not self.has_view_permission(request, session):
            raise PermissionDenied
        return attachment(request, session, form)

    @admin.display(description="export")
    def export(self, session: LiveSession) -> str:
        links = (
            (reverse("admin:sessions_app_livesession_export", args=(session.pk, form)), name)
            for form, name in (("markdown", "Markdown"), ("json", "JSON"))
        )
        return format_html_join(" · ", '<a href="{}">{}</a>', links)

    @admin.display(description="conversation")
    def conversation(self, session: LiveSession) -> str:
        """Transcript and tool calls together, in the order in which they happened."""
        entries = [(entry.started_at, {"entry": entry, "heard": _heard(entry)}) for entry in session.transcript.all()]
        calls = [
            (call.started_at, {"tool": call, "arguments": _readable(call.arguments), "result": _readable(call.result)})
            for call in session.tool_calls.all()
        ]
        items = [item for _, item in sorted(entries + calls, key=lambda pair: pair[0])]
        context = {"items": items, "speaker": session.speaker}
        return render_to_string("admin/sessions_app/conversation.html", context)


def _heard(entry: TranscriptEntry) -> str:
    """How much of a reply the page has played, of how much there was."""
    if entry.heard_ms is None:
        return ""
    heard = f"heard {entry.heard_ms / 1000:.1f}"
    return f"{heard} of {entry.audio_ms / 1000:.1f} s" if entry.audio_ms else f"{heard} s"


def _readable(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
