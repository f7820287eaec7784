"""Tickets: short-lived, signed, for one opening of one session's WebSocket.

They stand for the user where there is no cookie: native clients, and pages of other origins. Never more than a ticket
belongs into a URL, which ends up in access logs.
"""

import logging
import secrets
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest

from ..exceptions import CacheAway, TicketRefused
from ..models import LiveSession

logger = logging.getLogger(__name__)

PREFIX = "ticket."
CLOCKS = 60
"""Seconds by which the clocks of servers may differ."""


def issue(session: LiveSession, user: Any) -> str:
    """A ticket with which `user` opens `session`, once, within TICKET_SECONDS."""
    owner = user.pk if user and user.is_authenticated else ""
    return _signer().sign(f"{session.pk.hex}_{secrets.token_hex(16)}_{owner}")


def invitation(request: HttpRequest, session: LiveSession) -> dict[str, str]:
    """What a client needs to open the session's WebSocket: `wsUrl` and `ticket`."""
    scheme = "wss" if request.is_secure() else "ws"
    return {
        "wsUrl": f"{scheme}://{request.get_host()}/ws?sessionId={session.pk}",
        "ticket": issue(session, request.user),
    }


def offered(scope: dict[str, Any]) -> str | None:
    """The ticket that a handshake brings: as a subprotocol `ticket.…`, or as the query parameter `ticket`."""
    for protocol in scope.get("subprotocols", ()):
        if protocol.startswith(PREFIX):
            return protocol.removeprefix(PREFIX)
    return parse_qs(scope["query_string"].decode("latin-1")).get("ticket", [None])[0]


def check(ticket: str, session_id: str) -> tuple[str, str]:
    """Its number and its user's key, without a look at cache or database.

    Raises:
        TicketRefused: forged, expired, or for another session.
    """
    try:
        session, number, owner = _signer().unsign(ticket, max_age=settings.TICKET_SECONDS).split("_", 2)
    except (BadSignature, ValueError):
        raise TicketRefused from None
    if session != session_id.replace("-", "").lower():
        raise TicketRefused
    return number, owner


def redeem(number: str, owner: str) -> Any:
    """The user for whom a checked ticket stands. Blocks.

    Raises:
        TicketRefused: it was used already, or its user may not log in any more.
        CacheAway: nobody can know whether it was used.
        DatabaseError: nobody can know whose it is.
    """
    try:
        is_first = cache.add(f"{PREFIX}{number}", True, timeout=settings.TICKET_SECONDS + CLOCKS)
    except Exception as error:  # each cache has exceptions of its own
        logger.warning("A ticket could not be checked, because the cache is away: %s", type(error).__name__)
        raise CacheAway from None
    if not is_first:
        raise TicketRefused
    if not owner:
        return AnonymousUser()
    user = get_user_model()._default_manager.filter(pk=owner, is_active=True).first()
    if user is None:
        raise TicketRefused
    return user


def _signer() -> TimestampSigner:
    return TimestampSigner(sep=".", salt="ws-ticket")
