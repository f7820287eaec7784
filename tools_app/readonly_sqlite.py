"""SQLite for readonly_sql: mode=ro, an authorizer that lets nothing but reading through, limits, a deadline."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .exceptions import ToolError
from .readonly_sql import Limits, Rows

# No printf() or format(): one call with a width of a gigabyte runs for seconds, and nothing can stop it in between.
FUNCTION_NAMES = """
    abs avg ceil ceiling changes char coalesce concat concat_ws count cume_dist date datetime dense_rank exp
    first_value floor glob group_concat hex ifnull iif instr julianday lag last_value lead length like
    likelihood likely ln log log10 log2 lower ltrim max min mod nth_value ntile nullif octet_length percent_rank pi
    pow power quote radians random rank replace round row_number rtrim sign sqrt strftime string_agg substr
    substring sum time timediff total trim trunc typeof unicode unixepoch unlikely upper json json_array
    json_array_length json_each json_extract json_group_array json_group_object json_object json_quote json_tree
    json_type json_valid -> ->> current_date current_time current_timestamp subtype
"""
FUNCTIONS = frozenset(FUNCTION_NAMES.split())
# The longest text. One call of trim() or instr() on two such texts takes a third of a second; there is no check within.
MAX_VALUE = 64 * 1024
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_VALUE,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 20_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 20,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 100_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 50,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
# Few, because each may be such a call. (10 would double the time of an ordinary query.)
INSTRUCTIONS_BETWEEN_CHECKS = 25
OTHERS = ("sqlite_", "pragma_", "json_each", "json_tree")


@contextlib.contextmanager
def select_rows(database: dict[str, Any], sql: str, limits: Limits) -> Iterator[Rows]:
    """The columns and an iterator of rows. Raises ToolError, also from the iterator."""
    with _open(database) as connection:
        guard = _Guard(_tables(connection, database), time.monotonic() + limits.seconds)
        for category, limit in LIMITS.items():
            connection.setlimit(category, limit)
        connection.set_progress_handler(guard.late, INSTRUCTIONS_BETWEEN_CHECKS)
        connection.set_authorizer(guard.authorize)
        try:
            cursor = connection.execute(sql)
            yield [column[0] for column in cursor.description or ()], cursor
        except (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeError) as error:
            raise ToolError(guard.sentence(error, limits)) from None


def describe_tables(database: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(table, "column type") of everything in the database but SQLite's own tables."""
    with _open(database) as connection:
        rows = connection.execute(
            "SELECT t.name, c.name || ' ' || lower(c.type) FROM sqlite_schema AS t, pragma_table_info(t.name) AS c "
            "WHERE t.type IN ('table', 'view') AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY t.name, c.cid"
        ).fetchall()
    yield from rows


class _Guard:
    """Says no, and remembers why."""

    def __init__(self, tables: frozenset[str], deadline: float):
        self.tables = tables
        self.deadline = deadline
        self.reason: str | None = None

    def authorize(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ:
            table = (first or "").lower()
            # Without a column it may also be the name of a WITH clause, which is no table.
            if table in self.tables or table in ("json_each", "json_tree"):
                return sqlite3.SQLITE_OK
            if not second and not table.startswith(OTHERS):
                return sqlite3.SQLITE_OK
            self.reason = f"the table {first!r} may not be read; the tables are: {', '.join(sorted(self.tables))}"
        elif action == sqlite3.SQLITE_FUNCTION:
            if (second or "").lower() in FUNCTIONS:
                return sqlite3.SQLITE_OK
            self.reason = f"the function {second}() is not allowed"
        else:
            self.reason = "only reading is allowed, and nothing was changed"
        return sqlite3.SQLITE_DENY

    def late(self) -> bool:
        return time.monotonic() > self.deadline

    def sentence(self, error: Exception, limits: Limits) -> str:
        if self.reason:
            return f"The query was refused: {self.reason}."
        if self.late() and "interrupt" in str(error):
            return f"The query took longer than {limits.seconds:g} seconds; ask for less, or add conditions."
        return f"The query failed: {str(error)[:300]}."


@contextlib.contextmanager
def _open(database: dict[str, Any]) -> Iterator[sqlite3.Connection]:
    path = Path(str(database["NAME"]))
    if not path.is_file():
        raise ToolError(
            f"The database {path.name} is not there yet. If it is the demo shop, run `python manage.py load_demo`."
        )
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=2, isolation_level=None
        )
    except sqlite3.Error as error:
        raise ToolError(f"The database {path.name} cannot be opened: {error}.") from None
    # A column with broken UTF-8 is no reason to lose the row.
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    try:
        yield connection
    except sqlite3.DatabaseError as error:
        raise ToolError(f"The database {path.name} cannot be read: {error}.") from None
    finally:
        connection.close()


def _tables(connection: sqlite3.Connection, database: dict[str, Any]) -> frozenset[str]:
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
    names = {name.lower() for (name,) in rows if not name.lower().startswith("sqlite_")}
    if (allowed := database.get("TABLES")) is not None:
        names &= {name.lower() for name in allowed}
    return frozenset(names)
