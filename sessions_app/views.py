"""REST for sessions and what was called in them, in the seed's shapes. No trailing slashes."""

from typing import Any
from uuid import UUID

from rest_framework.decorators import api_view
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.fields import DateTimeField
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from . import access, control
from .exceptions import SessionNotFound
from .models import LiveSession
from .serializers import ListedToolCallSerializer, NewSessionSerializer, SessionSerializer, ToolCallFilters


class Sessions(APIView):
    def post(self, request: Request) -> Response:
        """Create a session. The speaker's label is `userId` of the body, else the header `x-user-id`."""
        body = NewSessionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        label = body.validated_data.get("userId") or request.headers.get("x-user-id", "")[:200]
        session = access.new_session(request.user, user_label=label, **body.configuration())
        return Response({"sessionId": str(session.pk), "createdAt": session.created_at.isoformat()})


class Session(APIView):
    def get(self, request: Request, session_id: str) -> Response:
        return Response(SessionSerializer(self._find(request, session_id)).data)

    def delete(self, request: Request, session_id: str) -> Response:
        """Delete a session with all that was said in it; a live conversation of it ends."""
        session = self._find(request, session_id)
        session.delete()
        control.tell_end(UUID(session_id))
        return Response({"success": True})

    def _find(self, request: Request, session_id: str) -> LiveSession:
        try:
            return access.visible_sessions(request.user).select_related("user").get(pk=UUID(session_id))
        except (ValueError, LiveSession.DoesNotExist):
            raise NotFound(SessionNotFound.message, code=SessionNotFound.code) from None


class CallPages(CursorPagination):
    """By time, so that calls that come in while somebody reads do not shift his pages.

    Among calls of the same microsecond Django REST framework is exact forwards only.
    """

    ordering = ("-started_at", "-id")
    page_size = 50
    page_size_query_param = "limit"

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Raises ValidationError also for a position that is no time, which would fail in the database."""
        try:
            cursor = super().decode_cursor(request)
            if cursor and cursor.position is not None:
                cursor = cursor._replace(position=str(DateTimeField().to_internal_value(cursor.position)))
            return cursor
        except (NotFound, ValidationError):
            raise ValidationError({"cursor": ["Take it from next or previous of an earlier answer."]}) from None

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"toolCalls": data, "next": self.get_next_link(), "previous": self.get_previous_link()})


class ToolCalls(APIView):
    def get(self, request: Request) -> Response:
        """Calls of tools, the newest first, of those that `access.visible_calls` lets the caller see."""
        filters = ToolCallFilters(data=request.query_params.dict())
        filters.is_valid(raise_exception=True)
        calls = access.visible_calls(request.user, filters.validated_data.get("session")).filter(**filters.lookups())
        pages = CallPages()
        page = pages.paginate_queryset(calls, request)
        return pages.get_paginated_response(ListedToolCallSerializer(page, many=True).data)


@api_view(["GET", "POST", "PUT", "PATCH", "DELETE"])
def unknown(request: Request) -> Response:
    """Any other path below /api/: JSON, as everything there."""
    raise NotFound("There is nothing at this address. The README lists the REST API.")
