"""The HTTP client that tools get: it reaches public servers only, or those that the settings except.

A model chooses some of these URLs, so every one is treated as hostile: the name is resolved once, all its addresses
are checked and the connection goes to a checked address, so that a second answer of the DNS cannot move it inside.
"""

import asyncio
import functools
import ipaddress
import json
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import httpx2
from django.conf import settings

from .exceptions import ToolError

MAX_BYTES = 1024 * 1024
TIMEOUT = 10.0
DEFAULT_PORTS = {"http": 80, "https": 443}
# 6to4 and Teredo lie in the public range and carry a private IPv4 address inside.
PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
TUNNELS = [ipaddress.ip_network("2002::/16"), ipaddress.ip_network("2001::/32")]


class HttpError(ToolError):
    """The request got no usable answer; the sentence says why."""


@dataclass(frozen=True)
class HttpResponse:
    status: int
    headers: httpx2.Headers
    content: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").split(";")[0].strip().lower()

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Raises ValueError if the body is no JSON."""
        return json.loads(self.content)


@dataclass(frozen=True)
class HttpClient:
    """`service` is how sentences about failures call the other side: "The weather service at …"."""

    service: str = "The server"

    def named(self, service: str) -> "HttpClient":
        return replace(self, service=service)

    async def get_json(self, url: str, /, **params: Any) -> Any:
        """The JSON that a GET answers. Raises HttpError unless the answer is 2xx and JSON."""
        response = await self.request("GET", url, params=params)
        host = httpx2.URL(url).host
        if not 200 <= response.status < 300:
            raise HttpError(f"{self.service} at {host} answered with HTTP status {response.status}; try again later.")
        try:
            return response.json()
        except ValueError:
            raise HttpError(f"{self.service} at {host} did not answer in JSON; try again later.") from None

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        json: Any = None,
        content: str | bytes | None = None,
        allowed_hosts: Iterable[str] | None = None,
        timeout: float = TIMEOUT,
    ) -> HttpResponse:
        """One request, without redirects, of at most `timeout` seconds and MAX_BYTES of answer.

        `allowed_hosts` ("api.example.com" or "api.example.com:8443") limits where it may go.
        Raises HttpError with a sentence for everything that goes wrong but an HTTP status.
        """
        target = _target(url, params)
        if allowed_hosts is not None and not _listed(target, allowed_hosts):
            raise HttpError(
                f"The host {_host_and_port(target)!r} is not on this server's list of allowed hosts; "
                "an administrator can add it to TOOLS_ALLOWED_HOSTS."
            )
        try:
            async with asyncio.timeout(timeout):
                return await self._send(method, target, headers or {}, json, content)
        except TimeoutError:
            raise HttpError(f"{self.service} at {target.host} did not answer within {timeout:g} seconds.") from None
        except (httpx2.HTTPError, OSError) as error:
            raise HttpError(
                f"{self.service} at {target.host} cannot be reached ({type(error).__name__}); "
                "try again later or check this server's network."
            ) from error
        except (httpx2.InvalidURL, ValueError, TypeError) as error:
            raise HttpError(f"The request to {target.host} cannot be made: {error}.") from error

    async def _send(self, method: str, url: httpx2.URL, headers: dict, json: Any, content: Any) -> HttpResponse:
        addresses = await self._addresses(url)
        for number, address in enumerate(addresses, start=1):
            try:
                return await self._send_to(address, method, url, headers, json, content)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise AssertionError("unreachable: _addresses never returns an empty list")

    async def _send_to(
        self, address: str, method: str, url: httpx2.URL, headers: dict, json: Any, content: Any
    ) -> HttpResponse:
        headers = {name: value for name, value in headers.items() if name.lower() not in ("host", "accept-encoding")}
        # No compression: MAX_BYTES must bound what comes out, not what comes in.
        headers |= {"Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"}
        async with (
            httpx2.AsyncClient(verify=_tls(), trust_env=False, follow_redirects=False, timeout=TIMEOUT) as client,
            client.stream(
                method,
                url.copy_with(host=address),
                headers=headers,
                json=json,
                content=content,
                extensions={"sni_hostname": url.raw_host.decode("ascii")},
            ) as response,
        ):
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise HttpError(f"{self.service} at {url.host} sent a compressed answer, which is not accepted.")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise HttpError(f"{self.service} at {url.host} answered with more than {MAX_BYTES // 1024} KB.")
            return HttpResponse(response.status_code, response.headers, bytes(body))

    async def _addresses(self, url: httpx2.URL) -> list[str]:
        """The addresses to connect to, IPv4 first; a single private one among them refuses the host."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(url.raw_host, _port(url), type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError):
            raise HttpError(
                f"{self.service} at {url.host} cannot be reached: the name is unknown; "
                "check it, or this server's network and DNS."
            ) from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in sorted(found, key=lambda entry: entry[0])))
        private = _host_and_port(url) in {entry.lower() for entry in settings.TOOLS_PRIVATE_HOSTS}
        if not private and not all(is_public(address) for address in addresses):
            raise HttpError(
                f"The host {_host_and_port(url)!r} has a private address, which tools may not reach; "
                "an administrator can except it in TOOLS_PRIVATE_HOSTS."
            )
        return addresses


def is_public(address: str) -> bool:
    """Whether an IP address, in the numeric form of getaddrinfo, is one of the public internet."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:  # a zone, as in fe80::1%eth0
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return ip in PUBLIC_IPV6 and ip.is_global and not any(ip in tunnel for tunnel in TUNNELS)
        ip = ip.ipv4_mapped
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _target(url: str, params: dict[str, Any] | None) -> httpx2.URL:
    try:
        target = httpx2.URL(url)
        if params:
            target = target.copy_merge_params(params)
    except (httpx2.InvalidURL, TypeError, ValueError):
        raise HttpError(f"{url[:200]!r} is no URL; give one like https://api.example.com/path.") from None
    if target.scheme not in DEFAULT_PORTS or not target.host:
        raise HttpError(f"{url[:200]!r} is no web address; only http:// and https:// URLs are reached.")
    if target.userinfo:
        raise HttpError("A URL with a user name or password in it is not reached; leave them out.")
    return target


def _port(url: httpx2.URL) -> int:
    return url.port or DEFAULT_PORTS[url.scheme]


def _host_and_port(url: httpx2.URL) -> str:
    return f"{url.host.lower().rstrip('.')}:{_port(url)}"


def _listed(url: httpx2.URL, hosts: Iterable[str]) -> bool:
    allowed = {host.strip().lower() for host in hosts}
    on_default_port = _port(url) == DEFAULT_PORTS[url.scheme]
    return _host_and_port(url) in allowed or (on_default_port and url.host.lower().rstrip(".") in allowed)


@functools.cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the certificates takes some 20 ms."""
    return httpx2.create_ssl_context(trust_env=False)
