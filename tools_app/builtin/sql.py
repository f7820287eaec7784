"""Questions to databases, in SQL that can only read, and what there is to ask."""

import logging
import re
import time
from typing import Annotated, Any

from django.conf import settings
from pydantic import Field

from .. import sql_databases
from ..exceptions import ToolError
from ..readonly_sql import engine_of, select, some_of
from ..registry import tool
from ..sql_schema import Table, examples, tables, value_range

logger = logging.getLogger(__name__)

PURPOSE = "Run one read-only SELECT on a database of the company and get its rows (at most 100)."
DIALECTS = {"sqlite3": "SQLite", "postgresql": "PostgreSQL"}
# Characters that a description spends on one database, and on all together.
DATABASE_LENGTH = 2_000
ALL_LENGTH = 8_000
# A description is asked for at every start of a conversation; tables change rarely.
DESCRIPTION_SECONDS = 60.0
# A database that is away may be back soon, but not every conversation shall wait for its time-out.
AWAY_SECONDS = 10.0
# describe_database without a table: columns are told up to here.
MAX_TABLES = 60
MAX_NAMES = 500
MAX_COLUMNS = 200
DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]|$)")
Database = Annotated[str, Field(description="The database's name.")]
_described: dict[str, tuple[float, str]] = {}


def describe_databases() -> str:
    """What the model has to know to write a query: the databases, their dialects, tables and columns."""
    names = sql_databases.names()
    length = min(DATABASE_LENGTH, ALL_LENGTH // max(len(names), 1))
    return " ".join([PURPOSE, *(_describe(name, length) for name in names)])


def _describe(name: str, length: int) -> str:
    key = f"{name} {length} {settings.SQL_DATABASES[name]}"
    until, text = _described.get(key, (0.0, ""))
    if text and time.monotonic() < until:
        return text
    try:
        database = sql_databases.get(name)
        text = _text(name, database, tables(database), length)
        _described[key] = (time.monotonic() + DESCRIPTION_SECONDS, text)
    except ToolError as error:
        logger.warning("The tables of database %s cannot be told to the model: %s", name, error)
        text = f"Database {name!r}: not available now."
        _described[key] = (time.monotonic() + AWAY_SECONDS, text)
    return text


def _text(name: str, database: dict[str, Any], found: list[Table], length: int) -> str:
    about = f"Database {name!r} ({DIALECTS[engine_of(database)]}): "
    if description := database.get("DESCRIPTION"):
        about += description[: length // 2].rstrip(". ") + ". "
    whole = "; ".join(f"{table.name}({', '.join(map(str, table.columns))})" for table in found)
    if len(about) + len(whole) <= length:
        return f"{about}{whole}."
    hint = "Call describe_database for columns."
    listed: list[str] = []
    left = length - len(about) - len(hint) - 30
    for table in found:
        left -= len(table.name) + 2
        if left < 0:
            break
        listed.append(table.name)
    more = f" and {len(found) - len(listed)} more" if len(found) > len(listed) else ""
    return f"{about}Tables: {', '.join(listed)}{more}. {hint}"


@tool(description=describe_databases, sensitive=True)
def execute_sql_query(
    query: Annotated[str, Field(description="One SELECT statement.")], database: Database = "main"
) -> dict:
    result = select(sql_databases.get(database), query)
    return {
        "columns": result.columns,
        "rows": result.rows,
        "rowCount": len(result.rows),
        "truncated": result.truncated,
    }


@tool
def describe_database(
    database: Database = "main",
    table: Annotated[str | None, Field(description="One table, for its keys and example values, too.")] = None,
) -> dict:
    """Learn which tables a database of the company has, with columns, keys, comments and example values.

    Use it before a query on tables that you do not know.
    """
    config = sql_databases.get(database)
    found = tables(config)
    about = {
        "database": database,
        "dialect": DIALECTS[engine_of(config)],
        "description": config.get("DESCRIPTION", ""),
        "databases": sql_databases.names(),
    }
    if table is not None:
        chosen = next((each for each in found if each.name.lower() == table.lower()), None)
        if chosen is None:
            known = some_of(each.name for each in found) or "none"
            raise ToolError(f"Database {database!r} has no table called {table!r}; the tables are: {known}.")
        return about | {"table": _whole(config, chosen)}
    if len(found) > MAX_TABLES:
        listed = [each.name for each in found[:MAX_NAMES]]
        return about | {"tables": listed, "tableCount": len(found), "hint": "Ask with a table for its columns."}
    return about | {"tables": [_brief(each) for each in found], "tableCount": len(found)}


def _brief(table: Table) -> dict[str, Any]:
    told = {"name": table.name, "columns": [str(column) for column in table.columns[:MAX_COLUMNS]]}
    if len(table.columns) > MAX_COLUMNS:
        told["columnCount"] = len(table.columns)
    more = {"comment": table.comment, "rowEstimate": table.rows, "foreignKeys": table.foreign_keys}
    return told | {key: value for key, value in more.items() if value not in ("", None, [])}


def _whole(config: dict[str, Any], table: Table) -> dict[str, Any]:
    values = examples(config, table)
    columns = []
    ranges = 3
    for column in table.columns[:MAX_COLUMNS]:
        told: dict[str, Any] = {"name": column.name, "type": column.type}
        if column.comment:
            told["comment"] = column.comment
        known = values.get(column.name)
        if known and ranges and all(DATE.match(str(value)) for value in known):
            ranges -= 1
            if (least_greatest := value_range(config, table, column.name)) is not None:
                told["range"] = least_greatest
        elif known:
            told["examples"] = known
        columns.append(told)
    return _brief(table) | {
        "columns": columns,
        "kind": "view" if table.is_view else "table",
        "primaryKey": table.primary_key,
        "foreignKeys": table.foreign_keys,
    }
