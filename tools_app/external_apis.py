"""Which HTTP APIs a model may call, by TOOLS_ALLOWED_HOSTS and EXTERNAL_APIS, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from .exceptions import ToolError
from .targets import DEFAULT_PORTS, Target, listed

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class ExternalApi:
    """`entry` is host, or host and port, as the settings have it. `headers` go with every request: nobody is told of
    them. `https_only` unless the settings except the host from being public."""

    entry: str
    methods: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    description: str = ""
    https_only: bool = False

    def __str__(self) -> str:
        return f"{self.entry} ({', '.join(self.methods)}{': ' * bool(self.description)}{self.description})"


def all_apis() -> list[ExternalApi]:
    """Those of EXTERNAL_APIS, then the hosts that only TOOLS_ALLOWED_HOSTS has."""
    usual = _methods(settings.TOOLS_ALLOWED_METHODS)
    apis = [
        ExternalApi(
            entry=entry,
            methods=_methods(options["methods"]) if "methods" in options else usual,
            headers=options.get("headers", {}),
            description=options.get("description", "").strip(),
            https_only=True,
        )
        for entry, options in settings.EXTERNAL_APIS.items()
    ]
    known = {api.entry for api in apis}
    return apis + [ExternalApi(entry, usual) for entry in settings.TOOLS_ALLOWED_HOSTS if entry not in known]


def api_for(target: Target, method: str) -> ExternalApi:
    """The API that a request belongs to. Raises ToolError if it may not be made."""
    for api in all_apis():
        if api.https_only and target.url.scheme == "http" and not target.is_excepted:
            if target.host == _host(api.entry):
                raise ToolError(f"{target.host} is reached with https:// only; call it again with such a URL.")
        elif target.is_at(api.entry, DEFAULT_PORTS["https"] if api.https_only else target.default_port):
            if method not in api.methods:
                raise ToolError(
                    f"{api.entry} may be called with {', '.join(api.methods) or 'no method'} here, not with {method}; "
                    "an administrator can allow more in TOOLS_ALLOWED_METHODS or EXTERNAL_APIS."
                )
            return api
    raise ToolError(
        f"The host {target.name!r} is not on this server's list of allowed hosts; "
        "an administrator can add it to TOOLS_ALLOWED_HOSTS."
    )


def _methods(names: Any) -> tuple[str, ...]:
    return tuple(name.strip().upper() for name in names)


def _host(entry: str) -> str | None:
    try:
        return listed(entry)[0]
    except ValueError:
        return None
