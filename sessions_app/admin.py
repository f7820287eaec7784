"""Conversations for operators: who spoke, what was said, what was called. The record is read, not changed."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from tools_app.admin import ToolCallInline

from .models import LiveSession, TranscriptEntry


class ReadOnly:
    """The record of what happened: seen and, by those who may, deleted; never written."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class TranscriptInline(ReadOnly, admin.TabularInline):
    model = TranscriptEntry
    fields = ("sequence", "role", "text", "interrupted", "heard_ms", "time_to_first_audio_ms", "started_at")
    readonly_fields = fields
    can_delete = False
    extra = 0


@admin.register(LiveSession)
class LiveSessionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("created_at", "speaker", "status", "messages", "calls", "length", "total_tokens", "end_reason")
    list_display_links = ("created_at", "speaker")
    list_filter = ("status", "created_at", "model", "voice")
    search_fields = ("=id", "user_label", "user__username", "transcript__text")
    search_help_text = "Session id, speaker, or words that were said."
    date_hierarchy = "created_at"
    list_select_related = ("user",)
    list_per_page = 50
    inlines = (TranscriptInline, ToolCallInline)
    fieldsets = (
        (None, {"fields": (("status", "end_reason"), ("user", "user_label"), "id")}),
        ("Times", {"fields": (("created_at", "connected_at"), ("last_activity_at", "ended_at"), "length")}),
        ("Configuration", {"fields": (("model", "voice", "language"), "allowed_tools", "instruction")}),
        ("Tokens", {"fields": (("prompt_tokens", "response_tokens", "total_tokens"),)}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).with_counts()

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
        seconds = round(((session.ended_at or session.last_activity_at) - session.connected_at).total_seconds())
        return f"{max(seconds, 0) // 60}:{max(seconds, 0) % 60:02}"
