from django.apps import AppConfig


class ToolsConfig(AppConfig):
    name = "tools_app"
    verbose_name = "Tools"

    def ready(self) -> None:
        from . import checks, discovery  # noqa: F401  checks registers the system checks

        discovery.discover()
