"""The emulator as a server: TLS, paths, keys, connections, and what tests may ask and do."""

from __future__ import annotations

import asyncio
import http
import logging
import re
import ssl
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import trustme
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from . import speech
from .faults import Faults
from .hearing import Ears
from .script import Script
from .session import Handles, Session
from .turns import Pace

logger = logging.getLogger(__name__)
# At DEBUG the library's logger prints every frame, keys and audio included; at INFO every connection.
wire_logger = logging.getLogger("sessions_app.emulator.wire")
wire_logger.setLevel(logging.WARNING)

PATH = re.compile(
    r"/{1,2}ws/google\.ai\.generativelanguage\.(v1|v1beta|v1alpha)\.GenerativeService\.BidiGenerateContent"
)
MAX_FRAME = 16 * 2**20  # bytes
MAX_RECEIVED = 20_000  # messages remembered for tests


class Emulator:
    """A Gemini Live on this machine: `async with Emulator() as emulator:` then point an SDK at `emulator.url`.

    `script`: a path, a `Script`, or the same as a dict. `bad_keys`: API keys that are refused. `speed` and
    `playback_gap`: see `Pace`. `record_audio`: keep all audio, both ways, in the sessions. `ca_out`: where to write the
    certificate authority's PEM file (default: a temporary file). All methods may be called from any thread; what they
    send goes out in the order of the calls, soon after they return.

    Raises `ScriptError` for a script that cannot be used and `OSError` for a port that cannot be had.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        script: str | Path | dict[str, Any] | Script | None = None,
        ca_out: str | Path | None = None,
        bad_keys: Iterable[str] = (),
        speed: float = 3.0,
        playback_gap: float = 0.0,
        record_audio: bool = False,
    ):
        self.host = host
        self.port = port
        self.script = _read_script(script)
        self.bad_keys = frozenset(bad_keys)
        self.pace = Pace(speed, playback_gap)
        self.record_audio = record_audio
        self.faults = Faults()
        self.handles = Handles()
        self.dials = 0
        self.received: deque[dict[str, Any]] = deque(maxlen=MAX_RECEIVED)
        self.all_sessions: deque[Session] = deque(maxlen=1000)
        self.ca_file = Path(ca_out) if ca_out else None
        self._sessions: list[Session] = []
        self._cleanup = ExitStack()
        self._ears = Ears(self.script)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}"

    @property
    def sessions(self) -> list[Session]:
        """The open connections, oldest first. `all_sessions` also has the closed ones."""
        return [session for session in self._sessions if session.open]

    def ssl_context(self) -> ssl.SSLContext:
        """A client's TLS context that trusts this emulator."""
        return ssl.create_default_context(cafile=self.ca_file)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        authority = trustme.CA()
        if self.ca_file is None:
            folder = self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="gemini-emulator-"))
            self.ca_file = Path(folder) / "ca.pem"
        self.ca_file.parent.mkdir(parents=True, exist_ok=True)
        self.ca_file.write_bytes(authority.cert_pem.bytes())  # before listening: who can connect can also trust
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1", "::1", self.host).configure_cert(context)
        # One thread each: both libraries keep one state, and the event loop must not wait for either.
        self.speech_executor = self._thread("emulator-speech")
        self._hearing_executor = self._thread("emulator-hearing")
        try:
            self._server: Server = await serve(
                self._connected, self.host, self.port, ssl=context, process_request=self._upgrade, max_size=MAX_FRAME,
                ping_interval=None, close_timeout=2, logger=wire_logger, max_queue=64,
            )  # fmt: skip
        except BaseException:
            self._cleanup.close()
            raise
        self.port = self._server.sockets[0].getsockname()[1]
        self._hearing_executor.submit(self._load_ears)
        return self

    def _thread(self, name: str) -> ThreadPoolExecutor:
        executor = ThreadPoolExecutor(1, name)
        self._cleanup.callback(executor.shutdown, wait=True, cancel_futures=True)
        return executor

    async def __aexit__(self, *_: object) -> None:
        for session in self.sessions:
            session.websocket.transport.abort()
        self._server.close()
        await self._server.wait_closed()
        self._cleanup.close()

    # What tests do.

    def inject(self, message: dict[str, Any]) -> None:
        """Send any server message to every open connection."""
        for session in self.sessions:
            self._soon(lambda session=session: session.send(message))

    def go_away(self, time_left_seconds: float) -> None:
        """Announce the end of every open connection, and end it at that time."""

        async def leave(session: Session) -> None:
            await session.send({"goAway": {"timeLeft": f"{time_left_seconds:g}s"}})
            await asyncio.sleep(time_left_seconds)
            await session.websocket.close(1011, "Deadline expired before operation could complete.")

        for session in self.sessions:
            self._soon(lambda session=session: leave(session))

    def close_all(self, code: int, reason: str = "") -> None:
        """Close every open connection."""
        for session in self.sessions:
            self._soon(lambda session=session: session.websocket.close(code, reason))

    def abort_all(self) -> None:
        """Cut every open connection's TCP stream, without a close frame."""

        async def abort(session: Session) -> None:
            session.websocket.transport.abort()

        for session in self.sessions:
            self._soon(lambda session=session: abort(session))

    async def until(self, condition: Callable[[], Any], seconds: float = 10) -> Any:
        """Wait for `condition()` to be true and return its value. Raises TimeoutError. Works on any event loop."""
        async with asyncio.timeout(seconds):
            while not (value := condition()):  # noqa: ASYNC110 (what is waited for lives in another thread)
                await asyncio.sleep(0.005)
            return value

    def _soon(self, action: Callable[[], Coroutine[Any, Any, None]]) -> None:
        def begin() -> None:
            task = self._loop.create_task(action())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._loop.call_soon_threadsafe(begin)

    # What sessions ask.

    async def hear(self, pcm: bytes) -> str | None:
        return await asyncio.get_running_loop().run_in_executor(self._hearing_executor, self._ears.hear, pcm)

    def note_received(self, session: Session, kind: str, message: dict[str, Any]) -> None:
        session.received.update([f"{kind}.{name}" for name in message] if kind == "realtimeInput" else [kind])
        self.received.append({"session": session, "time": time.monotonic(), kind: _without_bytes(message)})

    # Connections.

    def _upgrade(self, connection: ServerConnection, request: Request) -> Response | None:
        self.dials += 1
        if status := self.faults.refuse_upgrade:
            return connection.respond(http.HTTPStatus(status), f"{http.HTTPStatus(status).phrase}\n")
        if not PATH.fullmatch(urlsplit("//host" + request.path).path):
            return connection.respond(http.HTTPStatus.NOT_FOUND, "The emulator of Gemini Live has no such path.\n")
        return None

    async def _connected(self, websocket: ServerConnection) -> None:
        request = websocket.request
        url = urlsplit("//host" + request.path)
        version = PATH.fullmatch(url.path)[1]
        key = request.headers.get("x-goog-api-key") or parse_qs(url.query).get("key", [""])[0]
        session = Session(self, websocket, version, key)
        self._sessions.append(session)
        self.all_sessions.append(session)
        try:
            await session.run()
        except Exception:
            logger.exception("A session failed")
            await session.fail("Internal error encountered.")
        finally:
            self._sessions.remove(session)

    def _load_ears(self) -> None:
        try:
            self._ears.load()
            speech.synthesise("ready")
        except Exception:
            logger.exception("The emulator cannot hear or speak")


def _read_script(script: str | Path | dict[str, Any] | Script | None) -> Script:
    if isinstance(script, Script):
        return script
    return Script.from_data(script) if isinstance(script, dict) else Script.load(script)


def _without_bytes(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": len(value)}
    if isinstance(value, dict):
        return {key: _without_bytes(item) for key, item in value.items()}
    return [_without_bytes(item) for item in value] if isinstance(value, list) else value


@contextmanager
def emulator_in_thread(**options: Any) -> Iterator[Emulator]:
    """Run an emulator on an event loop of its own, in a thread. Options are those of `Emulator`."""
    ready: threading.Event = threading.Event()
    emulator = Emulator(**options)
    failure: list[BaseException] = []
    stop: list[Callable[[], None]] = []

    async def main() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with emulator:
            stop.append(lambda: loop.call_soon_threadsafe(stopped.set))
            ready.set()
            await stopped.wait()

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failure.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="gemini-emulator", daemon=True)
    thread.start()
    ready.wait()
    if failure:
        raise failure[0]
    try:
        yield emulator
    finally:
        stop[0]()
        thread.join()
    if failure:
        raise failure[0]
