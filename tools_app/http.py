"""The HTTP client that tools get: it reaches public servers only, or those that the settings except."""

import asyncio
import functools
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from .redaction import Redactor, secrets_of
from .targets import HttpError, Target, is_public

__all__ = ["MAX_BYTES", "HttpClient", "HttpError", "HttpResponse", "is_public"]

MAX_BYTES = 1024 * 1024
TIMEOUT = 10.0
# Headers that say how to answer, not who asks.
NOT_SECRET = frozenset({"accept", "accept-language", "content-type", "user-agent"})
# These are the client's own: where it connects to, and that nothing is unpacked.
OWN = frozenset({"host", "accept-encoding", "content-length", "transfer-encoding", "connection"})


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
        try:
            return json.loads(self.content)
        except RecursionError:
            raise ValueError("nested too deeply") from None


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
        if response.status == 429:
            raise HttpError(f"{self.service} at {host} is asked too often at the moment; try again in a few minutes.")
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
        headers: Mapping[str, str] | None = None,
        secret_headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: str | bytes | None = None,
        timeout: float = TIMEOUT,
    ) -> HttpResponse:
        """One request, without redirects, of at most `timeout` seconds and MAX_BYTES of answer.

        `secret_headers` go only over https, or to a host of TOOLS_PRIVATE_HOSTS, and win over `headers`; their values
        are taken out of whatever comes back. Raises HttpError with a sentence for everything that goes wrong but an
        HTTP status.
        """
        target = Target.parse(url, params)
        secrets = {name: value for name, value in (secret_headers or {}).items() if name.lower() not in NOT_SECRET}
        redactor = Redactor(secret for value in secrets.values() for secret in secrets_of(value))
        if secrets and target.url.scheme != "https" and not target.is_excepted:
            raise HttpError(f"{target.host} is reached with https:// only, because this server signs in there.")
        sent = httpx2.Headers({name: value for name, value in (headers or {}).items() if name.lower() not in OWN})
        try:
            sent.update(secret_headers or {})
            async with asyncio.timeout(timeout):
                response = await self._send(method, target, sent, json, content)
        except TimeoutError:
            raise HttpError(
                f"{self.service} at {target.host} did not answer within {timeout:g} seconds; try again later."
            ) from None
        except (httpx2.HTTPError, OSError) as error:
            # Without its cause, which may quote a header.
            raise HttpError(
                f"{self.service} at {target.host} cannot be reached ({type(error).__name__}); "
                "try again later or check this server's network."
            ) from None
        except (httpx2.InvalidURL, ValueError, TypeError) as error:
            reason = redactor.clean_text(str(error))
            raise HttpError(f"The request to {target.host} cannot be made: {reason}.") from None
        return HttpResponse(
            response.status,
            httpx2.Headers([(name, redactor.clean_text(value)) for name, value in response.headers.multi_items()]),
            await redactor.clean(response.content),
        )

    async def _send(
        self, method: str, target: Target, headers: httpx2.Headers, json: Any, content: Any
    ) -> HttpResponse:
        addresses = await target.addresses()
        for number, address in enumerate(addresses, start=1):
            try:
                return await self._send_to(address, method, target, headers, json, content)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise AssertionError("unreachable: addresses() never returns an empty list")

    async def _send_to(
        self, address: str, method: str, target: Target, headers: httpx2.Headers, json: Any, content: Any
    ) -> HttpResponse:
        # No compression: MAX_BYTES must bound what comes out, not what comes in.
        own = {"Host": target.url.netloc.decode("ascii"), "Accept-Encoding": "identity"}
        async with (
            httpx2.AsyncClient(verify=_tls(), trust_env=False, follow_redirects=False, timeout=TIMEOUT) as client,
            client.stream(
                method,
                target.url.copy_with(host=address),
                headers=[*headers.multi_items(), *own.items()],
                json=json,
                content=content,
                extensions={"sni_hostname": target.host},
            ) as response,
        ):
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise HttpError(f"{self.service} at {target.host} sent a compressed answer, which is not accepted.")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise HttpError(f"{self.service} at {target.host} answered with more than {MAX_BYTES // 1024} KB.")
            return HttpResponse(response.status_code, response.headers, bytes(body))


@functools.cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the certificates takes some 20 ms."""
    return httpx2.create_ssl_context(trust_env=False)
