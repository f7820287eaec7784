"""ToolCall rows, written on a thread of their own: no call waits for the database, and none fails with it."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DatabaseError, close_old_connections, transaction
from django.utils import timezone

from .exceptions import ToolError
from .results import to_json

logger = logging.getLogger(__name__)

# One thread: a row's start is always written before its end, and SQLite has one writer anyway.
_writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tool-calls")


@dataclass
class CallRecord:
    """The row of one call, from its start to its end."""

    session_id: UUID | None
    call_id: str
    name: str
    args: Any

    def __post_init__(self) -> None:
        try:
            arguments, _ = to_json(self.args)
        except ToolError:
            arguments = repr(self.args)[:1000]
        self._started_at = timezone.now()
        self._fields = {
            "session_id": self.session_id,
            "call_id": _storable(self.call_id),
            "name": _storable(self.name),
            "arguments": {} if arguments is None else arguments,
            "started_at": self._started_at,
        }
        self._row: Any = None

    def start(self) -> Future:
        return _writer.submit(self._save)

    def finish(self, *, status: str, result: Any, error: str | None, duration_ms: int) -> Future:
        """The future is done when the row has its final status, or when the log says why not."""
        return _writer.submit(
            self._save, status=status, result=result, error=_storable(error or "", 2000), duration_ms=duration_ms
        )

    def _save(self, **changes: Any) -> None:
        from .models import ToolCall

        close_old_connections()
        try:
            row = self._row or ToolCall(**self._fields)
            for name, value in changes.items():
                setattr(row, name, value)
            with transaction.atomic():
                # A row whose start could not be written is inserted now.
                row.save(force_insert=self._row is None, force_update=self._row is not None)
            self._row = row
        except DatabaseError as error:
            logger.error("The row of tool call %s (%s) could not be saved: %s", self.call_id, self.name, error)
        except Exception:
            logger.exception("The row of tool call %s (%s) could not be saved", self.call_id, self.name)
        finally:
            close_old_connections()


def _storable(text: Any, limit: int = 200) -> str:
    return str(text)[:limit].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
