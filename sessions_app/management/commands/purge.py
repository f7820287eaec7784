"""Forget old transcripts and what tools were given. A running server does the same once an hour."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from sessions_app.retention import purge


class Command(BaseCommand):
    help = "Delete transcripts and tool payloads that are older than RETENTION_TRANSCRIPT_DAYS and …_TOOL_PAYLOAD_DAYS."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only say what would be deleted.")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        if settings.RETENTION_TRANSCRIPT_DAYS is None and settings.RETENTION_TOOL_PAYLOAD_DAYS is None:
            self.stdout.write("Everything is kept: set RETENTION_TRANSCRIPT_DAYS or RETENTION_TOOL_PAYLOAD_DAYS.")
            return
        purged = purge(dry_run=dry_run)
        would = "would be " if dry_run else ""
        self.stdout.write(
            f"{purged.entries} transcript entries {would}deleted, {purged.sessions} sessions and "
            f"{purged.calls} tool calls {would}emptied."
        )
