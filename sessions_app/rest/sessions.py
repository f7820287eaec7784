"""Sessions: list and create them; read, change and delete one."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .. import access, control
from ..access import tickets
from ..models import LiveSession
from ..quotas import admission
from ..quotas.holders import holder
from .deletions import deletions
from .filters import SessionFilters
from .pagination import Pages
from .serializers import (
    ChangeSerializer,
    ListedSessionSerializer,
    NewSessionSerializer,
    SessionSerializer,
    page_of,
)
from .throttles import NewSessions

SESSION_ID = OpenApiParameter("session_id", OpenApiTypes.UUID, OpenApiParameter.PATH)
CREATED = inline_serializer(
    "CreatedSession",
    {
        "sessionId": serializers.UUIDField(),
        "createdAt": serializers.DateTimeField(),
        "wsUrl": serializers.CharField(),
        "ticket": serializers.CharField(),
    },
)
DELETIONS = {
    "deleted": serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        help_text="On the last page of a list with `since`: sessions that are no more.",
    ),
    "deletedSince": serializers.DateTimeField(
        required=False, help_text="Beside it: what was deleted before may be missing there."
    ),
}
DELETED = inline_serializer("Deleted", {"success": serializers.BooleanField()})


class SessionPages(Pages):
    """Finds the page's rows first, and then what they show: a database that has to sort sorts few bytes, and counts
    nothing for rows of other pages."""

    def paginate_queryset(
        self, sessions: QuerySet[LiveSession], request: Request, view: Any = None
    ) -> list[LiveSession]:
        found = [row.pk for row in super().paginate_queryset(sessions.only(self.ordering[0].strip("-")), request)]
        shown = LiveSession.objects.with_summary().select_related("user").defer(*ListedSessionSerializer.LEFT_OUT)
        rows = shown.order_by().in_bulk(found)
        return [rows[key] for key in found if key in rows]


class Sessions(APIView):
    def get_throttles(self) -> list:
        return [*super().get_throttles(), *([NewSessions()] if self.request.method == "POST" else [])]

    @extend_schema(
        operation_id="sessions_list",
        parameters=[SessionFilters],
        responses=page_of("sessions", ListedSessionSerializer, **DELETIONS),
    )
    def get(self, request: Request) -> Response:
        """Sessions, the newest first: one's own; staff with the permission to view them sees all."""
        filters = SessionFilters.read(request)
        sessions = filters.of(access.listed_sessions(request.user))
        answer = SessionPages("sessions", filters.order).answer(sessions, request, ListedSessionSerializer)
        if "since" in filters.given and answer.data["next"] is None:
            # Not before: whoever asks next time since his last row has to know of what was deleted until then.
            answer.data |= deletions(request.user, filters.given["since"])
        return answer

    @extend_schema(
        request=NewSessionSerializer,
        parameters=[OpenApiParameter("x-user-id", str, OpenApiParameter.HEADER, description="As `userId`.")],
        responses={200: CREATED},
    )
    def post(self, request: Request) -> Response:
        """Create a session. The speaker's label is `userId` of the body, else the header `x-user-id`."""
        body = NewSessionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        admission.check_before(holder(request.user, request.META))
        label = body.validated_data.get("userId") or request.headers.get("x-user-id", "")[:200]
        session = access.new_session(request.user, user_label=label, **body.configuration())
        made = {"sessionId": str(session.pk), "createdAt": session.created_at.isoformat()}
        return Response(made | tickets.invitation(request, session))


class Session(APIView):
    @extend_schema(parameters=[SESSION_ID], responses=SessionSerializer)
    def get(self, request: Request, session_id: str) -> Response:
        """A session with the latest of what was said and called in it."""
        return Response(SessionSerializer(access.find_session(session_id, request.user)).data)

    @extend_schema(parameters=[SESSION_ID], request=ChangeSerializer, responses=SessionSerializer)
    def patch(self, request: Request, session_id: str) -> Response:
        """Change the title, or put other metadata in place of what is there."""
        session = access.find_session(session_id, request.user)
        body = ChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        if body.validated_data:
            # These fields alone: a live conversation writes the others.
            LiveSession.objects.filter(pk=session.pk).update(**body.validated_data)
            session = access.find_session(session_id, request.user)
        return Response(SessionSerializer(session).data)

    @extend_schema(parameters=[SESSION_ID], responses={200: DELETED})
    def delete(self, request: Request, session_id: str) -> Response:
        """Delete a session with all that was said in it; a live conversation of it ends."""
        session = access.find_session(session_id, request.user)
        session.delete()
        control.tell_end(UUID(session_id))
        return Response({"success": True})
