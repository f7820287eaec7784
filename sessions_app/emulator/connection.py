"""The emulator's side of a TCP connection: a WebSocket, or one plain HTTP request.

The library serves WebSockets, and answers plain requests from its `process_request`; but it refuses requests that have
a body. So the body is taken out of the stream before the library sees the request.
"""

from __future__ import annotations

import re
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.protocol import State

MAX_HEAD = 64 * 1024  # bytes
MAX_BODY = 2**20
LENGTH = re.compile(rb"\r\nContent-Length:[ \t]*(\d+)[ \t]*(?=\r\n|$)", re.IGNORECASE)


class Connection(ServerConnection):
    """`body`: the request's, if it had one."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.body = b""
        self._head: bytearray | None = bytearray()  # None: the library has the stream

    async def send_frame(self, frame: bytes) -> None:
        """Send a binary message. Raises `ConnectionClosed`.

        The library's `send` is made for many writers and large messages; while the socket takes all that comes, half of
        its time can be had back.
        """
        if self.state is State.OPEN and not self.transport.get_write_buffer_size():
            self.protocol.send_binary(frame)
            self.send_data()
        else:
            await self.send(frame)

    def data_received(self, data: bytes) -> None:
        if self._head is None:
            super().data_received(data)
            return
        self._head += data
        whole = self._without_body()
        if whole is not None:
            self._head = None
            super().data_received(whole)

    def _without_body(self) -> bytes | None:
        """What the library shall see; None while the body has not come whole."""
        head, found, body = bytes(self._head or b"").partition(b"\r\n\r\n")
        if not found:
            return head if len(head) > MAX_HEAD else None
        length = LENGTH.search(head)
        size = int(length[1][:12]) if length else 0
        if not size or size > MAX_BODY:  # too large: the library hangs up
            return head + found + body
        if len(body) < size:
            return None
        self.body = body[:size]
        return LENGTH.sub(b"", head) + found + body[size:]
