"""Who may begin a conversation now."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import transaction
from django.utils import timezone

from ..exceptions import ConversationsStopped, QuotaUsedUp, TooManyOfYours
from ..housekeeping import lease
from ..models import LiveSession
from .limits import Allowance, allowance_of, go_on, until_midnight
from .models import ConversationSwitch, DailyUse

MINUTES_AHEAD = 15
"""Of a conversation that is counted before it begins, when nobody says how many."""


def check(holder: str, *, goes_on: bool = False, now: datetime | None = None) -> None:
    """What is asked before a conversation, without taking anything; one that `goes_on` is not stopped.

    Raises:
        ConversationsStopped: nobody may begin one.
        QuotaUsedUp: nothing is left for today.
    """
    now = now or timezone.now()
    if not goes_on:
        _check_switch()
    _check_use(allowance_of(holder), DailyUse.objects.of(holder, now.astimezone(UTC).date()), now)


def check_before(holder: str) -> None:
    """For a client that is about to come: all that it would be refused for.

    Raises what `check` does, and TooManyOfYours.
    """
    check(holder)
    _check_sessions(allowance_of(holder), holder, None)


def admit(holder: str, session: LiveSession | None, *, now: datetime | None = None) -> bool:
    """The same within the transaction that opens `session` (None: a new one): who comes at the same moment, to whatever
    process, waits for its end, and counts this one. Call `hold` in it.

    Returns whether the session is carried already and only comes back: then it is neither stopped nor counted twice.
    Raises what `check_before` does.
    """
    now = now or timezone.now()
    goes_on = session is not None and _is_held(session, now)
    if not goes_on:
        _check_switch()
    use = DailyUse.objects.lock(holder, now.astimezone(UTC).date())
    allowance = allowance_of(holder)
    _check_use(allowance, use, now)
    _check_sessions(allowance, holder, session)
    return goes_on


def hold(holder: str, session: LiveSession) -> None:
    """The session counts among the holder's, until it is let go (live_here.py) or its process is gone (the lease)."""
    LiveSession.objects.filter(pk=session.pk).update(held_by=holder)


@contextmanager
def minutes_ahead(holder: str, asked: int | None, *, most: int) -> Iterator[int]:
    """Count the minutes of a conversation that is not seen here before it begins, for all processes at once.

    So many as are asked for; else MINUTES_AHEAD, or `most`, or what is left of today, if that is less. They are given
    back when what is done with them raises something.

    Raises:
        QuotaUsedUp: fewer are left, or nothing else is.
    """
    now = timezone.now()
    day = now.astimezone(UTC).date()
    with transaction.atomic():
        use = DailyUse.objects.lock(holder, day)
        allowance = allowance_of(holder)
        _check_use(allowance, use, now)
        left = allowance.minutes_left(use)
        minutes = asked or max(1, min(MINUTES_AHEAD, most, most if left is None else left))
        if left is not None and left < minutes:
            sentence = f"Of today's {allowance.minutes:,} minutes {left} are left, and {minutes} are asked for."
            raise QuotaUsedUp(f"{sentence} {go_on(now)}", until_midnight(now))
        DailyUse.objects.add(holder, day, seconds=minutes * 60, tokens=0, micros=0)
    try:
        yield minutes
    except BaseException:
        DailyUse.objects.give_back(holder, day, minutes * 60)
        raise


def _check_switch() -> None:
    switch = ConversationSwitch.current()
    if switch.stopped:
        raise ConversationsStopped(switch.sentence)


def _check_use(allowance: Allowance, use: DailyUse, now: datetime) -> None:
    if used_up := allowance.used_up(use):
        raise QuotaUsedUp(f"{used_up} {go_on(now)}", until_midnight(now))


def _check_sessions(allowance: Allowance, holder: str, session: LiveSession | None) -> None:
    if allowance.sessions is None:
        return
    held = LiveSession.objects.filter(held_by=holder, seen_at__gt=timezone.now() - lease())
    if session:
        held = held.exclude(pk=session.pk)
    if held.count() >= allowance.sessions:
        raise TooManyOfYours(allowance.sessions)


def _is_held(session: LiveSession, now: datetime) -> bool:
    return bool(session.held_by and session.seen_at and session.seen_at > now - lease())
