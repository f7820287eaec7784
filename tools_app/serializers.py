"""What REST shows of tools."""

from rest_framework import serializers


class ToolSerializer(serializers.Serializer):
    """A tool's declaration, as the model gets it; `parameters` is a JSON schema."""

    name = serializers.CharField()
    description = serializers.CharField()
    parameters = serializers.JSONField()
