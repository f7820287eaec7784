"""What a page of ours may ask of the person's devices; Django and django-csp know nothing of this header."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

POLICY = "microphone=(self), camera=(self), display-capture=(self)"


def permissions_policy(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable:
    """Microphone, camera and screen: for our own pages, never for what they may frame."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers["Permissions-Policy"] = POLICY
        return response

    return middleware
