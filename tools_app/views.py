"""REST about tools."""

from typing import Any, NoReturn
from uuid import uuid4

from asgiref.sync import async_to_sync
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import status
from rest_framework.exceptions import APIException, NotFound, PermissionDenied, ValidationError
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .admission import Nobody
from .executor import ToolExecutor, ToolOutcome
from .models import Tool
from .registry import all_tools
from .serializers import CallSerializer, OutcomeSerializer, ToolSerializer

RECORD_SECONDS = 10.0
"""That the answer waits for the call's row; a database that is away longer does not keep the result back."""

ERROR = {"$ref": "#/components/schemas/Error"}


class ToolSwitchedOff(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "tool_switched_off"


class ToolListView(APIView):
    """Tools, as the model is told of them; staff gets those that are switched off, too."""

    @extend_schema(
        parameters=[OpenApiParameter("all", str, enum=["0", "1"], description="Those that are switched off, too.")],
        responses=inline_serializer("ToolList", {"tools": ToolSerializer(many=True)}),
    )
    def get(self, request: Request) -> Response:
        asked = request.query_params.get("all", "0")
        if asked not in ("0", "1"):
            raise ValidationError({"all": ["Write all=1 for those that are switched off, too, or leave it out."]})
        everything = asked == "1"
        if everything and not request.user.is_staff:
            raise PermissionDenied(
                "Only staff may list tools that are switched off. Log in at /admin/, or leave out all=1."
            )
        off = Tool.objects.switched_off()
        tools = [
            ToolSerializer.shown(tool, enabled=tool.name not in off)
            for tool in all_tools(wait=True)
            if everything or tool.name not in off
        ]
        return Response({"tools": ToolSerializer(tools, many=True).data})


class ToolCallView(APIView):
    """Run a tool as the model would, for staff."""

    permission_classes = (*APIView.permission_classes, IsAdminUser)

    def permission_denied(self, request: Request, message: str | None = None, code: str | None = None) -> NoReturn:
        raise PermissionDenied("Only staff may call tools here. Log in at /admin/ with an account that is staff.")

    @extend_schema(
        request=CallSerializer,
        responses={200: OutcomeSerializer, 409: OpenApiResponse(ERROR, "The tool is switched off.")},
    )
    def post(self, request: Request, name: str) -> Response:
        off = Tool.objects.switched_off()
        known = [tool.name for tool in all_tools(wait=True)]
        if name not in known:
            usable = ", ".join(tool for tool in known if tool not in off) or "none"
            raise NotFound(f"There is no tool called {name[:80]!r}; the tools are: {usable}.", code="tool_not_found")
        if name in off:
            raise ToolSwitchedOff(f"The tool {name} is switched off. Switch it on in the admin to call it.")
        body = CallSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        call_id = f"rest-{uuid4()}"
        outcome = async_to_sync(_call)(request.user.pk, call_id, name, body.validated_data.get("arguments", {}))
        return Response(
            {
                "callId": call_id,
                "name": name,
                "status": outcome.status,
                "result": outcome.result,
                "error": outcome.error,
                "durationMs": outcome.duration_ms,
            }
        )


async def _call(user_id: int, call_id: str, name: str, arguments: dict[str, Any]) -> ToolOutcome:
    """One call outside a conversation; its row is written when this returns."""
    executor = ToolExecutor(session_id=None, user_id=user_id, allowed=None)
    try:
        # A person makes the call: no other person has to approve it.
        return await executor.call(call_id, name, arguments, Nobody(agrees=True))
    finally:
        await executor.close(timeout=RECORD_SECONDS)
