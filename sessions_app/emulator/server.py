"""The emulator as a server: TLS, paths, keys, connections, and what tests may ask and do."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import tempfile
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import trustme
from websockets.asyncio.server import Server, serve
from websockets.http11 import Request, Response

from . import control, speech
from .activity import Listener
from .clock import Clock
from .connection import Connection
from .ears import Ears, make_ears
from .faults import Fault, Faults
from .handles import Handles
from .profiles import GEMINI, VERTEX
from .script import Script
from .session import Session
from .speaking import Pace
from .tokens import Tokens
from .wire import Refusal

logger = logging.getLogger(__name__)
# At DEBUG the library's logger prints every frame, keys and audio included; at INFO every connection; at ERROR every
# client that leaves in the middle of a handshake.
wire_logger = logging.getLogger("sessions_app.emulator.wire")
wire_logger.setLevel(logging.CRITICAL)

GEMINI_PATH = re.compile(
    r"/{1,2}ws/google\.ai\.generativelanguage\.(v1|v1beta|v1alpha)\.GenerativeService\.BidiGenerateContent(Constrained)?"
)
VERTEX_PATH = re.compile(r"/{1,2}ws/google\.cloud\.aiplatform\.(v1|v1beta1)\.LlmBidiService/BidiGenerateContent")
MAX_FRAME = 16 * 2**20  # bytes


@dataclass(frozen=True)
class Credential:
    """How a connection was asked for. `value`: a key or a token; `constrained`: on the path for ephemeral tokens."""

    api: str
    version: str
    value: str
    constrained: bool = False


class Emulator:
    """A Gemini Live on this machine: `async with Emulator() as emulator:` then point an SDK at `emulator.url`.

    `script`: a path, a `Script`, or the same as a dict. `bad_keys`: API keys and tokens that are refused. `speed`,
    `playback_gap`, `chunk`, `burst`, `jitter`, `seed`: see `Pace`. `faults`: what goes wrong from the beginning, as
    `Fault`, dict, or a flag's text. `ears` and `whisper_model`: see `make_ears`. `record`: a folder for all sessions'
    frames and audio; `record_audio`: keep all audio, both ways, in the sessions. `echo`: send audio straight back and
    listen to none of it, for measuring what lies between. `clock`: what it waits by (default: the real one). `ca_out`:
    where to write the certificate authority's PEM file (default: a temporary file). All methods may be called from any
    thread; what they send goes out in the order of the calls, soon after they return.

    Raises `ScriptError`, `FaultError`, `EarsError` and ValueError for options that cannot be used, and `OSError` for a
    port that cannot be had.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        script: str | Path | dict[str, Any] | Script | None = None,
        ca_out: str | Path | None = None,
        bad_keys: Iterable[str] = (),
        faults: Iterable[Fault | dict[str, Any] | str] = (),
        ears: str = "auto",
        whisper_model: str = "",
        record: str | Path | None = None,
        record_audio: bool = False,
        echo: bool = False,
        clock: Clock | None = None,
        **pace: Any,
    ):
        self.host = host
        self.port = port
        self.script = _read_script(script)
        self.bad_keys = frozenset(bad_keys)
        self.pace = Pace(**pace)
        self.clock = clock or Clock()
        self.record = _make_folder(record)
        self.record_audio = record_audio
        self.echo = echo
        self._first_faults = [*self.script.faults, *map(_read_fault, faults)]
        self.listener = Listener()
        self.all_sessions: deque[Session] = deque(maxlen=1000)
        self.ca_file = Path(ca_out) if ca_out else None
        self._sessions: list[Session] = []
        self._warm = False
        self._forget()
        self._cleanup = ExitStack()
        self._ears: Ears = make_ears(self.script, ears, whisper_model)
        self._tasks: set[asyncio.Task[None]] = set()

    def _forget(self) -> None:
        self.faults = Faults(self._first_faults)
        self.handles = Handles(self.clock)
        self.tokens = Tokens(self.clock)
        self.dials = 0
        self.generations = 0
        self.all_sessions.clear()
        self._numbers = 0

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point any google-genai program at this emulator."""
        return {
            "GOOGLE_GEMINI_BASE_URL": self.url,
            "GOOGLE_VERTEX_BASE_URL": self.url,
            "SSL_CERT_FILE": str(self.ca_file),
        }

    @property
    def sessions(self) -> list[Session]:
        """The open connections, oldest first. `all_sessions` also has the closed ones (the last 1,000)."""
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
                ping_interval=None, close_timeout=2, logger=wire_logger, max_queue=64, create_connection=Connection,
            )  # fmt: skip
        except BaseException:
            self._cleanup.close()
            raise
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def warm_up(self) -> None:
        """Load what hearing and speaking need, beside what runs. The first connection does it if nobody did."""
        if not self._warm:
            self._warm = True
            self.listener.start()
            self._hearing_executor.submit(self._load)

    def _thread(self, name: str) -> ThreadPoolExecutor:
        executor = ThreadPoolExecutor(1, name)
        self._cleanup.callback(executor.shutdown, wait=True, cancel_futures=True)
        return executor

    async def __aexit__(self, *_: object) -> None:
        for session in self.sessions:
            session.abort()
        self._server.close()
        await self._server.wait_closed()
        await asyncio.get_running_loop().run_in_executor(None, self.listener.stop)
        self._cleanup.close()

    # What tests do.

    def inject(self, message: dict[str, Any]) -> None:
        """Send any server message to every open connection."""
        for session in self.sessions:
            self._soon(lambda session=session: session.send(message))

    def let_strike(self, fault: Fault) -> None:
        """Let something go wrong: at once in the open sessions, if that is its moment, else from now on."""
        if fault.at != "now":
            self.faults.add(**{name: getattr(fault, name) for name in fault.__dataclass_fields__})
            return
        for session in self.sessions:
            if fault.session in (0, session.number):
                self._loop.call_soon_threadsafe(session.strikes.now, fault)

    def go_away(self, time_left_seconds: float) -> None:
        """Announce the end of every open connection, and end it at that time."""
        self.let_strike(Fault.read({"kind": "go_away", "at": "now", "seconds": time_left_seconds}))

    def close_all(self, code: int, reason: str = "") -> None:
        """Close every open connection."""
        self.let_strike(Fault.read({"kind": "close", "at": "now", "code": code, "reason": reason}))

    def abort_all(self) -> None:
        """Cut every open connection's TCP stream, without a close frame."""
        self.let_strike(Fault.read({"kind": "abort", "at": "now"}))

    async def start_afresh(self) -> None:
        """Cut every connection, and forget all sessions, counts, faults, handles and tokens.

        For tests that share an emulator: it takes no time, where another emulator has to learn to hear and speak.
        """
        for session in list(self._sessions):
            self._loop.call_soon_threadsafe(session.abort)
        await self.until(lambda: not self._sessions)
        self._forget()

    async def until(self, condition: Callable[[], Any], seconds: float = 90) -> Any:
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

    async def hear(self, pcm: bytes, language: str) -> str | None:
        """What was said in an utterance; see `Ears.hear`."""
        return await self._loop.run_in_executor(self._hearing_executor, self._ears.hear, pcm, language)

    def admit(self, credential: Credential, setup: dict[str, Any]) -> dict[str, Any]:
        """The setup that a session gets with its key or token. Raises `Refusal`."""
        if not credential.value:
            raise Refusal("Method doesn't allow unregistered callers. Please use API Key to call this API.", code=1008)
        if credential.value in self.bad_keys:
            raise Refusal("API key not valid. Please pass a valid API key.")
        return self.tokens.use(credential.value, setup) if credential.constrained else setup

    # Connections.

    def _upgrade(self, connection: Connection, request: Request) -> Response | None:
        try:
            url = urlsplit("//host" + request.path)
        except ValueError:
            return control.refuse(400, "This is no URL.")
        if not (GEMINI_PATH.fullmatch(url.path) or VERTEX_PATH.fullmatch(url.path)):
            return control.respond(self, request, url.path, _secret(request, url.query), connection.body)
        self.dials += 1
        if refused := self.faults.due("upgrade", 0, self.dials).get("refuse_upgrade"):
            return control.refuse(refused.status, refused.reason or "The service is currently unavailable.")
        return None

    async def _connected(self, websocket: Connection) -> None:
        request = websocket.request
        url = urlsplit("//host" + request.path)
        found = GEMINI_PATH.fullmatch(url.path)
        vertex = VERTEX_PATH.fullmatch(url.path)
        credential = Credential(
            api=GEMINI if found else VERTEX,
            version=(found or vertex)[1],
            value=_secret(request, url.query),
            constrained=bool(found and found[2]),
        )
        self.warm_up()
        self._numbers += 1
        session = Session(self, websocket, self._numbers, credential)
        self._sessions.append(session)
        self.all_sessions.append(session)
        try:
            await session.run()
        except Exception:
            logger.exception("A session failed")
            await session.close(1011, "Internal error encountered.")
        finally:
            self._sessions.remove(session)

    def _load(self) -> None:
        try:
            self._ears.load()
            speech.synthesise("ready")
        except Exception as error:
            logger.error("The emulator cannot hear or speak: %s", error, exc_info=True)


def _secret(request: Request, query: str) -> str:
    """The key or token, wherever a client puts it."""
    asked = parse_qs(query)
    authorization = request.headers.get("Authorization", "")
    return (
        request.headers.get("x-goog-api-key")
        or asked.get("access_token", [""])[0]
        or asked.get("key", [""])[0]
        or authorization.partition(" ")[2].strip()
    )


def _make_folder(folder: str | Path | None) -> Path | None:
    if not folder:
        return None
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"Recordings cannot be written to {folder}: {error.strerror}.") from None
    return Path(folder)


def _read_script(script: str | Path | dict[str, Any] | Script | None) -> Script:
    if isinstance(script, Script):
        return script
    return Script.from_data(script) if isinstance(script, dict) else Script.load(script)


def _read_fault(fault: Fault | dict[str, Any] | str) -> Fault:
    if isinstance(fault, Fault):
        return fault
    return Fault.parse(fault) if isinstance(fault, str) else Fault.read(fault)
