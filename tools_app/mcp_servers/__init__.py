"""Tools of MCP servers (https://modelcontextprotocol.io), in the registry beside our own. See docs/mcp.md.

config.py reads and checks what the settings say, source.py is what the registry asks, server.py keeps one server
connected, stdio.py and http.py carry its messages, definitions.py makes tools of what it lists. Nothing here imports
the `mcp` package, which is optional, before a configured server is wanted.
"""


def ready() -> None:
    """Called once, when the apps are."""
    from django.conf import settings

    from tools_app.registry import registry

    from . import checks  # noqa: F401  registers the system check
    from .config import configured
    from .source import McpTools

    if servers := configured(settings.MCP_SERVERS):
        registry.add_source(McpTools(servers))
