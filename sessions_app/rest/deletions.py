"""Which sessions were deleted, for those who sync."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from ..access import listed_tombstones
from .filters import before

TOLD = timedelta(days=30)
"""Less than tombstones are kept (housekeeping.py)."""
MOST = 5000


def deletions(user: Any, since: datetime) -> dict[str, Any]:
    """The fields of the last page of a list with `since`."""
    told_since = max(since, timezone.now() - TOLD)
    latest = listed_tombstones(user).filter(deleted_at__gte=before(told_since)).order_by("-deleted_at")
    found = list(latest.values_list("session_id", "deleted_at")[: MOST + 1])
    if len(found) > MOST:
        told_since = max(told_since, found[MOST - 1][1])
    return {"deleted": [key for key, _ in found[:MOST]], "deletedSince": told_since}
