"""A session over REST: the seed's shapes, and our own fields beside them."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from tools_app.models import Tool, ToolCall
from tools_app.registry import registry

from .gemini.models import problems
from .gemini.settings import NAMES, ModelSettings, WrongSetting
from .models import LiveSession, TranscriptEntry

NO_TIME = {"invalid": "Write a time in ISO 8601, such as 2026-11-24T12:00:00Z (a + in an address is %2B)."}
LATEST = 50
"""The latest messages that a session's page of REST carries."""


class ModelSettingField(serializers.Field):
    """One field of ModelSettings, which knows its type and limits."""

    def to_internal_value(self, value: Any) -> Any:
        try:
            return ModelSettings.read({self.field_name: value}).given()[self.field_name]
        except WrongSetting as error:
            raise serializers.ValidationError(str(error)) from None


class NewSessionSerializer(serializers.Serializer):
    """The body of `POST /api/sessions`; every field may be missing."""

    userId = serializers.CharField(required=False, allow_blank=True, allow_null=True, max_length=200)
    model = serializers.CharField(required=False, max_length=100)
    voice = serializers.CharField(required=False, max_length=50)
    language = serializers.CharField(required=False, max_length=20)
    systemInstruction = serializers.CharField(required=False, max_length=20_000)
    tools = serializers.ListField(child=serializers.CharField(), required=False, allow_null=True)

    def get_fields(self) -> dict[str, serializers.Field]:
        return super().get_fields() | {name: ModelSettingField(required=False, allow_null=True) for name in NAMES}

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


class TranscriptEntrySerializer(serializers.ModelSerializer):
    startedAt = serializers.DateTimeField(source="started_at")
    endedAt = serializers.DateTimeField(source="ended_at")
    timeToFirstAudioMs = serializers.IntegerField(source="time_to_first_audio_ms")
    audioMs = serializers.IntegerField(source="audio_ms")
    heardMs = serializers.IntegerField(source="heard_ms")

    class Meta:
        model = TranscriptEntry
        fields = (
            "sequence", "role", "text", "interrupted", "startedAt", "endedAt", "timeToFirstAudioMs", "audioMs",
            "heardMs",
        )  # fmt: skip


class ToolCallSerializer(serializers.ModelSerializer):
    callId = serializers.CharField(source="call_id")
    startedAt = serializers.DateTimeField(source="started_at")
    durationMs = serializers.IntegerField(source="duration_ms")

    class Meta:
        model = ToolCall
        fields = (
            "callId", "name", "arguments", "result", "status", "error", "delivered", "startedAt", "durationMs",
        )  # fmt: skip


class ListedToolCallSerializer(ToolCallSerializer):
    sessionId = serializers.UUIDField(source="session_id")

    class Meta(ToolCallSerializer.Meta):
        fields = ("id", "sessionId", *ToolCallSerializer.Meta.fields)


class ToolCallFilters(serializers.Serializer):
    """The query of `GET /api/tool-calls`; every field may be missing."""

    tool = serializers.CharField(required=False, max_length=200)
    status = serializers.ChoiceField(
        ToolCall.Status.choices,
        required=False,
        error_messages={"invalid_choice": f"There is no such status. Known are: {', '.join(ToolCall.Status.values)}."},
    )
    session = serializers.UUIDField(required=False)
    since = serializers.DateTimeField(required=False, error_messages=NO_TIME)
    until = serializers.DateTimeField(required=False, error_messages=NO_TIME)
    delivered = serializers.BooleanField(required=False, allow_null=True)
    limit = serializers.IntegerField(required=False, min_value=1, max_value=200)
    cursor = serializers.CharField(required=False)

    def to_internal_value(self, query: dict[str, str]) -> dict[str, Any]:
        if unknown := set(query) - set(self.fields):
            known = ", ".join(self.fields)
            raise serializers.ValidationError({name: [f"No such filter. Known are: {known}."] for name in unknown})
        return super().to_internal_value(query)

    def validate(self, query: dict[str, Any]) -> dict[str, Any]:
        if "since" in query and "until" in query and query["since"] >= query["until"]:
            raise serializers.ValidationError({"until": ["Must be later than since."]})
        return query

    def lookups(self) -> dict[str, Any]:
        """For ToolCall's queryset; `session` is access.py's matter."""
        names = {"tool": "name", "since": "started_at__gte", "until": "started_at__lt"}
        given = {key: value for key, value in self.validated_data.items() if key not in ("session", "limit", "cursor")}
        return {names.get(key, key): value for key, value in given.items()}


class SessionSerializer(serializers.ModelSerializer):
    sessionId = serializers.UUIDField(source="id")
    userId = serializers.CharField(source="speaker")
    createdAt = serializers.DateTimeField(source="created_at")
    memoryLength = serializers.IntegerField(source="transcript.count")
    connectedAt = serializers.DateTimeField(source="connected_at")
    lastActivityAt = serializers.DateTimeField(source="last_activity_at")
    endedAt = serializers.DateTimeField(source="ended_at")
    endReason = serializers.CharField(source="end_reason")
    tokens = serializers.SerializerMethodField()
    droppedAudioMs = serializers.IntegerField(source="dropped_audio_ms")
    transcript = serializers.SerializerMethodField()
    toolCalls = serializers.SerializerMethodField()

    class Meta:
        model = LiveSession
        fields = (
            "sessionId", "userId", "createdAt", "memoryLength", "status", "model", "voice", "language", "connectedAt",
            "lastActivityAt", "endedAt", "endReason", "tokens", "reconnects", "droppedAudioMs", "transcript",
            "toolCalls",
        )  # fmt: skip

    def get_tokens(self, session: LiveSession) -> dict[str, Any]:
        return {
            "prompt": session.prompt_tokens,
            "response": session.response_tokens,
            "total": session.total_tokens,
            "byModality": session.tokens_by_modality,
        }

    def get_transcript(self, session: LiveSession) -> list[dict[str, Any]]:
        latest = reversed(session.transcript.order_by("-sequence")[:LATEST])
        return TranscriptEntrySerializer(latest, many=True).data

    def get_toolCalls(self, session: LiveSession) -> list[dict[str, Any]]:
        latest = reversed(session.tool_calls.order_by("-started_at")[:LATEST])
        return ToolCallSerializer(latest, many=True).data
