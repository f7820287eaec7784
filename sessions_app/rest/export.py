"""A session as a file."""

from collections.abc import AsyncIterator, Iterable, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from .. import access
from ..models import LiveSession
from . import documents
from .filters import ExportFilters
from .sessions import SESSION_ID

FORMS = {
    "json": (documents.as_json, "application/json", "json"),
    "markdown": (documents.as_markdown, "text/markdown; charset=utf-8", "md"),
}
PIECE = 64 * 1024


class NoNegotiation(BaseContentNegotiation):
    """`form` says what comes, whatever the client accepts."""

    def select_renderer(
        self, request: Request, renderers: list[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class Export(APIView):
    content_negotiation_class = NoNegotiation

    @extend_schema(
        parameters=[SESSION_ID, ExportFilters],
        responses={
            (200, "application/json"): OpenApiResponse(OpenApiTypes.OBJECT, "The session with all that is in it."),
            (200, "text/markdown"): OpenApiResponse(OpenApiTypes.STR, "For people."),
        },
    )
    def get(self, request: Request, session_id: str) -> StreamingHttpResponse:
        """A whole session to keep: JSON (unless said otherwise) or Markdown."""
        form = ExportFilters.read(request).given.get("form", "json")
        return attachment(request._request, access.find_session(session_id, request.user), form)


def attachment(request: HttpRequest, session: LiveSession, form: str) -> StreamingHttpResponse:
    """The session as a file of this form, sent while it is read."""
    write, content_type, suffix = FORMS[form]
    pieces = _joined(write(session))
    response = StreamingHttpResponse(
        _in_thread(pieces) if isinstance(request, ASGIRequest) else pieces, content_type=content_type
    )
    name = f"conversation-{session.created_at:%Y-%m-%d}-{str(session.pk)[:8]}.{suffix}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _joined(texts: Iterable[str]) -> Iterator[bytes]:
    waiting, size = [], 0
    for text in texts:
        waiting.append(text.encode("utf-8", "replace"))
        size += len(waiting[-1])
        if size >= PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


async def _in_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Django would read a plain iterator to its end before it sends anything."""
    following = sync_to_async(lambda: next(pieces, None))
    while (piece := await following()) is not None:
        yield piece
