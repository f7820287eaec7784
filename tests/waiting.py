"""Waiting for what happens in another process, thread or browser."""

import time
from collections.abc import Callable
from typing import TypeVar

GIVE_UP_SECONDS = 90.0
"""After so long without it, an event will not come. No test measures speed by it: with both cores busy it is enough."""

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, seconds: float = GIVE_UP_SECONDS) -> T:
    """Poll `condition` until it is true, and return its value. AssertionError with `what` when it never is."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"Not within {seconds:g} s: {what}"
        time.sleep(0.02)
    return value
