"""What no conversation can do for itself: a sign of life for all, and an end for those that have none."""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from tools_app.models import ToolCall

from .models import LiveSession

logger = logging.getLogger(__name__)

MISSED_SIGNS = 4
"""A process that has not given so many signs of life, one after the other, is gone."""


@dataclass(frozen=True)
class Tidied:
    abandoned: int
    """Sessions whose process is gone: they may be taken up again."""
    calls: int
    """Tool calls that nobody will end any more."""
    expired: int
    """Sessions that ended because nobody used them for `SESSION_EXPIRY_MINUTES`."""


def sign_of_life(session_ids: Iterable[UUID]) -> None:
    """This process carries these sessions."""
    LiveSession.objects.filter(pk__in=list(session_ids)).update(seen_at=timezone.now())


def tidy() -> Tidied:
    """Any process may do it, as often as it likes."""
    now = timezone.now()
    lease = timedelta(seconds=MISSED_SIGNS * (settings.HOUSEKEEPING_SECONDS or 10))
    gone = LiveSession.objects.not_seen_since(now - lease)
    calls = ToolCall.objects.filter(session__in=gone).abandon()
    abandoned = gone.filter(status__in=LiveSession.CARRIED).update(status=LiveSession.Status.PAUSED)
    unused = gone.filter(last_activity_at__lt=now - timedelta(minutes=settings.SESSION_EXPIRY_MINUTES))
    expired = unused.exclude(status=LiveSession.Status.ENDED).update(
        status=LiveSession.Status.ENDED,
        ended_at=now,
        end_reason=f"expired: unused for {settings.SESSION_EXPIRY_MINUTES:g} minutes",
    )
    return Tidied(abandoned, calls, expired)


class Housekeeper:
    """A thread of this process that does both, every `HOUSEKEEPING_SECONDS`."""

    def __init__(self, session_ids: Callable[[], Iterable[UUID]]):
        self._session_ids = session_ids
        self._thread: threading.Thread | None = None

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
                tidied = tidy()
            except Exception as error:
                logger.warning("Sessions could not be looked after; trying again soon: %s", error)
            else:
                if tidied != Tidied(0, 0, 0):
                    logger.info("Tidied: %s", tidied)
            finally:
                close_old_connections()
