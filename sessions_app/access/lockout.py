"""Too many wrong passwords: counted in the database by django-axes, by name and address, and by address alone."""

import math
from datetime import datetime
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username, get_cool_off
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from .address import of_request


class Handler(AxesDatabaseHandler):
    """django-axes's own, which would let an address try one password for any number of names.

    What counts for the address are the wrong passwords for all names. The right one for a name forgets that name's
    only, and while an address has to wait nothing is counted: so its time comes, whoever goes on trying.
    """

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        failures = super().get_failures(request, credentials)
        if _fills(_of_address(request), settings.LOGIN_ATTEMPTS_PER_ADDRESS):
            return max(failures, settings.LOGIN_ATTEMPTS)
        return failures


def locked_out(request: HttpRequest, response: HttpResponse | None, credentials: dict[str, Any] | None) -> HttpResponse:
    """The page in place of a login, for /login and the admin alike: says when to try again (429)."""
    attempts = _of_address(request)
    by_name = attempts.filter(username=get_client_username(request, credentials))
    filled = (
        _fills(by_name, settings.LOGIN_ATTEMPTS),
        _fills(attempts, settings.LOGIN_ATTEMPTS_PER_ADDRESS),
    )
    latest = max((time for time in filled if time), default=timezone.now())
    until = latest + get_cool_off(request)
    seconds = max(1, math.ceil((until - timezone.now()).total_seconds()))
    context = {"locked_until": until, "minutes": math.ceil(seconds / 60)}
    page = render(request, "registration/login.html", context, status=429)
    page.headers["Retry-After"] = str(seconds)
    return page


def _of_address(request: HttpRequest) -> QuerySet[AccessAttempt]:
    """Wrong passwords within LOGIN_LOCKOUT_MINUTES."""
    return AccessAttempt.objects.filter(
        ip_address=of_request(request), attempt_time__gte=get_cool_off_threshold(request)
    )


def _fills(attempts: QuerySet[AccessAttempt], limit: int) -> datetime | None:
    """The time of the attempt that has to be forgotten before there are fewer than `limit` (0: any number)."""
    counted = 0
    newest_first = attempts.order_by("-attempt_time").values_list("attempt_time", "failures_since_start")
    for time, failures in newest_first if limit else ():
        counted += failures
        if counted >= limit:
            return time
    return None
