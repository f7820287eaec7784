"""How much a request may carry. Django itself would keep any body on disk before it looks at it."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

MEGABYTE = 1024 * 1024
API_BYTES = MEGABYTE
OTHER_BYTES = 64 * MEGABYTE
"""The admin's page of documents takes several of 5 MB each."""


class BodyTooLarge(Exception):
    """More has come than may."""


class BodyLimits:
    """ASGI: a request with too large a body is answered 413, before anybody reads or keeps it."""

    def __init__(self, inner: Callable[..., Awaitable[None]]):
        self._inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        limit = API_BYTES if scope["path"].startswith("/api/") else OTHER_BYTES
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not declared.isdigit() or int(declared[:20]) > limit:
            await _refuse(send, limit)
            return
        came = 0

        async def counted() -> dict[str, Any]:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > limit:  # in pieces, without a length
                raise BodyTooLarge
            return message

        try:
            await self._inner(scope, counted, send)
        except BodyTooLarge:
            await _refuse(send, limit)


async def _refuse(send: Callable, limit: int) -> None:
    detail = f"The body of a request may have {limit // MEGABYTE} MB here. Send less, or in several requests."
    body = json.dumps({"detail": detail, "code": "body_too_large"}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    # What was not read would be taken for the next request.
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
