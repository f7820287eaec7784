"""Where a caller is, also behind proxies."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def client_address(source: Mapping[str, Any]) -> str:
    """The address in HTTP's META or in an ASGI scope; "" where there is none, such as behind a Unix socket.

    Each of the TRUSTED_PROXIES appends whom it was called by to X-Forwarded-For: the caller is that many entries from
    the right, and what stands further left is what he says of himself. Fewer entries did not pass all of the proxies,
    and count for nothing.
    """
    if "type" in source:  # an ASGI scope
        peer = (source.get("client") or ("",))[0] or ""
        named = [value.decode("latin-1") for name, value in source.get("headers", ()) if name == b"x-forwarded-for"]
        forwarded = ",".join(named)
    else:
        peer, forwarded = source.get("REMOTE_ADDR") or "", source.get("HTTP_X_FORWARDED_FOR", "")
    proxies = settings.TRUSTED_PROXIES
    entries = forwarded.split(",")
    if proxies and len(entries) >= proxies:
        return _address(entries[-proxies]) or peer
    return _address(peer) or peer


def network_of(address: str) -> str:
    """What one caller has: an IPv4 address, or the whole /64 of an IPv6 one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def of_request(request: HttpRequest) -> str | None:
    """For django-axes, whose column takes an address or null: of an IPv6 network the first."""
    return network_of(_address(client_address(request.META))).partition("/")[0] or None


def _address(text: str) -> str:
    """As it is written in one way only, without a port; "" for what is no address."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)
