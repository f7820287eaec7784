from django.apps import AppConfig


class ToolsConfig(AppConfig):
    name = "tools_app"
    verbose_name = "Tools"

    def ready(self) -> None:
        from . import checks, discovery, http_checks, mcp_servers, sql_databases  # noqa: F401  they register checks

        discovery.discover()
        mcp_servers.ready()
