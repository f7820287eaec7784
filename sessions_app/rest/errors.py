"""Every error below /api/ is `{"detail": a sentence, "code": a stable word}`; wrong fields stand in `fields`, too."""

import logging
from collections.abc import Iterator
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from drf_spectacular.utils import extend_schema
from rest_framework import status, views
from rest_framework.decorators import api_view
from rest_framework.exceptions import NotFound, ParseError, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from ..exceptions import DatabaseAway, SessionUnavailable

logger = logging.getLogger(__name__)

WHOLE = api_settings.NON_FIELD_ERRORS_KEY
SERVER_ERROR = {"detail": "The server failed. Its operators find the reason in the log.", "code": "server_error"}
BAD_REQUEST = {
    "detail": "The server cannot take this request: look at its Host header and size.",
    "code": "bad_request",
}


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's own answers in our form; a database that is away is 503."""
    if isinstance(error, DatabaseError):
        logger.error("The database failed a request", exc_info=error)
        body = {"detail": DatabaseAway.message, "code": DatabaseAway.code}
        return Response(body, status=status.HTTP_503_SERVICE_UNAVAILABLE)
    if isinstance(error, SessionUnavailable):
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
        return Response({"detail": error.message, "code": error.code}, status=error.http_status, headers=headers)
    response = views.exception_handler(error, context)
    if response is not None:
        response.data = _wrong_fields(error.detail) if isinstance(error, ValidationError) else _told(response.data)
        if isinstance(error, ParseError) and response.data["code"] == ParseError.default_code:
            response.data["detail"] = f"Send valid JSON as the body. {response.data['detail']}."
    return response


def _told(data: dict[str, Any]) -> dict[str, Any]:
    detail = data["detail"]
    return {"detail": str(detail), "code": getattr(detail, "code", "error")}


def _wrong_fields(wrong: Any) -> dict[str, Any]:
    fields: dict[str, list[str]] = {}
    for name, message in _messages(wrong):
        fields.setdefault(name, []).append(message)
    sentences = [_sentence(name, message) for name, found in fields.items() for message in found]
    fields.pop(WHOLE, None)
    return {"detail": " ".join(sentences), "code": "invalid"} | ({"fields": fields} if fields else {})


def _sentence(name: str, message: str) -> str:
    return message if name == WHOLE or message.startswith(name) else f"{name}: {message}"


def _messages(wrong: Any, name: str = "") -> Iterator[tuple[str, ...]]:
    """Name and message of each; what is wrong inside a field is called "tools.0"."""
    if isinstance(wrong, dict):
        for key, inner in wrong.items():
            yield from _messages(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(wrong, list):
        for inner in wrong:
            yield from _messages(inner, name)
    else:
        # What a client called a field may have no UTF-8.
        yield tuple(text.encode("utf-8", "replace").decode() for text in (name or WHOLE, str(wrong)))


@extend_schema(exclude=True)
@api_view(["GET", "POST", "PUT", "PATCH", "DELETE"])
def unknown(request: Request) -> Response:
    """Any other path below /api/: JSON, as everything there."""
    raise NotFound("There is nothing at this address. See /api/docs.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500."""
    if _is_api(request):
        return JsonResponse(SERVER_ERROR, status=status.HTTP_500_INTERNAL_SERVER_ERROR)
    return defaults.server_error(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400: what is wrong before a view is asked."""
    if _is_api(request):
        return JsonResponse(BAD_REQUEST, status=status.HTTP_400_BAD_REQUEST)
    return defaults.bad_request(request, exception)


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")
