"""Whose quota a conversation counts in: a user's ("user:7"), else an address's ("address:…", a keyed hash)."""

from collections.abc import Mapping
from typing import Any

from django.utils.crypto import salted_hmac

from ..access.address import client_address, network_of


def holder(user: Any, source: Mapping[str, Any]) -> str:
    """`source`: an ASGI scope, or a request's META."""
    if user and user.is_authenticated:
        return f"user:{user.pk}"
    network = network_of(client_address(source))
    return f"address:{salted_hmac('sessions_app.quotas', network, algorithm='sha256').hexdigest()[:32]}"


def user_of(holder: str) -> int | None:
    """The user's primary key; None for an address."""
    kind, _, key = holder.partition(":")
    return int(key) if kind == "user" else None
