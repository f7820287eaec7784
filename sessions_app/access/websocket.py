"""The WebSocket's door: who comes from an allowed origin, or with a ticket."""

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.security.websocket import WebsocketDenier
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError

from ..exceptions import CacheAway, DatabaseAway, SessionUnavailable, TicketRefused
from . import tickets

Application = Callable[..., Awaitable[None]]

# Of their own: a cache that hangs shall not hold back those who open a session without a ticket.
_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="tickets")
_redeem = database_sync_to_async(tickets.redeem, thread_sensitive=False, executor=_threads)


class OriginOrTicket:
    """Refuses in the handshake (403) who has neither; lets in everybody else, with `scope["user"]`.

    A valid ticket is enough, whatever the Origin. One that is none is told to the client where that may read it:
    `scope["refusal"]` is then what the consumer says (SessionUnavailable).
    """

    def __init__(self, application: Application, allowed_origins: list[str], *, with_cookies: Callable):
        """`with_cookies` wraps the application for callers without a ticket: it finds the user by the cookie."""
        self._application = application
        self._by_cookie = with_cookies(application)
        self._allowed = {origin.rstrip("/").lower() for origin in allowed_origins}

    async def __call__(self, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        is_allowed = self._is_allowed(scope)
        ticket = tickets.offered(scope)
        if ticket is None:
            await (self._by_cookie if is_allowed else WebsocketDenier())(scope, receive, send)
            return
        session_id = parse_qs(scope["query_string"].decode("latin-1")).get("sessionId", [""])[0]
        try:
            user = await _redeem(*tickets.check(ticket, session_id))
        except TicketRefused as refusal:
            if is_allowed:
                await self._refuse(refusal, scope, receive, send)
            else:
                await WebsocketDenier()(scope, receive, send)
        except (CacheAway, DatabaseError) as error:
            # The signature is ours: whoever brings it may read why it cannot be taken just now.
            refusal = error if isinstance(error, CacheAway) else DatabaseAway()
            await self._refuse(refusal, scope, receive, send)
        else:
            await self._application({**scope, "user": user}, receive, send)

    async def _refuse(self, refusal: SessionUnavailable, scope: dict, receive: Callable, send: Callable) -> None:
        await self._application({**scope, "user": AnonymousUser(), "refusal": refusal}, receive, send)

    def _is_allowed(self, scope: dict[str, Any]) -> bool:
        """Scheme, host and port are one of the allowed origins: compared as text, for some cannot be parsed."""
        origins = [value for name, value in scope.get("headers", []) if name == b"origin"]
        return len(origins) == 1 and origins[0].decode("latin-1").lower() in self._allowed
