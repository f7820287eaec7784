"""`GET /metrics` for Prometheus: from this machine, with METRICS_TOKEN, or for staff; for others it is not there."""

import secrets
from collections.abc import Callable
from ipaddress import ip_address

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.http.request import split_domain_port, validate_host
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from sessions_app import metrics

# Of a proxy: then the peer's address says where the proxy is, not who asks.
PROXY_HEADERS = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP")
LOCAL_NAMES = ["localhost", "127.0.0.1", "[::1]"]


def exposition() -> HttpResponse:
    response = HttpResponse(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)
    response.headers["Cache-Control"] = "no-store"
    return response


@require_safe
def metrics_for_staff(request: HttpRequest) -> HttpResponse:
    if not (request.user.is_active and request.user.is_staff):
        raise Http404
    return exposition()


def metrics_for_prometheus(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable:
    """Before all other middleware: a scraper on this machine or in the cluster knows no host name and no HTTPS."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path_info == "/metrics" and (_has_token(request) or _is_local(request)):
            return exposition()
        return get_response(request)

    return middleware


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    expected = settings.METRICS_TOKEN
    return bool(expected) and scheme.lower() == "bearer" and secrets.compare_digest(token.encode(), expected.encode())


def _is_local(request: HttpRequest) -> bool:
    """From this machine to a name of it (a page of somebody else's may give its own name our address)."""
    if any(name in PROXY_HEADERS or name.startswith("HTTP_X_FORWARDED_") for name in request.META):
        return False
    domain, _ = split_domain_port(request.META.get("HTTP_HOST", ""))
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback and validate_host(domain, LOCAL_NAMES)
    except ValueError:
        return False
