"""What went to Gemini and is not answered yet: a lost connection takes with it what it has heard."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .ports import Send

SECOND_OF_AUDIO = 32_000
"""Bytes of a second at 16 kHz, s16le, mono."""
LOUD = 500
"""Peak of 16-bit samples (−36 dBFS) above which somebody may be speaking."""
LOOK_AFTER = SECOND_OF_AUDIO // 2
MOST_BYTES = 1_200_000
OVERHEAD = 1000
"""Bytes that a message counts for beside its own: so their number is bounded, too."""

Audio = tuple[bytes, int]
"""s16le mono PCM, and its rate."""
Kind = Literal["text", "mark", "passing", "once"]


@dataclass(slots=True, eq=False)
class Message:
    """Anything but audio. `size` in bytes.

    `kind`: "text" is typed; "mark" begins or ends what somebody says by push-to-talk, and the audio around it means
    nothing without it; "passing" gives way to those (a picture, of which there will be a newer one); "once" is never
    said again.
    """

    send: Send
    size: int = 0
    kind: Kind = "passing"


class Journal:
    """Keeps what was sent until it is answered, in two parts: what a reply has begun to, and what came after that.

    Of each part at most `max_audio` bytes of audio are kept and 1.2 MB in all; the oldest audio, then the oldest
    picture go first, typed text and marks last. Silence is not kept, but for the half second before it ends.
    """

    def __init__(self, max_audio: int):
        self._answering = _Part(max_audio)
        self._after = _Part(max_audio)
        self._unlooked = 0
        self.speech_unanswered = False
        """Something loud enough for speech was sent, and no reply has begun since."""

    def keep(self, item: Audio | Message) -> None:
        if isinstance(item, tuple):
            self._after.append(item)
            if not self.speech_unanswered:
                self._unlooked += len(item[0])
                if self._unlooked >= LOOK_AFTER:
                    self._look_for_speech()
        elif item.kind != "once":
            self._after.append(item)

    def reply_begins(self) -> None:
        """What was kept up to now is being answered."""
        for item in self._after.items:
            self._answering.append(item)
        self._after.clear()
        self._unlooked = 0
        self.speech_unanswered = False

    def answered(self, *, interrupted: bool) -> None:
        """What was being answered need not be said again.

        `interrupted`: by something newer. If all that is newer was sent before the reply began, it was the last text.
        """
        texts = [item for item in self._answering.items if _is_text(item)]
        newest = None
        if interrupted and len(texts) > 1 and not self.speech_unanswered and not any(map(_is_text, self._after.items)):
            newest = texts[-1]
        self._answering.clear()
        if newest:
            self._answering.append(newest)

    def take(self) -> list[Audio | Message]:
        """All that is not answered, oldest first; it is forgotten here."""
        items = [*self._answering.items, *self._after.items]
        self.forget()
        return items

    def forget(self) -> None:
        self._answering.clear()
        self._after.clear()
        self._unlooked = 0
        self.speech_unanswered = False

    def _look_for_speech(self) -> None:
        """At every 16th sample of half a second: cheap enough for the audio path, and no speech is so thin."""
        recent: list[Audio] = []
        for item in reversed(self._after.items):
            if isinstance(item, tuple):
                recent.append(item)
                self._unlooked -= len(item[0])
                if self._unlooked <= 0:
                    break
        self._unlooked = 0
        samples = memoryview(b"".join(pcm for pcm, _ in recent)).cast("h")[::16]
        if max(samples, default=0) > LOUD or min(samples, default=0) < -LOUD:
            self.speech_unanswered = True
        else:
            # Quiet: the last half second is kept, for the beginning of a word.
            self._after.drop_audio_but(len(recent))


class _Part:
    """Items in their order, bounded."""

    def __init__(self, max_audio: int):
        self.items: deque[Audio | Message] = deque()
        self._max_audio = max_audio
        self._audio = 0
        self._size = 0

    def append(self, item: Audio | Message) -> None:
        self.items.append(item)
        size = _size(item)
        self._size += size
        if isinstance(item, tuple):
            self._audio += size
        while self._audio > self._max_audio:
            self._drop(_is_audio)
        while self._size > MOST_BYTES:
            self._drop(lambda item: isinstance(item, tuple) or item.kind == "passing")

    def clear(self) -> None:
        self.items.clear()
        self._audio = self._size = 0

    def drop_audio_but(self, newest: int) -> None:
        """Keep of the audio these last pieces; all of it where marks say that somebody means it."""
        if any(not isinstance(item, tuple) and item.kind == "mark" for item in self.items):
            return
        for _ in range(sum(map(_is_audio, self.items)) - newest):
            self._drop(_is_audio)

    def _drop(self, may_go: Callable[[Audio | Message], bool]) -> None:
        """The oldest that may go; if there is none, the oldest."""
        at = 0 if may_go(self.items[0]) else next((at for at, item in enumerate(self.items) if may_go(item)), 0)
        item = self.items[at]
        del self.items[at]
        size = _size(item)
        self._size -= size
        if isinstance(item, tuple):
            self._audio -= size


def _size(item: Audio | Message) -> int:
    return len(item[0]) if isinstance(item, tuple) else item.size + OVERHEAD


def _is_audio(item: Audio | Message) -> bool:
    return isinstance(item, tuple)


def _is_text(item: Audio | Message) -> bool:
    return isinstance(item, Message) and item.kind == "text"
