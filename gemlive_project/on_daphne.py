"""What other servers do by themselves and Daphne leaves out: flow control of WebSockets, and a bound for bodies."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from daphne.http_protocol import WebRequest
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.interfaces import IPushProducer
from twisted.web import http
from zope.interface import implementer

from .body_limits import OTHER_BYTES

GOODBYE = 5.0
"""Seconds that a client has to answer that the socket closes. The one that Daphne gives is too short for a slow
network, where the code would be lost that says why."""


class FlowControl:
    """ASGI, of WebSockets: on Daphne `send` waits for a client that does not read, and none is read before `receive`.

    Daphne alone would keep all that a client does not read, and all that it sends while the application is busy. Other
    servers are left alone: what they give is passed on as it is.
    """

    def __init__(self, inner: Callable[..., Awaitable[None]]):
        self._inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        protocol = next(iter(getattr(send, "args", ())), None)  # a partial of Daphne's
        if not isinstance(protocol, WebSocketProtocol):
            await self._inner(scope, receive, send)
            return
        protocol.closeHandshakeTimeout = GOODBYE
        socket = _Socket(protocol.transport, receive, send)
        try:
            await self._inner(scope, socket.receive, socket.send)
        finally:
            socket.transport.resumeProducing()  # the client's goodbye


@implementer(IPushProducer)
class _Socket:
    """Twisted tells a producer when its buffer of 64 KB is full, and when it is empty again."""

    def __init__(self, transport: Any, receive: Callable, send: Callable):
        self.transport = transport
        self._receive = receive
        self._send = send
        self._writable = asyncio.Event()
        self._writable.set()
        transport.unregisterProducer()  # the HTTP channel, which has no more to say
        transport.registerProducer(self, True)

    async def receive(self) -> dict[str, Any]:
        self.transport.resumeProducing()
        try:
            return await self._receive()
        finally:
            self.transport.pauseProducing()

    async def send(self, message: dict[str, Any]) -> None:
        await self._writable.wait()
        await self._send(message)

    def pauseProducing(self) -> None:
        self._writable.clear()

    def resumeProducing(self) -> None:
        self._writable.set()

    stopProducing = resumeProducing


def bound_bodies() -> None:
    """Of a body that is too large nothing more is kept once that can be seen.

    Daphne hears a request to its end before it asks us, and would keep all of it, on disk and then in memory.
    """

    def handle_content_chunk(self: WebRequest, data: bytes) -> None:
        if self.content.tell() <= OTHER_BYTES:
            http.Request.handleContentChunk(self, data)

    WebRequest.handleContentChunk = handle_content_chunk
