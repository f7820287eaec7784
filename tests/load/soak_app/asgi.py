"""The project's application, and beside it `/soak/alive`: tasks of the event loop and objects of conversations."""

import asyncio
import gc
import json
from collections import Counter

from gemlive_project.asgi import application as project

OURS = ("sessions_app.", "tools_app.", "websockets.", "google.genai.live", "uvloop.")


async def application(scope, receive, send) -> None:
    if scope["type"] != "http" or scope["path"] != "/soak/alive":
        await project(scope, receive, send)
        return
    others = asyncio.all_tasks() - {asyncio.current_task()}
    gc.collect()  # what only waits for the collector is not left over
    names = (f"{type(found).__module__}.{type(found).__qualname__}" for found in gc.get_objects())
    alive = {
        "tasks": Counter(getattr(task.get_coro(), "__qualname__", repr(task)) for task in others),
        "objects": Counter(name for name in names if name.startswith(OURS)),
    }
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(alive).encode()})
