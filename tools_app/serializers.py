"""What REST shows and takes of tools."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from .definition import ToolDefinition
from .models import ToolCall


class ToolSerializer(serializers.Serializer):
    """A tool's declaration, as the model gets it, and under which rules it runs; `parameters` is a JSON schema.

    `timeout` is in seconds. Null: the model decides (`behavior`, `scheduling`), or there is no such rule.
    """

    name = serializers.CharField()
    description = serializers.CharField()
    parameters = serializers.DictField()
    behavior = serializers.CharField(allow_null=True)
    scheduling = serializers.CharField(allow_null=True)
    timeout = serializers.FloatField()
    permission = serializers.CharField(allow_null=True)
    approval = serializers.BooleanField()
    sensitive = serializers.BooleanField()
    outside = serializers.BooleanField()
    rate = serializers.CharField(allow_null=True)
    enabled = serializers.BooleanField()

    @staticmethod
    def shown(tool: ToolDefinition, *, enabled: bool) -> dict[str, Any]:
        """The serializer's instance for one tool."""
        rules = ("behavior", "scheduling", "permission", "approval", "sensitive", "outside", "rate")
        options = {name: getattr(tool, name) for name in rules}
        return options | tool.declaration() | {"timeout": tool.timeout or settings.TOOLS_TIMEOUT, "enabled": enabled}


class CallSerializer(serializers.Serializer):
    """The body of `POST /api/tools/<name>/call`."""

    arguments = serializers.DictField(required=False)

    def to_internal_value(self, body: Any) -> dict[str, Any]:
        if isinstance(body, dict) and (unknown := set(body) - {"arguments"}):
            hint = 'No such field. Put the tool\'s arguments into "arguments": {"arguments": {…}}.'
            raise serializers.ValidationError({name: [hint] for name in unknown})
        return super().to_internal_value(body)


class OutcomeSerializer(serializers.Serializer):
    """How a call ended."""

    callId = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(ToolCall.Status.choices)
    result = serializers.JSONField()  # or null, which is JSON too
    error = serializers.CharField(allow_null=True)
    durationMs = serializers.IntegerField()
