"""Each request has an id: in the answer as X-Request-ID, and in every line that is logged for it."""

import re
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from sessions_app import logs

GIVEN = re.compile(r"[\w.-]{8,64}", re.ASCII)


def request_id(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """The one that a proxy has given it, or a new one."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("x-request-id", "")
        own = given if GIVEN.fullmatch(given) else uuid.uuid4().hex
        # Not taken back: Django logs what it answered after its middleware, and a request has a context of its own.
        logs.request_id.set(own)
        response = get_response(request)
        response.headers["X-Request-ID"] = own
        return response

    return middleware
