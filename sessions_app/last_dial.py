"""What this process's last attempt to reach Gemini gave. Nobody dials for its sake."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from . import metrics
from .gemini.errors import Failure

_last: tuple[str, datetime] | None = None


def dialled(seconds: float, failure: Failure | None) -> None:
    """A connection was opened, or could not be, after so many seconds."""
    global _last
    word = failure.code if failure else "ok"
    _last = word, timezone.now()
    metrics.DIALS.labels(word).observe(seconds)


def report() -> dict[str, Any]:
    """For operators: `word` is "ok", an error code of docs/protocol.md, or "not_dialled"."""
    if _last is None:
        return {"ok": None, "word": "not_dialled", "at": None}
    word, at = _last
    return {"ok": word == "ok", "word": word, "at": at.isoformat()}
