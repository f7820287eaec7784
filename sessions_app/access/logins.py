"""The login that a WebSocket came in by: a socket is let in once, and stays open for hours."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.utils import timezone


@dataclass(frozen=True)
class Login:
    """An account's, by a cookie, or by a ticket, which stands for the account as such."""

    user_id: Any
    password: str = field(repr=False)
    """A keyed hash that another password changes, as Django keeps it in its sessions."""
    session_key: str | None = field(repr=False)
    """Of Django's session; None for a ticket."""


def login_of(scope: dict[str, Any]) -> Login | None:
    """None for a caller without an account."""
    user, session = scope.get("user"), scope.get("session")
    if not (user and user.is_authenticated):
        return None
    return Login(user.pk, user.get_session_auth_hash(), None if session is None else session.session_key)


def ended(logins: Collection[Login]) -> set[Login]:
    """Those that hold no more: logged out, expired, another password, or the account is closed or gone. Two queries.

    Raises DatabaseError: nobody can know.
    """
    if not logins:
        return set()
    users = get_user_model()._default_manager.filter(is_active=True).in_bulk({login.user_id for login in logins})
    passwords = {key: user.get_session_auth_hash() for key, user in users.items()}
    keys = {login.session_key for login in logins if login.session_key}
    unexpired = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    kept = {None, *unexpired.values_list("session_key", flat=True)}
    return {
        login for login in logins if passwords.get(login.user_id) != login.password or login.session_key not in kept
    }
