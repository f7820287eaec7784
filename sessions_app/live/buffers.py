"""What waits to go to Gemini, and what has gone but was not answered yet."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import ClassVar

from .ports import Send

SECOND_OF_AUDIO = 32_000
"""Bytes of a second at 16 kHz, s16le, mono."""
LOUD = 500
"""Peak of 16-bit samples (−36 dBFS) above which somebody may be speaking."""
LOOK_AFTER = SECOND_OF_AUDIO // 2
JOURNAL_BYTES = 1_200_000

Audio = tuple[bytes, int]
"""s16le mono PCM, and its rate."""


@dataclass(slots=True, eq=False)
class Message:
    """Anything but audio. `size` in bytes; `repeat`: it is said again on a new connection if it was not answered.

    `mark`: the audio around it means nothing without it, so it is kept as long as there is any.
    """

    send: Send
    size: int = 0
    repeat: bool = True
    mark: bool = False


class UplinkFull(Exception):
    """More messages wait for a connection than are kept."""


class Uplink:
    """Audio and messages on their way to Gemini, in the order in which they came.

    While nobody takes them (a slow or lost connection), waiting audio is joined into fewer, larger frames, and beyond
    `max_seconds` the oldest is dropped and counted in `dropped_bytes`.

    What was sent is kept until it is answered: a connection takes with it what it has heard and not answered, because
    Gemini's handle stands for the last complete turn. `rewind` then lets it be sent again. Silence before a question is
    not kept, and of a question at most `max_seconds`.
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
        # The journal: what was sent, oldest first; the first `_mark` of it are being answered.
        self._sent: deque[Audio | Message] = deque()
        self._in_flight: Audio | Message | None = None
        self._sent_audio = 0
        self._sent_bytes = 0
        self._mark = 0
        self._unlooked = 0
        self.speech_unanswered = False
        """Something loud enough for speech was sent, and no reply has begun since."""

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
        self._put(Message(send, mark=True))

    def put(self, send: Send, *, size: int = 0, must: bool = False, repeat: bool = True) -> None:
        """Queue a message behind the audio that came before it.

        Raises:
            UplinkFull: too many wait, and it is not a message that `must` go out.
        """
        full = self._messages >= self._max_messages or self._message_bytes + size > self._max_message_bytes
        if full and not must:
            raise UplinkFull
        self._put(Message(send, size, repeat))

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
        self._mark = len(self._sent)

    def answered(self) -> None:
        """What was being answered is answered: it need not be said again."""
        for _ in range(self._mark):
            self._forget_oldest()
        # What is left came after: it has to be looked at anew.
        self.speech_unanswered, self._unlooked = False, self._sent_audio

    def rewind(self) -> bool:
        """Say again, first of all, what was sent and not answered. False: there is nothing."""
        self._keep_in_flight()
        again = bool(self._sent)
        for item in reversed(self._sent):
            self._items.appendleft(item)
            if isinstance(item, tuple):
                self._audio_bytes += len(item[0])
            else:
                self._messages += 1
                self._message_bytes += item.size
        self.forget()
        if self._audio_bytes > self._max_bytes:
            self._drop_oldest_audio()
        return again

    def forget(self) -> None:
        """Nothing of what was sent shall be said again."""
        self._sent.clear()
        self._in_flight = None
        self._sent_audio = self._sent_bytes = self._mark = self._unlooked = 0
        self.speech_unanswered = False

    def discard_in_flight(self) -> None:
        """What was got last cannot be sent at all."""
        self._in_flight = None

    def _keep_in_flight(self) -> None:
        item, self._in_flight = self._in_flight, None
        if item is None:
            return
        if isinstance(item, tuple):
            size = len(item[0])
            self._sent_audio += size
        elif item.repeat:
            size = item.size
        else:
            return
        self._sent.append(item)
        self._sent_bytes += size
        if isinstance(item, tuple) and not self.speech_unanswered:
            self._unlooked += size
            if self._unlooked >= LOOK_AFTER:
                self._look_for_speech()
        while self._sent_audio > self._max_bytes or self._sent_bytes > JOURNAL_BYTES:
            self._forget(next(at for at, old in enumerate(self._sent) if isinstance(old, tuple) or not old.mark))

    def _look_for_speech(self) -> None:
        """At every 16th sample of half a second: cheap enough for the audio path, and no speech is so thin."""
        pieces: list[bytes] = []
        while self._unlooked > 0 and len(pieces) < len(self._sent):
            item = self._sent[-1 - len(pieces)]
            if not isinstance(item, tuple):
                break
            pieces.append(item[0])
            self._unlooked -= len(item[0])
        self._unlooked = 0
        samples = memoryview(b"".join(pieces)).cast("h")[::16]
        if max(samples, default=0) > LOUD or min(samples, default=0) < -LOUD:
            self.speech_unanswered = True
            return
        # Quiet: the last half second is kept, for the beginning of a word.
        while len(self._sent) > len(pieces) and isinstance(self._sent[0], tuple):
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        self._forget(0)

    def _forget(self, at: int) -> None:
        item = self._sent[at]
        del self._sent[at]
        if isinstance(item, tuple):
            self._sent_audio -= len(item[0])
            self._sent_bytes -= len(item[0])
        else:
            self._sent_bytes -= item.size
        self._mark -= at < self._mark
