"""End the sessions that nobody uses any more. A running server does the same every few seconds."""

from typing import Any

from django.core.management.base import BaseCommand

from sessions_app.housekeeping import tidy


class Command(BaseCommand):
    help = "End sessions that were unused for SESSION_EXPIRY_MINUTES, and free those whose server process is gone."

    def handle(self, **options: Any) -> None:
        tidied = tidy()
        self.stdout.write(
            f"{tidied.expired} expired, {tidied.abandoned} without a server process freed, "
            f"{tidied.calls} of their tool calls ended."
        )
