"""REST for sessions, in the seed's shapes. No trailing slashes."""

from uuid import UUID

from rest_framework.decorators import api_view
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from . import access, control
from .exceptions import SessionNotFound
from .models import LiveSession
from .serializers import NewSessionSerializer, SessionSerializer


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


@api_view(["GET", "POST", "PUT", "PATCH", "DELETE"])
def unknown(request: Request) -> Response:
    """Any other path below /api/: JSON, as everything there."""
    raise NotFound("There is nothing at this address. The README lists the REST API.")
