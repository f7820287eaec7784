"""Databases of one's own beside the test database, migrated by our own migrations."""

import contextlib
from collections.abc import Iterator
from typing import Any

from django.core.management import call_command
from django.db import connections


@contextlib.contextmanager
def migrated(alias: str, config: dict[str, Any], target: str | None = None) -> Iterator[str]:
    """A database that Django knows by the alias meanwhile."""
    connections.databases[alias] = connections.configure_settings({"default": config})["default"]
    try:
        call_command("migrate", "tools_app", *filter(None, [target]), database=alias, verbosity=0)
        yield alias
    finally:
        connections[alias].close()
        delattr(connections._connections, alias)
        del connections.databases[alias]
