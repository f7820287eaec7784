"""SQLite for readonly_sql: mode=ro, an authorizer that lets nothing but reading through, limits, a deadline."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlglot import exp

from .exceptions import ToolError
from .readonly_sql import Limits, Rows, some_of
from .sql_check import Query, real_tables

# No printf() or format(): one call with a width of a gigabyte runs for seconds, and nothing can stop it in between.
# No json_group_array() or json_group_object(): they keep all rows in memory before SQLite looks at their length.
FUNCTION_NAMES = """
    abs avg ceil ceiling changes char coalesce concat concat_ws count cume_dist date datetime dense_rank exp
    first_value floor glob group_concat hex ifnull iif instr julianday lag last_value lead length like
    likelihood likely ln log log10 log2 lower ltrim max min mod nth_value ntile nullif octet_length percent_rank pi
    pow power quote radians random rank replace round row_number rtrim sign sqrt strftime string_agg substr
    substring sum time timediff total trim trunc typeof unicode unixepoch unlikely upper json json_array
    json_array_length json_each json_extract json_object json_quote json_tree
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
JSON_TABLES = {"json_each", "json_tree"}


@contextlib.contextmanager
def select_rows(database: dict[str, Any], query: Query, limits: Limits) -> Iterator[Rows]:
    """The columns and an iterator of rows. Raises ToolError, also from the iterator."""
    with connect(database) as connection:
        guard = _Guard(connection, database.get("TABLES"), query, time.monotonic() + limits.seconds)
        # A connection declares them at their first use, which the authorizer would take for a CREATE TABLE.
        connection.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')").fetchall()
        for category, limit in LIMITS.items():
            connection.setlimit(category, limit)
        connection.set_progress_handler(guard.late, INSTRUCTIONS_BETWEEN_CHECKS)
        connection.set_authorizer(guard.authorize)
        try:
            cursor = connection.execute(query.text)
            yield [column[0] for column in cursor.description or ()], cursor
        except (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeError) as error:
            raise ToolError(guard.sentence(error, limits)) from None


class _Guard:
    """Says no, and remembers why.

    With an allow-list the query may name what is listed. SQLite may read a little more: what the listed views stand on.
    """

    def __init__(self, connection: sqlite3.Connection, allowed: list[str] | None, query: Query, deadline: float):
        self.deadline = deadline
        self.reason: str | None = None
        rows = connection.execute("SELECT lower(name), type FROM sqlite_schema WHERE type IN ('table', 'view')")
        kinds = {name: kind for name, kind in rows if not name.startswith("sqlite_")}
        self.tables = set(kinds) if allowed is None else {name.lower() for name in allowed} & set(kinds)
        self.readable = set(self.tables)
        if allowed is not None:
            views = (name for name in self.tables if kinds[name] == "view")
            self.readable.update(*(_read_by(connection, view) for view in views))
            for table in real_tables(query.tree):
                if table.name.lower() not in self.tables:
                    raise ToolError(f"The query was refused: {self._unreadable(table.name)}.")
        # SQLite asks for the name of a WITH clause, too, as for a table without columns.
        with_names = {part.alias.lower() for part in query.tree.find_all(exp.CTE)}
        self.without_columns = self.readable | JSON_TABLES | (with_names - set(kinds))

    def authorize(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ:
            table = (first or "").lower()
            if table in (self.readable | JSON_TABLES if second else self.without_columns):
                return sqlite3.SQLITE_OK
            self.reason = self._unreadable(first)
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

    def _unreadable(self, table: str | None) -> str:
        return f"the table {table!r} may not be read; the tables are: {some_of(self.tables)}"


def _read_by(connection: sqlite3.Connection, view: str) -> set[str]:
    """The tables and views that a view reads, also by way of others."""
    found: set[str] = set()

    def note(action: int, first: str | None, *_: str | None) -> int:
        if action == sqlite3.SQLITE_READ and first:
            found.add(first.lower())
        return sqlite3.SQLITE_OK

    connection.set_authorizer(note)
    try:
        connection.execute(f"EXPLAIN SELECT * FROM {quoted(view)}").close()  # noqa: S608  its own name
    except sqlite3.Error:  # a view of something that is gone
        return set()
    finally:
        connection.set_authorizer(None)
    return {name for name in found if not name.startswith(("sqlite_", "pragma_"))}


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextlib.contextmanager
def connect(database: dict[str, Any]) -> Iterator[sqlite3.Connection]:
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
