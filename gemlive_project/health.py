"""Is the server there (`/health`), does the process run (`/livez`), may it be sent people (`/readyz`)?"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from sessions_app import last_dial
from sessions_app.live_here import here
from tools_app.caching import shared_cache

PATIENCE = 2.0
"""Seconds that the checks may take, all at the same time; what takes longer is not ready."""


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok", "timestamp": timezone.now().isoformat()})


@dataclass(frozen=True)
class Result:
    """`word` is one for operators: no host, no secret, no text of an exception."""

    name: str
    ok: bool
    word: str
    ms: int = 0


class Check:
    """Asks one thing in a thread of its own: one that hangs is asked once, not once for each probe."""

    def __init__(self, name: str, ask: Callable[[], str]):
        self.name = name
        self._ask = ask
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"ready {name}")
        self._lock = threading.Lock()
        self._running: Future[Result] | None = None

    def start(self) -> "Future[Result]":
        with self._lock:
            if self._running is None or self._running.done():
                self._running = self._thread.submit(self._run)
            return self._running

    def _run(self) -> Result:
        began = time.monotonic()
        try:
            word = self._ask()
        except Exception:
            word = "unreachable"
        return Result(self.name, word == "ok", word, round((time.monotonic() - began) * 1000))


def _database() -> str:
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return "ok"
    finally:
        connection.close()


_migrated = threading.Event()


def _migrations() -> str:
    """Once they are applied they stay so: to look takes a tenth of a second of Python."""
    if not _migrated.is_set():
        connection = connections[DEFAULT_DB_ALIAS]
        try:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                return "not_applied"
        finally:
            connection.close()
        _migrated.set()
    return "ok"


def _cache() -> str:
    cache = shared_cache()
    cache.set("readyz", "ok", 10)
    return cache.get("readyz") or "forgetful"


def _channel_layer() -> str:
    async def say() -> None:
        async with asyncio.timeout(PATIENCE):
            layer = get_channel_layer()
            await layer.group_send("readyz", {"type": "readyz"})

    async_to_sync(say)()
    return "ok"


CHECKS = [
    Check("database", _database),
    Check("migrations", _migrations),
    Check("cache", _cache),
    Check("channel_layer", _channel_layer),
]


def readiness() -> list[Result]:
    running = {check.name: check.start() for check in CHECKS}
    wait(running.values(), timeout=PATIENCE)
    results = [
        future.result() if future.done() else Result(name, False, "timeout", round(PATIENCE * 1000))
        for name, future in running.items()
    ]
    draining = Result("draining", not here.draining, "draining" if here.draining else "ok")
    return [*results, draining]


def ready() -> JsonResponse:
    """Gemini's last answer is shown and does not count: every other process would get the same one, and without any
    the person would get no sentence that says why."""
    results = readiness()
    is_ready = all(result.ok for result in results)
    body = {
        "status": "ready" if is_ready else "not ready",
        "checks": [asdict(result) for result in results],
        "gemini": last_dial.report(),
    }
    return JsonResponse(body, status=200 if is_ready else 503)


def probes(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """`/livez` and `/readyz`, before all other middleware: a prober knows no host name, no HTTPS and no session."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path_info == "/livez":
            response: HttpResponseBase = JsonResponse({"status": "ok"})
        elif request.path_info == "/readyz":
            response = ready()
        else:
            return get_response(request)
        response.headers["Cache-Control"] = "no-store"
        return response

    return middleware
