"""Where a request goes: a URL → host, port and addresses that may be connected to.

A model chooses some of these URLs, so every one is treated as hostile: the name is resolved once, all its addresses
are checked and the connection goes to a checked address, so that a second answer of the DNS cannot move it inside.
"""

import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from django.conf import settings

from .exceptions import ToolError
from .threads import ToolThreads

DEFAULT_PORTS = {"http": 80, "https": 443}
HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*")
PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
# What Python's `is_global` lets pass, although nothing that a tool may reach is there.
NOT_PUBLIC = [
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is the metadata service of a cloud
        "192.88.99.0/24",  # relays of 6to4
        "168.63.129.16/32",  # the host of an Azure machine
        "2001::/23",  # Teredo, which carries an IPv4 address inside, and protocol assignments
        "2002::/16",  # 6to4, which does so too
        "3fff::/20",  # documentation
    )
]
# Of their own: a DNS that does not answer must not hold the threads in which others resolve names.
LOOKUPS = ToolThreads(limit=16, max_abandoned=64)


class HttpError(ToolError):
    """The request got no usable answer; the sentence says why."""


@dataclass(frozen=True)
class Target:
    """`host` is in lower-case ASCII, without the dot at its end; `url` has it, too."""

    url: httpx2.URL
    host: str
    port: int

    @classmethod
    def parse(cls, url: str, params: Mapping[str, Any] | None = None) -> "Target":
        """Raises HttpError for what is no http(s) URL of a host."""
        try:
            parsed = httpx2.URL(url)
            if params:
                parsed = parsed.copy_merge_params(dict(params))
        except (httpx2.InvalidURL, TypeError, ValueError):
            raise HttpError(f"{url[:200]!r} is no URL; give one like https://api.example.com/path.") from None
        if parsed.scheme not in DEFAULT_PORTS or not parsed.host:
            raise HttpError(f"{url[:200]!r} is no web address; only http:// and https:// URLs are reached.")
        if parsed.userinfo:
            raise HttpError("A URL with a user name or password in it is not reached; leave them out.")
        host, port = _name(parsed), DEFAULT_PORTS[parsed.scheme] if parsed.port is None else parsed.port
        if host is None or not 0 < port < 65536:
            raise HttpError(f"{url[:200]!r} has no valid host and port; give one like https://api.example.com/path.")
        return cls(parsed.copy_with(host=host), host, port)

    @property
    def name(self) -> str:
        """Host and port, as TOOLS_PRIVATE_HOSTS has them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def default_port(self) -> int:
        return DEFAULT_PORTS[self.url.scheme]

    @property
    def is_excepted(self) -> bool:
        """Whether the settings let tools reach it on a private address."""
        return any(self.is_at(entry) for entry in settings.TOOLS_PRIVATE_HOSTS)

    def is_at(self, entry: str, default_port: int | None = None) -> bool:
        """Whether an entry of the settings means this host and port. A wrong entry means none (gemlive.E041)."""
        try:
            host, port = listed(entry)
        except ValueError:
            return False
        return (self.host, self.port) == (host, port or default_port)

    async def addresses(self) -> list[str]:
        """The addresses to connect to: IPv4 where there is any. A single private one refuses the host.

        Raises HttpError for a name that is unknown or not public.
        """
        try:
            found = await LOOKUPS.run(lambda: socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM))
        except (socket.gaierror, UnicodeError):
            raise HttpError(
                f"{self.host} cannot be reached: the name is unknown; check it, or this server's network and DNS."
            ) from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not self.is_excepted and not all(is_public(address) for address in addresses):
            raise HttpError(
                f"The host {self.name!r} has a private address, which tools may not reach; "
                "an administrator can except it in TOOLS_PRIVATE_HOSTS."
            )
        return [address for address in addresses if ":" not in address] or addresses


def is_public(address: str) -> bool:
    """Whether an IP address, in the numeric form of getaddrinfo, is one of the public internet."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:  # a zone, as in fe80::1%eth0
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip not in PUBLIC_IPV6:
            return False
    if ip.is_multicast or ip.is_reserved or not ip.is_global:
        return False
    return not any(ip in network for network in NOT_PUBLIC)


def listed(entry: str) -> tuple[str, int | None]:
    """Host and port of an entry of the settings: "api.example.com" or "api.example.com:8443".

    Raises ValueError, with a sentence, for anything else, such as a URL.
    """
    try:
        parsed = httpx2.URL(f"https://{entry.strip()}")
        host, port = _name(parsed), re.search(r":(\d+)$", entry.strip().rpartition("]")[2])
        if host is None or re.search(r"[/?#@\s]", entry.strip()) or not (port is None or 0 < int(port[1]) < 65536):
            raise ValueError
    except (httpx2.InvalidURL, AttributeError, ValueError):
        raise ValueError(f"{entry!r} is no host: write it like api.example.com or api.example.com:8443.") from None
    return host, int(port[1]) if port else None


def _name(url: httpx2.URL) -> str | None:
    """The host as it will be resolved; None for what no host can be called."""
    name = url.raw_host.decode("ascii").lower().removesuffix(".")
    if ":" in name:
        return name if "%" not in name else None
    return name if HOST_NAME.fullmatch(name) else None
