"""One SELECT on a database that it cannot change, with limits on rows, bytes and time.

`mode=ro` is no sandbox: such a connection still attaches other files, writes copies and allocates gigabytes. So each
engine gets a fresh connection with its own means (see readonly_sqlite.py, readonly_postgresql.py); a parse by sqlglot
comes before, for a sentence that the model can learn from.
"""

import datetime
import decimal
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .exceptions import ToolError

MAX_CELL = 2_000
DIALECTS = {"sqlite3": "sqlite", "postgresql": "postgres"}
# Column names and an iterator of rows.
Rows = tuple[list[str], Iterator[Iterable[Any]]]


@dataclass(frozen=True)
class Limits:
    """`size` is bytes of text in all rows together."""

    rows: int = 100
    size: int = 24 * 1024
    seconds: float = 5.0


@dataclass(frozen=True)
class SelectResult:
    """`truncated`: a limit cut off rows, or part of a long cell. Values are JSON's own types."""

    columns: list[str]
    rows: list[list[Any]] = field(default_factory=list)
    truncated: bool = False


def select(
    database: dict[str, Any], sql: str, limits: Limits | None = None, *, max_length: int | None = None
) -> SelectResult:
    """Run one SELECT. `database` is a dict as in Django's DATABASES, with `TABLES` as an optional allow-list.

    `max_length`: characters of a query that we have made ourselves, which may be longer than a model's.
    Raises ToolError with a sentence for everything that is wrong with the query or the database.
    """
    limits = limits or Limits()
    # sqlglot takes half a second to import, which only the first query should wait for.
    from .sql_check import MAX_LENGTH, check

    engine = engine_of(database)
    query = check(sql, DIALECTS[engine], max_length or MAX_LENGTH)
    if engine == "sqlite3":
        from .readonly_sqlite import select_rows
    else:
        from .readonly_postgresql import select_rows
    with select_rows(database, query, limits) as (columns, rows):
        return _bounded(columns, rows, limits)


def engine_of(database: dict[str, Any]) -> str:
    engine = database["ENGINE"].rsplit(".", 1)[-1]
    if engine not in DIALECTS:
        raise ToolError(f"Databases of type {engine} cannot be queried; only SQLite and PostgreSQL can.")
    return engine


def some_of(names: Iterable[str], most: int = 30) -> str:
    """Names for a sentence, which must not be as long as a database may be wide."""
    ordered = sorted(names)
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(ordered[:most]) + more


def _bounded(columns: list[str], rows: Iterable[Iterable[Any]], limits: Limits) -> SelectResult:
    kept: list[list[Any]] = []
    size = 0
    truncated = False
    for row in rows:
        if len(kept) == limits.rows:
            truncated = True
            break
        cells = [_cell(value) for value in row]
        size += sum(len(str(value).encode("utf-8", "replace")) + 4 for value in cells)
        if size > limits.size:
            truncated = True
            break
        truncated = truncated or any(isinstance(value, str) and len(value) > MAX_CELL for value in cells)
        kept.append(cells)
    return SelectResult(columns, kept, truncated)


def _cell(value: Any) -> Any:
    """A database's value as JSON can hold it."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, (float, decimal.Decimal)):
        # 12 digits: SUM() of prices gives 25550.400000000005, which nobody wants to hear.
        number = float(f"{value:.12g}")
        return number if math.isfinite(number) else None
    if isinstance(value, (bytes, memoryview)):
        return f"({len(value)} bytes)"
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    text = str(value)
    return text if len(text) <= MAX_CELL else f"{text[:MAX_CELL]}…"
