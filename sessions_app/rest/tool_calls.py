"""What was called, over all sessions."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .. import access
from .filters import ToolCallFilters
from .pagination import Pages
from .serializers import ListedToolCallSerializer, page_of


class ToolCalls(APIView):
    @extend_schema(
        operation_id="tool_calls_list",
        parameters=[ToolCallFilters],
        responses=page_of("toolCalls", ListedToolCallSerializer),
    )
    def get(self, request: Request) -> Response:
        """Calls of tools, the newest first, of those that the caller may see."""
        filters = ToolCallFilters.read(request)
        calls = filters.of(access.visible_calls(request.user, filters.given.get("session")))
        return Pages("toolCalls", ("-started_at", "-id")).answer(calls, request, ListedToolCallSerializer)
