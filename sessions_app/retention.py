"""Forgets what was said and what tools were given, when it is old enough: RETENTION_TRANSCRIPT_DAYS and
RETENTION_TOOL_PAYLOAD_DAYS. What stays are figures: sessions, tokens, which tool ran how long and how it ended."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from tools_app.models import ToolCall

from .models import LiveSession, TranscriptEntry

BATCH = 500
"""Rows of one transaction: voices wait for no lock."""


@dataclass(frozen=True)
class Purged:
    entries: int = 0
    """Of transcripts: deleted."""
    sessions: int = 0
    """Whose instruction and Gemini's handle were emptied."""
    calls: int = 0
    """Whose arguments, result and error were emptied."""


def purge(*, dry_run: bool = False) -> Purged:
    """Empty what belongs to sessions that nobody has used for so many days; live ones are left alone.

    `dry_run`: only count.
    """
    entries = sessions = calls = 0
    if before := _before(settings.RETENTION_TRANSCRIPT_DAYS):
        old = LiveSession.objects.filter(last_activity_at__lt=before).exclude(status__in=LiveSession.CARRIED)
        entries = _in_batches(TranscriptEntry.objects.filter(session__in=old), _delete, dry_run)
        full = old.exclude(instruction="", resumption_handle="")
        empty: dict[str, Any] = {"instruction": "", "resumption_handle": "", "handle_sequence": 0}
        sessions = _in_batches(full, lambda rows: rows.update(**empty), dry_run)
    if before := _before(settings.RETENTION_TOOL_PAYLOAD_DAYS):
        live = LiveSession.objects.filter(status__in=LiveSession.CARRIED)
        old_calls = ToolCall.objects.filter(started_at__lt=before).exclude(
            Q(status=ToolCall.Status.RUNNING) | Q(session__in=live)
        )
        full_calls = old_calls.filter(~Q(arguments={}) | Q(result__isnull=False) | ~Q(error=""))
        empty = {"arguments": {}, "result": None, "error": ""}
        calls = _in_batches(full_calls, lambda rows: rows.update(**empty), dry_run)
    purged = Purged(entries, sessions, calls)
    if not dry_run and purged != Purged() and connection.vendor == "sqlite":
        with connection.cursor() as cursor:  # else the log beside the database keeps the old pages for a while
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return purged


def _before(days: float | None) -> datetime | None:
    return None if days is None else timezone.now() - timedelta(days=days)


def _delete(entries: QuerySet[TranscriptEntry]) -> None:
    LiveSession.objects.filter(pk__in=entries.values("session")).update(updated_at=timezone.now())  # for who syncs
    entries.delete()


def _in_batches(rows: QuerySet, change: Any, dry_run: bool) -> int:
    if dry_run:
        return rows.count()
    done = 0
    for keys in _keys(rows):
        with transaction.atomic():
            change(rows.model.objects.filter(pk__in=keys))
        done += len(keys)
    return done


def _keys(rows: QuerySet) -> Iterator[list[Any]]:
    last = None
    while True:
        ahead = rows.order_by("pk") if last is None else rows.order_by("pk").filter(pk__gt=last)
        keys = list(ahead.values_list("pk", flat=True)[:BATCH])
        if not keys:
            return
        yield keys
        last = keys[-1]
