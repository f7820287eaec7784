"""What waits to go to Gemini."""

import asyncio
from collections import deque
from typing import ClassVar

from .journal import SECOND_OF_AUDIO, Audio, Journal, Kind, Message
from .ports import Send


class UplinkFull(Exception):
    """More messages wait for a connection than are kept."""


class Uplink:
    """Audio and messages on their way to Gemini, in the order in which they came.

    While nobody takes them (a slow or lost connection), waiting audio is joined into fewer, larger frames, and beyond
    `max_seconds` the oldest is dropped and counted in `dropped_bytes`.

    What was sent is kept until it is answered: a connection takes with it what it has heard and not answered, because
    Gemini's handle stands for the last complete turn. `rewind` then lets it be sent again: of audio `max_seconds`.
    """

    dropped_in_all: ClassVar[int] = 0
    """Bytes of audio, of every conversation of this process."""

    def __init__(self, *, max_seconds: float = 15.0, max_messages: int = 100, max_message_bytes: int = 1_000_000):
        self._items: deque[Audio | Message] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._max_bytes = round(max_seconds * SECOND_OF_AUDIO)
        self._max_messages = max_messages
        self._max_message_bytes = max_message_bytes
        self._audio_bytes = 0
        self._messages = 0
        self._message_bytes = 0
        self.dropped_bytes = 0
        self._journal = Journal(self._max_bytes)
        self._in_flight: Audio | Message | None = None

    @property
    def speech_unanswered(self) -> bool:
        """Something loud enough for speech was sent, and no reply has begun since."""
        return self._journal.speech_unanswered

    @property
    def waiting(self) -> tuple[int, int]:
        """Bytes of audio, and other messages, that have not gone out yet."""
        return self._audio_bytes, self._messages

    # --- What waits ----------------------------------------------------------------------------------------------

    def put_audio(self, pcm: bytes, rate: int = 16_000) -> None:
        self._items.append((pcm, rate))
        self._audio_bytes += len(pcm)
        if self._audio_bytes > self._max_bytes:
            self._drop_oldest_audio()
        self._wake()

    def put_mark(self, send: Send) -> None:
        """Queue the beginning or the end of what somebody says by push-to-talk; never refused, so both go out."""
        self._put(Message(send, kind="mark"))

    def put(self, send: Send, *, size: int = 0, kind: Kind = "passing", must: bool = False) -> None:
        """Queue a message of `size` bytes behind the audio that came before it.

        Raises:
            UplinkFull: too many wait, and it is not a message that `must` go out.
        """
        full = self._messages >= self._max_messages or self._message_bytes + size > self._max_message_bytes
        if full and not must:
            raise UplinkFull
        self._put(Message(send, size, kind))

    def _put(self, message: Message) -> None:
        self._items.append(message)
        self._messages += 1
        self._message_bytes += message.size
        self._wake()

    async def get(self) -> Audio | Message:
        """The next message, or all the audio (and its rate) that waits before it, joined up to a second.

        What was got before counts as sent now.
        """
        self._keep_in_flight()
        if not self._items:
            self._loop = self._loop or asyncio.get_running_loop()  # Python 3.11 makes a system call to find it
            while not self._items:
                self._waiter = self._loop.create_future()
                await self._waiter
        item = self._items.popleft()
        if isinstance(item, tuple):
            if self._items:
                item = self._join(item)
            self._audio_bytes -= len(item[0])
        else:
            self._messages -= 1
            self._message_bytes -= item.size
        self._in_flight = item
        return item

    def _join(self, first: Audio) -> Audio:
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
                Uplink.dropped_in_all += len(item[0])

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    # --- What was sent -------------------------------------------------------------------------------------------

    def reply_begins(self) -> None:
        """What was sent up to now is being answered."""
        self._keep_in_flight()
        self._journal.reply_begins()

    def answered(self, *, interrupted: bool = False) -> None:
        """What was being answered need not be said again; the answer may have been `interrupted` by something newer."""
        self._journal.answered(interrupted=interrupted)

    def rewind(self) -> bool:
        """Say again, first of all, what was sent and not answered. False: there is nothing."""
        self._keep_in_flight()
        unanswered = self._journal.take()
        for item in reversed(unanswered):
            self._items.appendleft(item)
            if isinstance(item, tuple):
                self._audio_bytes += len(item[0])
            else:
                self._messages += 1
                self._message_bytes += item.size
        if self._audio_bytes > self._max_bytes:
            self._drop_oldest_audio()
        return bool(unanswered)

    def forget(self) -> None:
        """Nothing of what was sent shall be said again."""
        self._in_flight = None
        self._journal.forget()

    def discard_in_flight(self) -> None:
        """What was got last cannot be sent at all."""
        self._in_flight = None

    def _keep_in_flight(self) -> None:
        if self._in_flight is not None:
            self._journal.keep(self._in_flight)
            self._in_flight = None
