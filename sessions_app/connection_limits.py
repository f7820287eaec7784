"""How many browsers may be connected: what is refused before it is accepted.

A browser cannot read why a handshake failed, so limits that people meet are told after it (consumers.py): those of a
user and of SESSIONS_PER_PROCESS. These two stop who does not care: many sockets of one address, and more than a
process can even say no to.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from channels.security.websocket import WebsocketDenier
from django.conf import settings

from .access.address import client_address, network_of
from .metrics import REFUSED

TOO_MANY = "Too many connections from your network. Close some, then try again."
FULL = "This server is full. Try again in a minute."


class ConnectionLimits:
    """ASGI, of WebSockets: counts those that are open, and refuses before `accept` what is too much.

    With HTTP 429 and 503 where the server can (uvicorn), else with its own 403 (Daphne).
    """

    def __init__(self, inner: Callable[..., Awaitable[None]]):
        self._inner = inner
        self._open: Counter[str] = Counter()
        self._count = 0

    async def __call__(self, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        network = network_of(client_address(scope))
        if self._count >= 2 * settings.SESSIONS_PER_PROCESS:
            await _refuse(scope, receive, send, 503, "process_full", FULL)
            return
        limit = settings.CONNECTIONS_PER_ADDRESS
        if limit and network and self._open[network] >= limit:
            await _refuse(scope, receive, send, 429, "too_many_from_address", TOO_MANY)
            return
        self._open[network] += 1
        self._count += 1
        try:
            await self._inner(scope, receive, send)
        finally:
            self._count -= 1
            self._open[network] -= 1
            if not self._open[network]:
                del self._open[network]


async def _refuse(scope: dict[str, Any], receive: Callable, send: Callable, status: int, code: str, why: str) -> None:
    REFUSED.labels(code).inc()
    if "websocket.http.response" not in scope.get("extensions", {}):
        await WebsocketDenier()(scope, receive, send)
        return
    await receive()  # websocket.connect
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"retry-after", b"60")]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": why.encode()})
