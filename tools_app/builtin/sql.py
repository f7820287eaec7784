"""Questions to databases, in SQL that can only read."""

import logging
import time
from dataclasses import asdict
from typing import Annotated

from django.conf import settings
from pydantic import Field

from ..exceptions import ToolError
from ..readonly_sql import describe, engine_of, select
from ..registry import tool

logger = logging.getLogger(__name__)

PURPOSE = "Run one read-only SELECT on a database of the company and get its rows (at most 100)."
DIALECTS = {"sqlite3": "SQLite", "postgresql": "PostgreSQL"}
# A description is asked for at every start of a conversation; tables change rarely.
DESCRIPTION_SECONDS = 60.0
_described: dict[str, tuple[float, str]] = {}


def describe_databases() -> str:
    """What the model has to know to write a query: the databases, their dialects, tables and columns."""
    return " ".join([PURPOSE, *(_describe(name) for name in settings.SQL_DATABASES)])


def _describe(name: str) -> str:
    database = settings.SQL_DATABASES[name]
    key = f"{name} {database}"
    when, text = _described.get(key, (0.0, ""))
    if text and time.monotonic() - when < DESCRIPTION_SECONDS:
        return text
    try:
        tables = describe(database)
        dialect = DIALECTS[engine_of(database)]
    except ToolError as error:
        logger.warning("The tables of database %s cannot be told to the model: %s", name, error)
        return f"Database {name!r}: not available now."
    listing = "; ".join(f"{table}({', '.join(columns)})" for table, columns in tables.items())
    text = f"Database {name!r} ({dialect}): {listing}."
    _described[key] = (time.monotonic(), text)
    return text


@tool(description=describe_databases)
def execute_sql_query(
    query: Annotated[str, Field(description="One SELECT statement.")],
    database: Annotated[str, Field(description="The database's name.")] = "main",
) -> dict:
    config = settings.SQL_DATABASES.get(database)
    if config is None:
        known = ", ".join(settings.SQL_DATABASES) or "none"
        raise ToolError(f"There is no database called {database!r}; the databases are: {known}.")
    result = asdict(select(config, query))
    return {
        "columns": result["columns"],
        "rows": result["rows"],
        "rowCount": len(result["rows"]),
        "truncated": result["truncated"],
    }
