"""Frames to one browser, in order, without ever making the sender wait."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any

from .browser import events
from .metrics import sent

logger = logging.getLogger(__name__)

MAX_WAITING = 1_000_000
"""Bytes that may wait for a browser that reads slowly; 20 s of binary audio."""
PATIENCE = 15.0
"""Seconds for which a browser may take nothing at all."""
FAREWELL = 2.0

Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]


class PageSocket:
    """The browser's end, as the bridge sees it (port `Browser`).

    As long as the socket takes what is sent, nothing is queued and no task runs. When it does not, frames wait here,
    bounded in bytes and time; beyond that `on_stuck` is called, once.
    """

    def __init__(self, send: Send, *, binary_audio: bool, on_stuck: Callable[[], None]):
        self._send = send
        self._binary_audio = binary_audio
        self._on_stuck = on_stuck
        self._waiting: deque[tuple[dict[str, Any], int, bool]] = deque()
        self._bytes = 0
        self._writer: asyncio.Task[None] | None = None
        self._closed = False
        self.session_id: str | None = None

    def send(self, event: events.Event) -> None:
        if event is events.INTERRUPT_AUDIO:
            self._drop_audio()
        text = events.encode(event).decode()
        self._put({"type": "websocket.send", "text": text}, len(text))

    def send_audio(self, pcm: bytes) -> None:
        if self._binary_audio:
            self._put({"type": "websocket.send", "bytes": pcm}, len(pcm), True)
        else:
            text = events.audio_json(pcm)
            self._put({"type": "websocket.send", "text": text}, len(text), True)

    def status(self, name: events.StatusName, reason: str | None = None) -> None:
        self.send(events.status(name, reason, session_id=self.session_id))

    async def close(self, code: int) -> None:
        """Close when all that waits is sent; a browser that does not take it in time is cut off."""
        if self._closed:
            return
        self._put({"type": "websocket.close", "code": code}, 0)
        self._closed = True
        if writer := self._writer:
            await asyncio.wait({writer}, timeout=FAREWELL)
            if not writer.done():
                writer.cancel()
                self._abort()

    def stop(self) -> None:
        """The browser has gone."""
        self._closed = True
        self._waiting.clear()
        if self._writer:
            self._writer.cancel()

    def _put(self, message: dict[str, Any], size: int, is_audio: bool = False) -> None:
        if self._closed:
            return
        sent.frames += 1
        sent.bytes += size
        if self._writer:
            self._waiting.append((message, size, is_audio))
            self._bytes += size
            if self._bytes > MAX_WAITING:
                self._stuck()
            return
        sending = self._send(message)
        try:
            # Its first step is its last where the socket takes the frame, which is nearly always.
            blocked_by = sending.send(None)
        except StopIteration:
            return
        except OSError:
            # The client has gone; websocket.disconnect tells us, too. (Daphne says nothing here.)
            logger.debug("Sent to a client that has gone")
            return
        self._writer = asyncio.create_task(self._write(_Rest(sending, blocked_by)), name="page writer")

    async def _write(self, sending: Awaitable[None]) -> None:
        """Send what waits, until nothing does."""
        try:
            while True:
                async with asyncio.timeout(PATIENCE):
                    await sending
                if not self._waiting:
                    self._writer = None
                    return
                message, size, _ = self._waiting.popleft()
                self._bytes -= size
                sending = self._send(message)
        except TimeoutError:
            self._stuck()
        except (OSError, RuntimeError):  # RuntimeError: closed from the other side meanwhile
            self._waiting.clear()
            self._writer = None

    def _drop_audio(self) -> None:
        if self._waiting:
            self._waiting = deque(item for item in self._waiting if not item[2])
            self._bytes = sum(size for _, size, _ in self._waiting)

    def _stuck(self) -> None:
        self._waiting.clear()
        self._bytes = 0
        self._on_stuck()

    def _abort(self) -> None:
        """Cut the TCP stream: the server would keep what is not read yet for as long as the client likes."""
        transport = getattr(getattr(self._send, "__self__", None), "transport", None)  # asyncio's, or Twisted's
        abort = getattr(transport, "abort", None) or getattr(transport, "abortConnection", None)
        with suppress(Exception):
            if abort:
                abort()


class _Rest:
    """A coroutine that was begun by hand, and what it waits for: await it to its end."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], blocked_by: Any):
        self._coroutine = coroutine
        self._blocked_by = blocked_by

    def __await__(self) -> Generator[Any, Any, None]:
        blocked_by = self._blocked_by
        while True:
            try:
                answer = yield blocked_by
            except BaseException:
                self._coroutine.close()
                raise
            try:
                blocked_by = self._coroutine.send(answer)
            except StopIteration:
                return
