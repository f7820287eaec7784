"""A session over REST: the seed's shapes, and our own fields beside them."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers

from tools_app.models import Tool, ToolCall
from tools_app.registry import registry

from ..gemini.models import problems
from ..gemini.settings import NAMES, ModelSettings
from ..models import LiveSession, TranscriptEntry
from .fields import MetadataField, ModelSettingField, Text

LATEST = 50
"""The latest messages that a session's page of REST carries."""
OPENING = 200
"""Letters of the first words, in a list."""


def page_of(name: str, row: type[serializers.BaseSerializer], **more: serializers.Field) -> serializers.Serializer:
    """What `pagination.Pages` answers, for the schema."""
    fields = {name: row(many=True)} | {
        link: serializers.URLField(allow_null=True, help_text="The neighbouring page.") for link in ("next", "previous")
    }
    return inline_serializer(f"{name[0].upper()}{name[1:]}Page", fields | more)


class NewSessionSerializer(serializers.Serializer):
    """The body of `POST /api/sessions`; every field may be missing."""

    userId = Text(
        required=False, allow_blank=True, allow_null=True, max_length=200, help_text="A label of the speaker."
    )
    model = Text(required=False, max_length=100)
    voice = Text(required=False, max_length=50)
    language = Text(required=False, max_length=20, help_text="BCP-47, such as en-US.")
    systemInstruction = Text(required=False, max_length=20_000)
    tools = serializers.ListField(
        child=Text(), required=False, allow_null=True, help_text="The only tools that it may call; missing: all."
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        return super().get_fields() | {name: ModelSettingField.of(name) for name in NAMES}

    def validate_tools(self, names: list[str] | None) -> list[str] | None:
        known = [tool.name for tool in registry.all(wait=True)]
        if unknown := [name for name in names or () if name not in known]:
            raise serializers.ValidationError(f"Unknown: {', '.join(unknown)}. Known are: {', '.join(known)}.")
        off = Tool.objects.switched_off() if names else set()
        if refused := [name for name in names or () if name in off]:
            raise serializers.ValidationError(
                f"Switched off by an operator: {', '.join(refused)}. Leave it out, or have it switched on in the admin."
            )
        return names

    def validate(self, body: dict[str, Any]) -> dict[str, Any]:
        model = body.get("model") or settings.GEMINI_MODEL
        if refused := problems(model, ModelSettings.read(body), settings.GEMINI_API_VERSION):
            raise serializers.ValidationError({problem.setting: [problem.message] for problem in refused})
        return body

    def configuration(self) -> dict[str, Any]:
        """The fields of LiveSession."""
        names = {"systemInstruction": "instruction", "tools": "allowed_tools"}
        stored = {
            names.get(key, key): value
            for key, value in self.validated_data.items()
            if key != "userId" and key not in NAMES
        }
        return stored | {"model_settings": ModelSettings.read(self.validated_data).given()}


class ChangeSerializer(serializers.Serializer):
    """The body of `PATCH /api/sessions/<id>`; what is missing stays as it is."""

    title = Text(required=False, allow_blank=True, max_length=200)
    metadata = MetadataField(required=False)

    def to_internal_value(self, body: Any) -> dict[str, Any]:
        if isinstance(body, dict) and (unknown := set(body) - set(self.fields)):
            known = ", ".join(self.fields)
            raise serializers.ValidationError(
                {name: [f"Cannot be changed. What can be changed is: {known}."] for name in unknown}
            )
        return super().to_internal_value(body)


class TranscriptEntrySerializer(serializers.ModelSerializer):
    startedAt = serializers.DateTimeField(source="started_at")
    endedAt = serializers.DateTimeField(source="ended_at")
    timeToFirstAudioMs = serializers.IntegerField(source="time_to_first_audio_ms", allow_null=True)
    audioMs = serializers.IntegerField(source="audio_ms", allow_null=True)
    heardMs = serializers.IntegerField(source="heard_ms", allow_null=True)

    class Meta:
        model = TranscriptEntry
        fields = (
            "sequence", "role", "text", "interrupted", "startedAt", "endedAt", "timeToFirstAudioMs", "audioMs",
            "heardMs",
        )  # fmt: skip
        read_only_fields = fields


class ToolCallSerializer(serializers.ModelSerializer):
    callId = serializers.CharField(source="call_id")
    startedAt = serializers.DateTimeField(source="started_at")
    durationMs = serializers.IntegerField(source="duration_ms", allow_null=True)
    result = serializers.JSONField()  # or null, which is JSON too

    class Meta:
        model = ToolCall
        fields = (
            "callId", "name", "arguments", "result", "status", "error", "delivered", "startedAt", "durationMs",
        )  # fmt: skip
        read_only_fields = fields


class ListedToolCallSerializer(ToolCallSerializer):
    sessionId = serializers.UUIDField(source="session_id", allow_null=True)

    class Meta(ToolCallSerializer.Meta):
        fields = ("id", "sessionId", *ToolCallSerializer.Meta.fields)


class TokensSerializer(serializers.Serializer):
    prompt = serializers.IntegerField()
    response = serializers.IntegerField()
    total = serializers.IntegerField()
    byModality = serializers.DictField(child=serializers.IntegerField(), help_text="Such as prompt.audio.")


class BaseSessionSerializer(serializers.ModelSerializer):
    sessionId = serializers.UUIDField(source="id")
    userId = serializers.CharField(source="speaker", allow_null=True)
    createdAt = serializers.DateTimeField(source="created_at")
    connectedAt = serializers.DateTimeField(source="connected_at", allow_null=True)
    lastActivityAt = serializers.DateTimeField(source="last_activity_at")
    updatedAt = serializers.DateTimeField(source="updated_at")
    endedAt = serializers.DateTimeField(source="ended_at", allow_null=True)
    endReason = serializers.CharField(source="end_reason")
    tokens = serializers.SerializerMethodField()

    class Meta:
        model = LiveSession
        fields = (
            "sessionId", "userId", "createdAt", "memoryLength", "title", "status", "model", "voice", "language",
            "connectedAt", "lastActivityAt", "updatedAt", "endedAt", "endReason", "tokens",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(TokensSerializer)
    def get_tokens(self, session: LiveSession) -> dict[str, Any]:
        return {
            "prompt": session.prompt_tokens,
            "response": session.response_tokens,
            "total": session.total_tokens,
            "byModality": session.tokens_by_modality,
        }


class ListedSessionSerializer(BaseSessionSerializer):
    """A session in a list; in code, one of a queryset `with_summary`."""

    LEFT_OUT = ("instruction", "allowed_tools", "model_settings", "metadata", "resumption_handle")

    memoryLength = serializers.IntegerField(source="message_count", help_text="Messages of the transcript.")
    toolCallCount = serializers.IntegerField(source="call_count")
    opening = serializers.SerializerMethodField(help_text="The first words of the user.")

    class Meta(BaseSessionSerializer.Meta):
        fields = (*BaseSessionSerializer.Meta.fields, "toolCallCount", "opening")

    def get_opening(self, session: LiveSession) -> str | None:
        return session.opening and session.opening[:OPENING]


class SessionSerializer(BaseSessionSerializer):
    """A session with the latest of what was said and called in it."""

    memoryLength = serializers.IntegerField(source="transcript.count", help_text="Messages of the transcript.")
    metadata = MetadataField()
    droppedAudioMs = serializers.IntegerField(source="dropped_audio_ms")
    transcript = serializers.SerializerMethodField(help_text="The last 50 messages.")
    toolCalls = serializers.SerializerMethodField(help_text="The last 50 calls.")

    class Meta(BaseSessionSerializer.Meta):
        fields = (
            *BaseSessionSerializer.Meta.fields, "metadata", "reconnects", "droppedAudioMs", "transcript", "toolCalls",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(TranscriptEntrySerializer(many=True))
    def get_transcript(self, session: LiveSession) -> list[dict[str, Any]]:
        latest = reversed(session.transcript.order_by("-sequence")[:LATEST])
        return TranscriptEntrySerializer(latest, many=True).data

    @extend_schema_field(ToolCallSerializer(many=True))
    def get_toolCalls(self, session: LiveSession) -> list[dict[str, Any]]:
        latest = reversed(session.tool_calls.order_by("-started_at")[:LATEST])
        return ToolCallSerializer(latest, many=True).data


class ExportedSessionSerializer(SessionSerializer):
    """Without the transcript and the calls, which are written one by one."""

    class Meta(SessionSerializer.Meta):
        fields = tuple(name for name in SessionSerializer.Meta.fields if name not in ("transcript", "toolCalls"))
