"""Streamable HTTP to an MCP server: the SDK's transport, on a client that takes no floods."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

# Headers win over the SDK's; a compressed body could not be bounded before it is unpacked.
PLAIN = {"accept-encoding": "identity"}
CONNECT_SECONDS = 10.0
# An event stream may be silent for long; a call has its own limit.
READ_SECONDS = 300.0


@asynccontextmanager
async def http_transport(
    url: str, headers: dict[str, str], max_bytes: int, forgotten: Callable[[], None]
) -> AsyncIterator[Any]:
    """Streams of messages, none of them longer than `max_bytes`. `forgotten` is called if it has lost our session.

    https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management: it answers 404 then.
    """
    async with (
        httpx2.AsyncClient(
            headers=headers | PLAIN,
            timeout=httpx2.Timeout(CONNECT_SECONDS, read=READ_SECONDS),
            transport=_Transport(max_bytes, forgotten),
        ) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=max_bytes) as streams,
    ):
        yield streams


class _Transport(httpx2.AsyncHTTPTransport):
    """The SDK bounds each event of an event stream, and no other body; and it tells no one of the 404."""

    def __init__(self, max_bytes: int, forgotten: Callable[[], None]):
        super().__init__()
        self._max_bytes = max_bytes
        self._forgotten = forgotten

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if response.status_code == 404 and "mcp-session-id" in request.headers:
            self._forgotten()
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise httpx2.DecodingError("the answer is compressed, which was not asked for", request=request)
        if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
            response.stream = _BoundedStream(response.stream, self._max_bytes)
        return response


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: Any, max_bytes: int):
        self._stream = stream
        self._left = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._left -= len(chunk)
            if self._left < 0:
                raise httpx2.StreamError("the answer is too long")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
