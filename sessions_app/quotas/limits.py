"""What somebody may use, and what he is told when it is used up."""

import math
from dataclasses import dataclass, fields
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.db.models import Q

from .holders import user_of
from .models import DailyUse, Quota


@dataclass(frozen=True)
class Allowance:
    """Conversations at once; minutes, tokens and US dollars a day (UTC). None: no limit."""

    sessions: int | None = None
    minutes: int | None = None
    tokens: int | None = None
    money: Decimal | None = None

    @classmethod
    def parse(cls, text: str) -> "Allowance":
        """Of "sessions=3 minutes=120 tokens=5000000 money=10"; what is missing has no limit. Raises ValueError."""
        given: dict[str, Any] = {}
        for word in text.split():
            name, _, number = word.partition("=")
            if name not in NAMES or name in given:
                raise ValueError(f"{word!r} is none of {', '.join(NAMES)}, or stands there twice")
            try:
                given[name] = Decimal(number) if name == "money" else int(number)
                if given[name] < 0:
                    raise ValueError
            except (ValueError, InvalidOperation):
                raise ValueError(f"{word!r} has no number from 0 on") from None
        return cls(**given)

    @classmethod
    def of(cls, quota: Quota) -> "Allowance":
        return cls(quota.sessions, quota.minutes, quota.tokens, quota.money)

    def or_more(self, other: "Allowance") -> "Allowance":
        """The more generous of the two, limit by limit."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in NAMES)
        return Allowance(*(None if None in pair else max(pair) for pair in pairs))

    def minutes_left(self, use: DailyUse) -> int | None:
        """Whole ones; None: any number."""
        return None if self.minutes is None else max(0, self.minutes * 60 - use.seconds) // 60

    def used_up(self, use: DailyUse) -> str | None:
        """A sentence about what is used up; None while nothing is."""
        if self.minutes is not None and use.seconds >= self.minutes * 60:
            return f"Today's {self.minutes:,} minutes are used up."
        if self.tokens is not None and use.tokens >= self.tokens:
            return f"Today's {self.tokens:,} tokens are used up."
        if self.money is not None and use.micros >= self.money * 1_000_000:
            return f"Today's ${self.money:.2f} are used up."
        return None


NAMES = tuple(field.name for field in fields(Allowance))


def allowance_of(holder: str) -> Allowance:
    """A user's own row, else his groups' (the most generous of each limit), else that for all users, else the setting.
    An address has the row for addresses, else the setting."""
    user = user_of(holder)
    if user is None:
        quota = Quota.objects.filter(applies_to=Quota.For.ADDRESSES).first()
        return Allowance.of(quota) if quota else Allowance.parse(settings.QUOTA_ADDRESS)
    groups = Group.objects.filter(user=user)  # by a subquery: a join would read all members of every group
    mine = Quota.objects.filter(Q(user=user) | Q(group__in=groups) | Q(applies_to=Quota.For.USERS)).order_by()
    found: dict[str, Allowance] = {}
    for quota in mine:
        allowance = Allowance.of(quota)
        before = found.get(quota.applies_to)
        found[quota.applies_to] = before.or_more(allowance) if before else allowance
    for whose in (Quota.For.USER, Quota.For.GROUP, Quota.For.USERS):
        if whose in found:
            return found[whose]
    return Allowance.parse(settings.QUOTA_USER)


def until_midnight(now: datetime) -> int:
    """Seconds until the next day (UTC), in which everybody has his whole quota again."""
    tomorrow = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time.min, UTC)
    return math.ceil((tomorrow - now).total_seconds())


def go_on(now: datetime) -> str:
    hours, minutes = divmod(-(-until_midnight(now) // 60), 60)
    parts = [f"{count} {word}{'s' * (count != 1)}" for count, word in ((hours, "hour"), (minutes, "minute")) if count]
    return f"You can go on in {' and '.join(parts)}, at midnight UTC."
