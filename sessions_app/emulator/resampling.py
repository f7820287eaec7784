"""The client's audio, at whatever rate it comes, as 16 kHz."""

from __future__ import annotations

import numpy as np
import soxr

from .activity import RATE


class Resampler:
    """Turns the client's audio, chunk by chunk, into whole 16-bit samples at 16 kHz."""

    def __init__(self, rate: int):
        self.rate = rate
        self._stream = None if rate == RATE else soxr.ResampleStream(rate, RATE, 1, dtype="int16", quality="LQ")
        self._odd = b""

    def feed(self, pcm: bytes) -> bytes:
        if self._odd or len(pcm) % 2:
            pcm = self._odd + pcm
            cut = len(pcm) - len(pcm) % 2
            pcm, self._odd = pcm[:cut], pcm[cut:]
        if self._stream is None or not pcm:
            return pcm
        return self._stream.resample_chunk(np.frombuffer(pcm, "<i2")).astype("<i2").tobytes()
