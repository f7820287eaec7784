"""A budget of tokens by day, shared by all processes that share Django's cache."""

import logging
from dataclasses import dataclass

from django.core.cache import BaseCache
from django.utils import timezone

from .caching import ask_cache
from .exceptions import ToolError

logger = logging.getLogger(__name__)

TWO_DAYS = 2 * 24 * 3600


class BudgetSpent(ToolError):
    """Nothing is left for today."""


@dataclass(frozen=True)
class Reservation:
    key: str
    amount: int


@dataclass(frozen=True)
class DailyBudget:
    """`limit` tokens a day, by UTC. What is in use is reserved, so that many at once cannot take more than there is."""

    name: str
    limit: int

    @property
    def key(self) -> str:
        return f"tools:budget:{self.name}:{timezone.now():%Y-%m-%d}"

    async def reserve(self, amount: int) -> Reservation:
        """Raises BudgetSpent, and ToolError where the cache does not answer: what cannot be counted is not spent."""
        reservation = Reservation(self.key, amount)

        def take(cache: BaseCache) -> bool:
            cache.add(reservation.key, 0, TWO_DAYS)
            if cache.incr(reservation.key, amount) <= self.limit:
                return True
            cache.decr(reservation.key, amount)
            return False

        try:
            taken = await ask_cache(take)
        except Exception as error:
            logger.warning("The budget of %s cannot be counted (%s)", self.name, type(error).__name__)
            raise ToolError("What was spent today cannot be counted at the moment; try again in a minute.") from None
        if not taken:
            raise BudgetSpent("Today's budget is spent.")
        return reservation

    async def settle(self, reservation: Reservation, used: int) -> None:
        """Put `used` in place of what was reserved. If the cache does not answer, the reservation stays."""
        try:
            await ask_cache(lambda cache: cache.incr(reservation.key, used - reservation.amount))
        except Exception as error:
            logger.warning("The budget of %s cannot be settled (%s)", self.name, type(error).__name__)
