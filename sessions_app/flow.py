"""How fast a client may send."""

import time

BYTES_A_SECOND, BURST_BYTES = 1_500_000, 6_000_000
"""A camera image of 700 KB a second beside audio at 48 kHz in base64 is 0.9 MB."""
MESSAGES_A_SECOND, BURST_MESSAGES = 200, 1_000
"""Audio in pieces of 10 ms is 100; what a network has held up comes at once."""


class TokenBucket:
    """By bytes and by messages. It looks at the clock only when it is empty."""

    def __init__(self) -> None:
        self._bytes: float = BURST_BYTES
        self._messages: float = BURST_MESSAGES
        self._filled_at = time.monotonic()

    def take(self, size: int) -> bool:
        """Account for one message of `size` bytes; False when the client is too fast."""
        self._bytes -= size
        self._messages -= 1
        return (self._bytes >= 0 and self._messages >= 0) or self._refill()

    def _refill(self) -> bool:
        now = time.monotonic()
        elapsed, self._filled_at = now - self._filled_at, now
        self._bytes = min(BURST_BYTES, self._bytes + elapsed * BYTES_A_SECOND)
        self._messages = min(BURST_MESSAGES, self._messages + elapsed * MESSAGES_A_SECOND)
        return self._bytes >= 0 and self._messages >= 0
