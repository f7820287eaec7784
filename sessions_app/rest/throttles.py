"""How many requests of REST one account, or one address without an account, may make (`API_RATE_…`)."""

import logging
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle, SimpleRateThrottle, UserRateThrottle

logger = logging.getLogger(__name__)


class _Rate(SimpleRateThrottle):
    def get_rate(self) -> str | None:
        return settings.API_RATES[self.scope] or None

    def allow_request(self, request: Request, view: Any) -> bool:
        try:
            return super().allow_request(request, view)
        except Exception as error:  # whatever the cache's client raises when its server is away
            logger.warning("Requests are not counted, because the cache is away: %s", type(error).__name__)
            return True


class Accounts(_Rate, UserRateThrottle):
    scope = "user"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return super().get_cache_key(request, view) if request.user.is_authenticated else None


class Addresses(_Rate, AnonRateThrottle):
    scope = "anonymous"


class NewSessions(_Rate, UserRateThrottle):
    """Of `POST /api/sessions`, by account or else by address."""

    scope = "sessions"
