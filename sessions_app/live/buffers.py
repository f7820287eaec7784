"""What waits to go to Gemini."""

import asyncio
from collections import deque

from .ports import Send

SECOND_OF_AUDIO = 32_000
"""Bytes of a second at 16 kHz, s16le, mono."""


class UplinkFull(Exception):
    """More messages wait for a connection than are kept."""


class Uplink:
    """Audio and messages on their way to Gemini, in the order in which they came.

    While nobody takes them (a slow or lost connection), waiting audio is joined into fewer, larger frames, and beyond
    `max_seconds` the oldest is dropped and counted in `dropped_bytes`.
    """

    def __init__(self, *, max_seconds: float = 15.0, max_messages: int = 100):
        self._items: deque[tuple[bytes, int] | Send] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._max_bytes = round(max_seconds * SECOND_OF_AUDIO)
        self._max_messages = max_messages
        self._audio_bytes = 0
        self._messages = 0
        self.dropped_bytes = 0

    def put_audio(self, pcm: bytes, rate: int = 16_000) -> None:
        self._items.append((pcm, rate))
        self._audio_bytes += len(pcm)
        if self._audio_bytes > self._max_bytes:
            self._drop_oldest_audio()
        self._wake()

    def put(self, send: Send, *, must: bool = False) -> None:
        """Queue a message behind the audio that came before it.

        Raises:
            UplinkFull: too many wait, and it is not a message that `must` go out.
        """
        if self._messages >= self._max_messages and not must:
            raise UplinkFull
        self._items.append(send)
        self._messages += 1
        self._wake()

    def put_back(self, item: tuple[bytes, int] | Send) -> None:
        """What could not be sent goes first on the next connection."""
        self._items.appendleft(item)
        if isinstance(item, tuple):
            self._audio_bytes += len(item[0])
        else:
            self._messages += 1

    async def get(self) -> tuple[bytes, int] | Send:
        """The next message, or all the audio (and its rate) that waits before it, joined up to a second."""
        if not self._items:
            self._loop = self._loop or asyncio.get_running_loop()  # Python 3.11 makes a system call to find it
            while not self._items:
                self._waiter = self._loop.create_future()
                await self._waiter
        item = self._items.popleft()
        if not isinstance(item, tuple):
            self._messages -= 1
            return item
        if self._items:
            item = self._join(item)
        self._audio_bytes -= len(item[0])
        return item

    def _join(self, first: tuple[bytes, int]) -> tuple[bytes, int]:
        pieces, rate = [first[0]], first[1]
        size = len(first[0])
        while self._items and isinstance(following := self._items[0], tuple) and following[1] == rate:
            size += len(following[0])
            if size > SECOND_OF_AUDIO:
                break
            pieces.append(following[0])
            self._items.popleft()
        return b"".join(pieces), rate

    def _drop_oldest_audio(self) -> None:
        for item in list(self._items):
            if self._audio_bytes <= self._max_bytes:
                break
            if isinstance(item, tuple):
                self._items.remove(item)
                self._audio_bytes -= len(item[0])
                self.dropped_bytes += len(item[0])

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)
