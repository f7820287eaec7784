"""What tools let other models do, in the quota of whoever they work for: rare, so it is written at once."""

from datetime import UTC
from typing import Any
from uuid import UUID

from django.utils import timezone

from tools_app.signals import tokens_used

from ..live.events import UsageReported
from ..models import LiveSession
from . import prices
from .models import DailyUse


def _count(
    sender: Any, *, model: str, usage: tuple[int, int, int], session_id: UUID | None, user_id: int | None, **kwargs: Any
) -> None:
    held_by = LiveSession.objects.filter(pk=session_id).values_list("held_by", flat=True).first()
    holder = held_by or (f"user:{user_id}" if user_id is not None else "")
    if not holder:  # the command line, or a conversation that nobody carries any more
        return
    prompt, response, total = usage
    by_modality = {"prompt.text": prompt, "response.text": response}
    price = prices.price_of(model)
    dollars = prices.cost(price, UsageReported(prompt, response, total, by_modality)) if price else 0
    day = timezone.now().astimezone(UTC).date()
    DailyUse.objects.add(holder, day, seconds=0, tokens=total, micros=round(dollars * 1_000_000))


tokens_used.connect(_count)
