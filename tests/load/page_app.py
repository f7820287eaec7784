"""The project's application, which remembers when it has sent each binary frame: `/bench/sent`, in time.monotonic()."""

import json
import time

from gemlive_project.asgi import application as project

PATH = "/bench/sent"
sent: list[float] = []


async def application(scope, receive, send) -> None:
    async def noted(message) -> None:
        if message.get("bytes"):
            sent.append(time.monotonic())
        await send(message)

    if scope["type"] == "http" and scope["path"] == PATH:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(sent).encode()})
    else:
        await project(scope, receive, noted if scope["type"] == "websocket" else send)
