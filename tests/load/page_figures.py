"""From turns that arrived and sounds that were heard to the figures of `make bench-page`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

RATE = 24_000
SAMPLES_A_MS = RATE // 1000
SAME = 1e-4  # two samples that differ by less are the same: a few steps of 16 bit
LOUD = 0.01
NEEDLE = 20 * SAMPLES_A_MS  # what is looked for where a reply goes on
LONGEST_HOLE = 5 * RATE
LONGEST = 3600 * RATE
CUT_TAIL = 10 * SAMPLES_A_MS  # of a reply that was cut: its fade is no hole
SOUNDED = 20.0  # ms; whoever was silent for so long before a barge-in was silent anyway


@dataclass(frozen=True)
class Sound:
    """Without a pause of 10 ms in it. From frame `first` to before `last` of the output, and when, in ms."""

    first: int
    last: int
    began: float
    ended: float


@dataclass
class Turn:
    """A reply as it arrived (ms): its first audio, when the server sent that, and the order to play no more of it."""

    arrived: float | None = None
    cut: float | None = None
    sent: float | None = None
    frame: int = 0
    """Which of all binary frames was its first."""
    pieces: list[bytes] = field(default_factory=list)

    def add(self, at: float, frame: int, pcm: bytes) -> None:
        if self.arrived is None:
            self.arrived, self.frame = at, frame
        self.pieces.append(pcm)

    @property
    def samples(self) -> np.ndarray:
        return np.frombuffer(b"".join(self.pieces), "<i2").astype(np.float32) / 32768

    @property
    def lead(self) -> int:
        """The silent samples that it begins with: nobody can see when they are played."""
        loud = np.flatnonzero(self.samples)
        return int(loud[0]) if len(loud) else 0


@dataclass(frozen=True)
class Reply:
    """A turn with all that was heard until the next one arrived."""

    turn: Turn
    sounds: list[Sound]

    @property
    def played(self) -> float:
        """When the first sample of it was (ms)."""
        return self.sounds[0].began - self.turn.lead / SAMPLES_A_MS

    @property
    def overran(self) -> float | None:
        """From the order to be silent to the last sample that was heard (ms); None if there was none to stop."""
        if self.turn.cut is None:
            return None
        if not any(sound.began < self.turn.cut < sound.ended + SOUNDED for sound in self.sounds):
            return None
        return max(0.0, self.sounds[-1].ended - self.turn.cut)


def replies(turns: list[Turn], sounds: list[Sound]) -> list[Reply]:
    """Those that were heard, and began after the one before had ended."""
    spoken = [turn for turn in turns if turn.arrived is not None]
    found = []
    for turn, later in pairwise([*spoken, Turn(arrived=float("inf"))]):
        if any(sound.began < turn.arrived < sound.ended for sound in sounds):
            continue
        if own := [sound for sound in sounds if turn.arrived <= sound.began < later.arrived]:
            found.append(Reply(turn, own))
    return found


def holes(sent: np.ndarray, played: np.ndarray) -> Iterator[tuple[int, int]]:
    """Where `played` pauses and `sent` does not: position in `sent` and length, in samples.

    Both begin with the same sample; the shorter one ends the comparison. A length of 0 is a place where other samples
    were played. What does not go on within LONGEST_HOLE has lost its rest.
    """
    at = shift = 0
    while (left := min(len(sent) - at, len(played) - at - shift)) > 0:
        differ = np.flatnonzero(np.abs(sent[at : at + left] - played[at + shift : at + shift + left]) > SAME)
        if not len(differ):
            return
        at, left = at + int(differ[0]), left - int(differ[0])
        found = _find(sent[at:], played[at + shift : at + shift + LONGEST_HOLE])
        if found is None:
            yield at, left
            return
        skipped, later = found
        yield at, later
        at += skipped
        shift += later


def _find(wanted: np.ndarray, played: np.ndarray) -> tuple[int, int] | None:
    """Where the first sound of `wanted` begins in it, and by how many samples it comes later in `played`."""
    loud = np.flatnonzero(np.abs(wanted) > LOUD)
    if not len(loud):
        return None
    skipped = int(loud[0])
    needle = wanted[skipped : skipped + NEEDLE]
    if len(played) < skipped + len(needle):
        return None
    windows = sliding_window_view(played[skipped:], len(needle))
    # The first sample leaves few places to look at.
    places = np.flatnonzero(np.abs(windows[:, 0] - needle[0]) <= SAME)
    later = next((int(place) for place in places if np.all(np.abs(windows[place] - needle) <= SAME)), None)
    return None if later is None else (skipped, later)


def recording_of(reply: Reply, recorded: Callable[[int, int], np.ndarray]) -> np.ndarray:
    """From the first sample of a reply on; as far as it was played, where it was cut."""
    first = reply.sounds[0].first - reply.turn.lead
    last = first + LONGEST if reply.turn.cut is None else reply.sounds[-1].last - CUT_TAIL
    return recorded(first, max(first, last))


def times(heard: list[Reply]) -> dict[str, dict[str, float]]:
    """In ms: how long the first sample took, from the server and from the page's network layer on, and the silence."""
    waited = [reply.played - reply.turn.arrived for reply in heard]
    from_server = [reply.played - reply.turn.sent for reply in heard if reply.turn.sent is not None]
    overran = [reply.overran for reply in heard if reply.overran is not None]
    return {
        "sent_to_played_ms": spread(from_server),
        "arrived_to_played_ms": spread(waited),
        "silence_ms": spread(overran),
    }


def spread(values: list[float]) -> dict[str, float]:
    """n, p50, p95 and max; of nothing only n."""
    if not values:
        return {"n": 0}
    p50, p95 = np.percentile(values, [50, 95])
    return {"n": len(values), "p50": round(float(p50), 1), "p95": round(float(p95), 1), "max": round(max(values), 1)}
