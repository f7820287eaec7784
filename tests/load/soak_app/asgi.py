"""The project's application, and beside it what the load tests want to know of its inside.

`/soak/alive`: tasks of the event loop and objects of conversations. `/soak/tool_times`: milliseconds of each tool call
from its `toolCall` to its answer sent, as the server itself sees them.
"""

import asyncio
import gc
import json
import time
from collections import Counter

from gemlive_project.asgi import application as project
from sessions_app.gemini.connection import GeminiConnection
from sessions_app.live.calls import Calls

OURS = ("sessions_app.", "tools_app.", "websockets.", "google.genai.live", "uvloop.")


called: dict[str, float] = {}
tool_times: list[float] = []
_start, _send_tool_response = Calls.start, GeminiConnection.send_tool_response


def _timed_start(calls, request, tasks) -> None:
    called[request.call_id] = time.perf_counter()
    _start(calls, request, tasks)


async def _timed_answer(gemini, responses, **options) -> None:
    await _send_tool_response(gemini, responses, **options)
    tool_times.extend(
        (time.perf_counter() - called.pop(call_id, time.perf_counter())) * 1000 for call_id, *_ in responses
    )


Calls.start, GeminiConnection.send_tool_response = _timed_start, _timed_answer


async def application(scope, receive, send) -> None:
    if scope["type"] != "http" or not scope["path"].startswith("/soak/"):
        await project(scope, receive, send)
    elif scope["path"] == "/soak/tool_times":
        await _answer(send, tool_times)
    else:
        await _answer(send, _alive())


def _alive() -> dict:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    gc.collect()  # what only waits for the collector is not left over
    names = (f"{type(found).__module__}.{type(found).__qualname__}" for found in gc.get_objects())
    return {
        "tasks": Counter(getattr(task.get_coro(), "__qualname__", repr(task)) for task in others),
        "objects": Counter(name for name in names if name.startswith(OURS)),
    }


async def _answer(send, value) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})
