from django.apps import AppConfig, apps


class SessionsConfig(AppConfig):
    name = "sessions_app"
    verbose_name = "Conversations"

    def ready(self) -> None:
        # In the admin, for people who have never heard of the packages.
        apps.get_app_config("axes").verbose_name = "Logins"
        apps.get_app_config("knox").verbose_name = "API tokens"
        from . import checks  # noqa: F401  registers the system checks
        from .quotas import tools  # noqa: F401  listens to tools
