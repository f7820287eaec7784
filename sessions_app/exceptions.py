"""What REST and the WebSocket say when something cannot be."""

import logging
from typing import Any

from django.db import DatabaseError
from rest_framework import status
from rest_framework.response import Response
from rest_framework.views import exception_handler

logger = logging.getLogger(__name__)


class SessionUnavailable(Exception):
    """A session that cannot be opened; `close_code` is the WebSocket's."""

    code = "session_unavailable"
    message = "This session cannot be opened."
    close_code = 4404


class SessionNotFound(SessionUnavailable):
    code = "session_not_found"
    message = "No such session. Create one with POST /api/sessions and connect with its sessionId."
    close_code = 4404


class SessionEnded(SessionUnavailable):
    code = "session_ended"
    message = "This session has ended. Create a new one with POST /api/sessions."
    close_code = 4410


class TooManySessions(SessionUnavailable):
    code = "too_many_sessions"
    message = "All lines are busy. Try again in a minute."
    close_code = 4429


class Restarting(SessionUnavailable):
    code = "server_restarts"
    message = "The server restarts. The conversation goes on in a moment."
    close_code = 4412


class DatabaseAway(SessionUnavailable):
    code = "database_unavailable"
    message = "The server's database cannot be used just now. Try again soon; its operators find the reason in the log."
    close_code = 4412


def rest_exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's own answers, with the same `code` and `message` beside `detail` that the WebSocket's errors have."""
    response = exception_handler(error, context)
    if isinstance(error, DatabaseError):
        logger.error("The database failed a request", exc_info=error)
        body = {"detail": DatabaseAway.message, "code": DatabaseAway.code}
        return Response(body, status=status.HTTP_503_SERVICE_UNAVAILABLE)
    if response is not None and isinstance(response.data, dict) and "detail" in response.data:
        detail = response.data["detail"]
        response.data = {"detail": str(detail), "code": getattr(detail, "code", "error")}
    return response
