"""What no conversation can do for itself: a sign of life for all, and an end for those that have none."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from tools_app.models import ToolCall

from .models import LiveSession, Tombstone
from .quotas.meter import meters
from .quotas.models import DailyUse
from .retention import Purged, purge

logger = logging.getLogger(__name__)

PURGE_SECONDS = 3600.0
MISSED_SIGNS = 4
"""A process that has not given so many signs of life, one after the other, is gone."""


KEPT = timedelta(days=31)
"""How long it is kept who has used how much in a day, and that a session was deleted."""


@dataclass(frozen=True)
class Tidied:
    abandoned: int
    """Sessions whose process is gone: they may be taken up again."""
    calls: int
    """Tool calls that nobody will end any more."""
    expired: int
    """Sessions that ended because nobody used them for `SESSION_EXPIRY_MINUTES`."""


def lease() -> timedelta:
    """Whoever was not seen for so long is gone."""
    return timedelta(seconds=MISSED_SIGNS * (settings.HOUSEKEEPING_SECONDS or 10))


def sign_of_life(session_ids: Iterable[UUID]) -> None:
    """This process carries these sessions."""
    LiveSession.objects.filter(pk__in=list(session_ids)).update(seen_at=timezone.now())


def tidy() -> Tidied:
    """Any process may do it, as often as it likes."""
    now = timezone.now()
    gone = LiveSession.objects.not_seen_since(now - lease())
    calls = len(ToolCall.objects.filter(session__in=gone).abandon())
    abandoned = gone.filter(status__in=LiveSession.CARRIED).update(status=LiveSession.Status.PAUSED)
    gone.exclude(held_by="").update(held_by="")
    DailyUse.objects.filter(day__lt=now.date() - KEPT).delete()
    Tombstone.objects.filter(deleted_at__lt=now - KEPT).delete()
    unused = gone.filter(last_activity_at__lt=now - timedelta(minutes=settings.SESSION_EXPIRY_MINUTES))
    expired = unused.exclude(status=LiveSession.Status.ENDED).update(
        status=LiveSession.Status.ENDED,
        ended_at=now,
        end_reason=f"expired: unused for {settings.SESSION_EXPIRY_MINUTES:g} minutes",
    )
    return Tidied(abandoned, calls, expired)


class Housekeeper:
    """A thread of this process that does both, looks at logins and writes down what was used, every
    `HOUSEKEEPING_SECONDS`; once an hour it also purges."""

    def __init__(self, session_ids: Callable[[], Iterable[UUID]], look_at_logins: Callable[[], None]):
        self._session_ids = session_ids
        self._look_at_logins = look_at_logins
        self._thread: threading.Thread | None = None
        self._purged_at: float | None = None

    def start(self) -> None:
        if self._thread is None and settings.HOUSEKEEPING_SECONDS:
            self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        stopped = threading.Event()  # never: it ends with the process
        while not stopped.wait(settings.HOUSEKEEPING_SECONDS):
            close_old_connections()
            try:
                sign_of_life(self._session_ids())
                self._look_at_logins()
                meters.write()
                tidied = tidy()
                self._purge()
            except Exception as error:
                logger.warning("Sessions could not be looked after; trying again soon: %s", error)
            else:
                if tidied != Tidied(0, 0, 0):
                    logger.info("Tidied: %s", tidied)
            finally:
                close_old_connections()

    def _purge(self) -> None:
        now = time.monotonic()
        if self._purged_at is None or now - self._purged_at > PURGE_SECONDS:
            self._purged_at = now
            if (purged := purge()) != Purged():
                logger.info("Purged: %s", purged)
