"""API tokens: `Authorization: Token …`. django-rest-knox keeps their hashes only."""

from typing import Any

from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request


class TokenAuthentication(KnoxTokenAuthentication):
    """knox's own, with one answer to every token that is none: which of the reasons it is, is nobody's business."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        try:
            return super().authenticate(request)
        except (AuthenticationFailed, ValueError):  # ValueError: no text
            raise AuthenticationFailed(
                "This API token is unknown, has expired or was revoked, or its user may not log in. Send another as "
                "Authorization: Token …; manage.py tokens create makes one.",
                code="token_invalid",
            ) from None
