"""How fast a reply is sent, and in what pieces."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

from . import speech
from .clock import Clock


@dataclass(frozen=True)
class Pace:
    """Replies go out at `speed` times real time after a first `burst` (seconds of audio); 0 is all at once, to nobody
    who listens. Pieces are `chunk` seconds long; `jitter` (0 to 1) is the share by which pieces and the pauses between
    them vary, the same in every run with the same `seed`. `playback_gap`: for how many seconds at most `turnComplete`
    waits for the listener, who is assumed to play the audio as it comes.
    """

    speed: float = 3.0
    playback_gap: float = 0.0
    chunk: float = 0.2
    burst: float = 1.0
    jitter: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.speed >= 0 and self.playback_gap >= 0 and self.burst >= 0 and 0 <= self.jitter <= 1):
            raise ValueError("Speed, burst and playback gap must not be negative, and jitter is from 0 to 1.")
        if not 0.01 <= self.chunk <= 10:
            raise ValueError("A chunk of audio is from 0.01 to 10 seconds long.")


@dataclass(frozen=True)
class Piece:
    """A part of a reply: its audio, and the words that are said in it (the pieces' words join to the whole text)."""

    pcm: bytes
    words: str

    @property
    def seconds(self) -> float:
        return len(self.pcm) / speech.BYTES_PER_SECOND


def cut(pcm: bytes, text: str, pace: Pace, chance: random.Random) -> list[Piece]:
    """The reply in pieces of whole samples."""
    words, pieces, start, said = text.split(), [], 0, 0
    while start < len(pcm):
        seconds = pace.chunk * (1 + pace.jitter * chance.uniform(-1, 1))
        end = min(len(pcm), start + max(1, int(seconds * speech.RATE)) * 2)
        upto = math.ceil(len(words) * end / len(pcm))
        delta = (" " if said and upto > said else "") + " ".join(words[said:upto])
        pieces.append(Piece(pcm[start:end], delta))
        start, said = end, upto
    return pieces


async def paced(
    pieces: list[Piece], pace: Pace, chance: random.Random, clock: Clock, *, slow: float = 0.0
) -> AsyncIterator[Piece]:
    """The pieces, each when it is due. `slow`: so many times real time instead, without a burst."""
    began, sent = clock.time(), 0.0
    for piece in pieces:
        yield piece
        sent += piece.seconds
        if slow:
            due = began + sent / slow
        elif pace.speed:
            due = began + (sent - pace.burst) / pace.speed
            due += pace.jitter * chance.uniform(0, pace.chunk) / pace.speed
        else:
            await asyncio.sleep(0)  # let an interruption in
            continue
        await clock.sleep(max(0.0, due - clock.time()))
