"""Who may come in at all: everybody in `open` mode, else who is logged in."""

from typing import Any

from django.conf import settings
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

OPEN, LOGIN = "open", "login"
LOG_IN = "Log in at /login, or send the header Authorization: Token … (manage.py tokens create makes one)."


def is_open() -> bool:
    """Whatever is not exactly "open" is closed."""
    return settings.GEMLIVE_ACCESS == OPEN


def may_enter(user: Any) -> bool:
    return is_open() or bool(user and user.is_authenticated and user.is_active)


class MayEnter(BasePermission):
    """The default of all of REST. Raises NotAuthenticated (401), which says how to log in."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not may_enter(request.user):
            raise NotAuthenticated(LOG_IN)
        return True
