"""Wrong settings of outbound HTTP fail at start-up, with an id and a mend."""

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from .external_apis import METHODS
from .http import OWN
from .redaction import SHORTEST, secrets_of
from .targets import listed

HOSTS = "For example TOOLS_ALLOWED_HOSTS=api.example.com,api.example.org:8443"
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
SECRET_NAME = re.compile(r"auth|cookie|key|pass|secret|token", re.IGNORECASE)


@register("tools")
def check_http(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [*_hosts(), *_methods("TOOLS_ALLOWED_METHODS", settings.TOOLS_ALLOWED_METHODS), *_apis()]


def _hosts() -> Iterator[CheckMessage]:
    for name in ("TOOLS_ALLOWED_HOSTS", "TOOLS_PRIVATE_HOSTS"):
        for entry in getattr(settings, name):
            yield from _host(name, entry, needs_port=name == "TOOLS_PRIVATE_HOSTS")


def _host(where: str, entry: str, *, needs_port: bool = False) -> Iterator[CheckMessage]:
    try:
        port = listed(entry)[1]
    except ValueError as error:
        yield Error(f"{where}: {error}", hint=HOSTS, id="gemlive.E041")
    else:
        if needs_port and port is None:
            yield Error(f"{where}: {entry!r} has no port.", hint=f"Write {entry}:443.", id="gemlive.E041")


def _methods(where: str, names: Any) -> Iterator[CheckMessage]:
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        yield Error(f"{where} is no list of methods.", hint='Such as ["GET", "POST"].', id="gemlive.E042")
        return
    for name in names:
        if name.strip().upper() not in METHODS:
            yield Error(f"{where}: there is no method {name!r}.", hint=f"Take {', '.join(METHODS)}.", id="gemlive.E042")


def _apis() -> Iterator[CheckMessage]:
    for entry, options in settings.EXTERNAL_APIS.items():
        where = f"EXTERNAL_APIS, {entry}"
        yield from _host("EXTERNAL_APIS", entry)
        if not isinstance(options, dict) or (unknown := set(options) - {"methods", "headers", "description"}):
            what = f"unknown keys ({', '.join(sorted(unknown))})" if isinstance(options, dict) else "no table"
            yield Error(
                f"{where}: {what}.", hint="An entry may have methods, headers and a description.", id="gemlive.E043"
            )
            continue
        yield from _methods(f"{where}, methods", options.get("methods", []))
        if not isinstance(options.get("description", ""), str):
            yield Error(f"{where}: the description is no text.", hint="Say what the API is for.", id="gemlive.E043")
        headers = options.get("headers", {})
        if not isinstance(headers, dict):
            yield Error(f"{where}: headers are a table of names and values.", id="gemlive.E044")
            continue
        for name, value in headers.items():
            if problem := _header_problem(name, value):
                # Never the value: it is a secret, and this goes to logs.
                yield Error(f"{where}, header {name!r}: {problem}.", hint="See docs/web-tools.md.", id="gemlive.E044")
            elif SECRET_NAME.search(name) and not secrets_of(value):
                yield Warning(
                    f"{where}, header {name!r}: a secret this short is not taken out of what the API answers.",
                    hint=f"Use one of {SHORTEST} characters or more.",
                    id="gemlive.W041",
                )


def _header_problem(name: str, value: Any) -> str | None:
    if not TOKEN.fullmatch(name) or name.lower() in OWN:
        return "this name cannot be set"
    if not isinstance(value, str) or not value.strip():
        return "it has no value"
    if not re.fullmatch(r"[\x20-\x7e]+", value) or value != value.strip():
        return "its value holds a line break, a space at an end, or a character that headers cannot carry"
    if missing := re.search(r"\$\{(\w+)\}", value):
        return f"the variable {missing[1]} is not set"
    return None
