"""PostgreSQL for readonly_sql: a fresh connection, read-only for its whole life, and a server-side cursor.

The cursor's DECLARE takes one query and refuses "commit; delete …" after it. The account should still have no more
than SELECT: what is granted to nobody, no query can reach.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import sqlglot
from sqlglot import exp

from .exceptions import ToolError
from .readonly_sql import Limits, Rows

CONNECT_SECONDS = 3
# Functions that sqlglot knows by a type of their own are the harmless ones of every dialect; these it does not know.
FUNCTION_NAMES = """
    age array_length array_to_string bool_and bool_or cardinality clock_timestamp date_part div every factorial
    gcd isfinite justify_days justify_hours justify_interval lcm make_date make_interval make_time
    make_timestamp mode now num_nonnulls num_nulls percentile_cont percentile_disc quote_literal regr_count
    regr_intercept regr_r2 regr_slope row_to_json scale statement_timestamp strpos to_char to_date to_json to_jsonb
    to_number to_timestamp transaction_timestamp trim_scale unnest width_bucket
"""
FUNCTIONS = frozenset(FUNCTION_NAMES.split())
# One call of these makes a gigabyte.
GROWING = (exp.Repeat, exp.Pad, exp.Format)
MAX_ROW = 1_000_000
# libpq reads a row whole, however large, so the server has to refuse it; the cast fails and says why.
BOUNDED = """SELECT q.* FROM (
{query}
) AS q WHERE CASE WHEN pg_column_size(q) > {limit}
THEN ('a row of ' || pg_column_size(q) || ' bytes is too large')::boolean ELSE true END"""
HIDDEN_SCHEMAS = ("pg_catalog", "information_schema", "pg_toast")


@contextlib.contextmanager
def select_rows(database: dict[str, Any], sql: str, limits: Limits) -> Iterator[Rows]:
    """The columns and an iterator of rows. Raises ToolError, also from the iterator."""
    _check_names(database, sql)
    try:
        with _open(database, limits.seconds) as connection, connection.cursor(name="tool") as cursor:
            cursor.itersize = limits.rows + 1
            # Bytes and no parameters: no % of the model's is a placeholder.
            cursor.execute(BOUNDED.format(query=sql, limit=MAX_ROW).encode())
            yield [column.name for column in cursor.description or ()], cursor
    except psycopg.errors.QueryCanceled:
        raise ToolError(
            f"The query took longer than {limits.seconds:g} seconds; ask for less, or add conditions."
        ) from None
    except psycopg.OperationalError as error:
        raise ToolError(f"The database cannot be reached: {_first_line(error)}.") from None
    except psycopg.Error as error:
        raise ToolError(f"The query failed: {_first_line(error)}.") from None


def describe_tables(database: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(table, "column type") of the tables and views of the search path that this account may read."""
    try:
        with _open(database, CONNECT_SECONDS) as connection:
            rows = connection.execute(
                "SELECT table_name, column_name || ' ' || data_type FROM information_schema.columns "
                "WHERE table_schema = ANY (current_schemas(false)) ORDER BY table_name, ordinal_position"
            ).fetchall()
    except psycopg.Error as error:
        raise ToolError(f"The database cannot be read: {_first_line(error)}.") from None
    yield from rows


def _open(database: dict[str, Any], seconds: float) -> psycopg.Connection:
    connection = psycopg.connect(
        dbname=database["NAME"],
        user=database.get("USER") or None,
        password=database.get("PASSWORD") or None,
        host=database.get("HOST") or None,
        port=database.get("PORT") or None,
        connect_timeout=CONNECT_SECONDS,
        options=f"-c default_transaction_read_only=on -c statement_timeout={int(seconds * 1000)} -c lock_timeout=1000",
        application_name="gemlive tools",
    )
    connection.read_only = True
    return connection


def _check_names(database: dict[str, Any], sql: str) -> None:
    statement = sqlglot.parse_one(sql, dialect="postgres")
    with_names = {cte.alias_or_name.lower() for cte in statement.find_all(exp.CTE)}
    allowed = database.get("TABLES")
    for function in statement.find_all(exp.Anonymous):
        if function.name.lower() not in FUNCTIONS:
            raise ToolError(f"The query was refused: the function {function.name}() is not allowed.")
    for growing in statement.find_all(*GROWING):
        raise ToolError(f"The query was refused: the function {growing.key}() is not allowed.")
    for table in statement.find_all(exp.Table):
        name = table.name.lower()
        if table.db.lower() in HIDDEN_SCHEMAS or name.startswith("pg_") or table.catalog:
            raise ToolError(f"The query was refused: the table {table.sql()!r} may not be read.")
        if allowed is not None and name and name not in with_names and table.name not in allowed:
            raise ToolError(
                f"The query was refused: the table {table.name!r} may not be read; "
                f"the tables are: {', '.join(sorted(allowed))}."
            )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
