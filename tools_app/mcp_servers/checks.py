"""System checks of MCP_SERVERS: a wrong entry is told at start-up, with the server, the key and the mend."""

import importlib.util
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from .config import configured, problems


@register()
def check_mcp_servers(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Of the file, of each server in it, and of the package that it takes."""
    found: list[CheckMessage] = [
        Error(f"MCP_SERVERS_FILE: {problem}", hint="docs/mcp.md shows a whole file.", id="gemlive.E021")
        for problem in settings.MCP_SERVERS_PROBLEMS
    ]
    found += [
        Error(f"MCP server {name!r}: {problem}.", hint="docs/mcp.md describes every key.", id="gemlive.E022")
        for name, raw in settings.MCP_SERVERS.items()
        for problem in problems(raw)
    ]
    if configured(settings.MCP_SERVERS) and importlib.util.find_spec("mcp") is None:
        found.append(
            Error(
                "MCP_SERVERS_FILE names servers, and the package mcp is not installed.",
                hint="pip install -r requirements-mcp.txt",
                id="gemlive.E023",
            )
        )
    return found
