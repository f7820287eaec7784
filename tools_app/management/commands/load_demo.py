"""Builds the demo shop's database and loads the demo company's documents and metrics."""

import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tools_app.demo import knowledge, metrics, shop


class Command(BaseCommand):
    help = (
        "Build the demo shop's database, dated back from now (again only on another day), "
        "and load the demo company's documents and metrics (once; edited and deleted ones stay as they are)."
    )

    # The checks import every URL's view, which takes longer than the work here.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--force",
            action="store_true",
            help="build the shop again, and load documents and metrics that were deleted",
        )

    def handle(self, *, force: bool, **options: Any) -> None:
        database = settings.DEMO_DATABASE
        if database["ENGINE"] != "django.db.backends.sqlite3":
            raise CommandError("load_demo builds an SQLite file; set DEMO_DATABASE_URL to one like sqlite:///shop.db.")
        path = Path(database["NAME"])
        now = datetime.datetime.now()
        if force or not shop.is_current(path, now):
            try:
                counts = shop.build(path, now)
            except OSError as error:
                raise CommandError(f"{path} cannot be written: {error}.") from error
            self.stdout.write(
                "Built the demo shop: " + ", ".join(f"{count} {table}" for table, count in counts.items()) + "."
            )
        if loaded := knowledge.load(missing=force):
            self.stdout.write(f"Loaded {loaded} documents of the demo company.")
        if loaded := metrics.load(missing=force):
            self.stdout.write(f"Loaded {loaded} metrics of the demo shop.")
