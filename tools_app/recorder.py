"""ToolCall rows, written by the process's writer: no call waits for the database, and none fails with it."""

import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils import timezone

from .exceptions import ToolError
from .privacy import redact, redact_payload
from .results import to_json
from .writer import writer


@dataclass
class CallRecord:
    """The row of one call, from its start to its end.

    Each method queues a write and returns its future, which is done when it is committed.
    """

    session_id: UUID | None
    call_id: str
    name: str
    args: Any

    def __post_init__(self) -> None:
        self.started = time.monotonic()
        """When the tool itself began; before that, when the call came."""
        try:
            arguments, _ = to_json(self.args)
        except ToolError:
            arguments = repr(self.args)[:1000]
        self._row = {
            "session_id": self.session_id,
            "call_id": _storable(self.call_id),
            "name": _storable(self.name),
            "arguments": {} if arguments is None else arguments,
            "started_at": timezone.now(),
        }
        self._key: int | None = None
        self._cancelled_at: float | None = None
        self._late = ""

    def start(self) -> "Future[None]":
        return writer.submit(self._insert)

    def finish(self, *, status: str, result: Any, error: str | None, duration_ms: int) -> "Future[None]":
        def write() -> None:
            changes = {
                "status": status,
                "result": redact_payload(result),
                "error": self._in_words(redact(_storable(error or "", 2000), "tool")),
                "duration_ms": duration_ms,
            }
            if not self._own().update(**changes):
                self._insert(**changes)  # its start could not be written

        return writer.submit(write)

    def delivered(self, delivered: bool) -> "Future[None]":
        """Whether the model got the answer."""
        return writer.submit(lambda: self._own().update(delivered=delivered))

    def cancelled(self) -> None:
        """The tool is told to stop, now."""
        self._cancelled_at = time.monotonic()

    def tool_ended(self) -> None:
        """The tool's code has come to its end, in whichever thread; the row says so if that is after its cancelling."""
        if self._cancelled_at is None:
            return
        seconds = time.monotonic() - self._cancelled_at
        self._late = f"; it finished {seconds:.1f} s after it was cancelled and its result was dropped."
        writer.submit(self._say_late)

    def _say_late(self) -> None:
        from .models import ToolCall

        # A row that has its final status only later gets the words from finish().
        for row in self._own().filter(status=ToolCall.Status.CANCELLED):
            row.error = self._in_words(row.error)
            row.save(update_fields=["error"])

    def _in_words(self, error: str) -> str:
        if not self._late or error.endswith(self._late):
            return error
        return error.removesuffix(".") + self._late

    def _insert(self, **changes: Any) -> None:
        from .models import ToolCall

        row = {**self._row, "arguments": redact_payload(self._row["arguments"]), **changes}
        self._key = ToolCall.objects.create(**row).pk

    def _own(self) -> Any:
        """The row, if it is there. A key that was rolled back may be somebody else's by now."""
        from .models import ToolCall

        return ToolCall.objects.filter(pk=self._key, call_id=self._row["call_id"], started_at=self._row["started_at"])


def _storable(text: Any, limit: int = 200) -> str:
    return str(text)[:limit].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
