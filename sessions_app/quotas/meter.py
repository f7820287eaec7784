"""What conversations use: counted in memory, written for all of this process now and then (housekeeping.py).

Nothing of it waits, and nothing happens for a frame: a report of tokens adds three numbers, and time is looked at when
it is written. A process that is killed loses what it has counted since it wrote last, some seconds.
"""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import DatabaseError
from django.utils import timezone

from ..exceptions import ConversationsStopped, QuotaUsedUp, SessionUnavailable
from ..live.events import UsageReported
from ..live.limits import Over, Totals
from . import prices
from .limits import allowance_of, go_on, until_midnight
from .models import ConversationSwitch, DailyUse


@dataclass(frozen=True)
class Counted:
    seconds: int = 0
    tokens: int = 0
    micros: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(self.seconds + other.seconds, self.tokens + other.tokens, self.micros + other.micros)


class Meter:
    """Counts for one conversation (a port of the bridge)."""

    def __init__(self, meters: "Meters", holder: str, model: str):
        self.holder = holder
        self._meters = meters
        self._price = prices.price_of(model)
        self._lock = threading.Lock()  # taken a few times a turn, by the conversation and by the writing thread
        self._since: float | None = None
        self._seconds = 0.0
        self._counted = Counted()
        self._over: Over | None = None
        self.ended = False

    def begin(self) -> None:
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()
        self._meters.add(self)

    def rest(self) -> None:
        with self._lock:
            self._take_time()
            self._since = None

    def end(self) -> None:
        self.rest()
        self.ended = True

    def count(self, usage: UsageReported) -> None:
        micros = round(prices.cost(self._price, usage) * 1_000_000) if self._price else 0
        with self._lock:
            self._counted += Counted(0, usage.total, micros)

    def cost(self, totals: Totals) -> float | None:
        return round(prices.cost(self._price, totals), 6) if self._price else None

    def over(self) -> Over | None:
        return self._over

    def take(self) -> Counted:
        """What was counted since this was asked before; whole seconds, the rest of one stays."""
        with self._lock:
            self._take_time()
            whole = int(self._seconds)
            taken, self._counted = self._counted + Counted(whole), Counted()
            self._seconds -= whole
        return taken

    def give_back(self, taken: Counted) -> None:
        """It could not be written."""
        with self._lock:
            self._counted += taken

    def refuse(self, refusal: SessionUnavailable) -> None:
        """The conversation ends when it looks at its limits the next time."""
        self._over = Over(refusal.code, refusal.message, lives=True, retry_after=refusal.retry_after)

    def _take_time(self) -> None:
        if self._since is not None:
            now = time.monotonic()
            self._seconds += now - self._since
            self._since = now


class Meters:
    """All of this process."""

    def __init__(self) -> None:
        self._meters: set[Meter] = set()

    def open(self, holder: str, model: str) -> Meter:
        return Meter(self, holder, model)

    def add(self, meter: Meter) -> None:
        self._meters.add(meter)

    def write(self, now: datetime | None = None) -> None:
        """Count in the database, and see who has used up his quota there. Raises DatabaseError: nothing is lost then.

        Each holder's row by itself, not in one transaction: nobody waits for anybody else's.
        """
        by_holder: dict[str, list[Meter]] = {}
        for meter in list(self._meters):
            by_holder.setdefault(meter.holder, []).append(meter)
        if not by_holder:
            return
        now = now or timezone.now()
        switch = ConversationSwitch.current()
        for holder, meters in by_holder.items():
            self._write(holder, meters, now)
            if switch.end_running and switch.stopped:
                for meter in meters:
                    meter.refuse(ConversationsStopped(switch.sentence))

    def _write(self, holder: str, meters: list[Meter], now: datetime) -> None:
        ended = [meter for meter in meters if meter.ended]
        taken = [meter.take() for meter in meters]
        counted = sum(taken, Counted())
        day = now.astimezone(UTC).date()
        if counted != Counted():
            try:
                DailyUse.objects.add(holder, day, **vars(counted))
            except DatabaseError:
                for meter, its in zip(meters, taken, strict=True):
                    meter.give_back(its)
                raise
        self._meters.difference_update(ended)
        if used_up := allowance_of(holder).used_up(DailyUse.objects.of(holder, day)):
            for meter in meters:
                meter.refuse(QuotaUsedUp(f"{used_up} {go_on(now)}", until_midnight(now)))


meters = Meters()
