"""PostgreSQL for readonly_sql: a fresh connection, read-only for its whole life, and a server-side cursor.

The cursor's DECLARE takes one query and refuses "commit; delete …" after it. The account should still have no more
than SELECT: what is granted to nobody, no query can reach.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from sqlglot import exp

from .exceptions import ToolError
from .readonly_sql import Limits, Rows, some_of
from .sql_check import Query, fold, real_tables

CONNECT_SECONDS = 3
# Of OPTIONS, as Django's DATABASES have them: how to get there, and no settings of the session.
CONNECTION_OPTIONS = {
    "host",
    "hostaddr",
    "service",
    "passfile",
    "channel_binding",
    "gssencmode",
    "target_session_attrs",
}
# Functions that sqlglot knows by a type of their own are the harmless ones of every dialect; these it does not know.
FUNCTION_NAMES = """
    age array_length array_lower array_ndims array_positions array_replace array_to_json array_to_string array_upper
    bool_and bool_or cardinality clock_timestamp date_part div every factorial gcd generate_subscripts isfinite
    json_array_elements json_array_elements_text json_array_length json_build_array json_build_object json_each
    json_each_text json_object_keys json_to_record json_to_recordset json_typeof jsonb_agg jsonb_array_elements
    jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text
    jsonb_extract_path jsonb_extract_path_text jsonb_object_keys jsonb_path_exists jsonb_path_query
    jsonb_path_query_array jsonb_path_query_first jsonb_to_record jsonb_to_recordset jsonb_typeof justify_days
    justify_hours justify_interval lcm make_date make_interval make_time make_timestamp make_timestamptz mode now
    num_nonnulls num_nulls percentile_cont percentile_disc quote_literal regexp_match regexp_matches
    regexp_split_to_array regexp_split_to_table regr_count regr_intercept regr_r2 regr_slope row_to_json scale
    statement_timestamp string_to_table strpos timezone to_char to_date to_json to_jsonb to_number to_timestamp
    transaction_timestamp trim_scale unnest width_bucket
"""
FUNCTIONS = frozenset(FUNCTION_NAMES.split())
# One call of these makes a gigabyte.
GROWING = (exp.Repeat, exp.Pad, exp.Format, exp.Space)
MAX_ROW = 1_000_000
# libpq reads a row whole, however large, so the server has to refuse it; the cast fails and says why. Measured as text,
# which is how it comes: pg_column_size() may be that of a compressed value.
BOUNDED = """SELECT q.* FROM (
{query}
) AS q WHERE CASE WHEN octet_length(q::text) > {limit}
THEN ('a row of ' || octet_length(q::text) || ' bytes is too large')::boolean ELSE true END"""
# So many such rows are in our memory at once.
ROWS_AT_ONCE = 10
HIDDEN_SCHEMAS = ("pg_catalog", "information_schema", "pg_toast")


@contextlib.contextmanager
def select_rows(database: dict[str, Any], query: Query, limits: Limits) -> Iterator[Rows]:
    """The columns and an iterator of rows. Raises ToolError, also from the iterator."""
    check_names(database, query.tree)
    too_late = ToolError(f"The query took longer than {limits.seconds:g} seconds; ask for less, or add conditions.")
    try:
        deadline = time.monotonic() + limits.seconds
        with connect(database, limits.seconds) as connection, connection.cursor(name="tool") as cursor:
            # Bytes and no parameters: no % of the model's is a placeholder.
            cursor.execute(BOUNDED.format(query=query.text, limit=MAX_ROW).encode())

            def rows() -> Iterator[tuple]:
                # The server's limit is for each statement, and each fetch is one.
                while time.monotonic() < deadline:
                    yield from (fetched := cursor.fetchmany(ROWS_AT_ONCE))
                    if len(fetched) < ROWS_AT_ONCE:
                        return
                raise too_late

            yield [column.name for column in cursor.description or ()], rows()
    except psycopg.errors.QueryCanceled:
        raise too_late from None
    except psycopg.OperationalError as error:
        raise ToolError(f"The database cannot be reached: {first_line(error)}.") from None
    except psycopg.errors.InvalidTextRepresentation as error:
        if "is too large" not in str(error):
            raise ToolError(f"The query failed: {first_line(error)}.") from None
        raise ToolError(
            f"The query failed: a row has more than {MAX_ROW} bytes; select fewer columns, or a part with left()."
        ) from None
    except (psycopg.Error, UnicodeError) as error:
        raise ToolError(f"The query failed: {first_line(error)}.") from None


def connect(database: dict[str, Any], seconds: float) -> psycopg.Connection:
    """Read-only for as long as it lives. Raises psycopg's errors. No statement takes longer than `seconds`."""
    options = {
        "default_transaction_read_only": "on",
        "statement_timeout": f"{int(seconds * 1000)}",
        "idle_in_transaction_session_timeout": f"{int(seconds * 2000) + 1000}",
        "lock_timeout": "1000",
        # Else the parser and the server would not agree where a text with a backslash ends.
        "standard_conforming_strings": "on",
    }
    given = database.get("OPTIONS") or {}
    parameters = {
        "dbname": database["NAME"],
        "user": database.get("USER") or None,
        "password": database.get("PASSWORD") or None,
        "host": database.get("HOST") or None,
        "port": database.get("PORT") or None,
    } | {name: value for name, value in given.items() if name.startswith("ssl") or name in CONNECTION_OPTIONS}
    connection = psycopg.connect(
        **parameters,
        connect_timeout=CONNECT_SECONDS,
        options=" ".join(f"-c {name}={value}" for name, value in options.items()),
        application_name="gemlive tools",
    )
    connection.read_only = True
    return connection


def check_names(database: dict[str, Any], tree: exp.Expression) -> None:
    """Raises ToolError if the query names a function or a table that it may not."""
    for function in tree.find_all(exp.Anonymous):
        if function.name.lower() not in FUNCTIONS:
            raise ToolError(f"The query was refused: the function {function.name}() is not allowed.")
    for dot in tree.find_all(exp.Dot):
        if isinstance(dot.expression, exp.Func):
            # Not the one that the parser knows by this name.
            raise ToolError(f"The query was refused: write the function {dot.expression.key}() without a schema.")
    for growing in tree.find_all(*GROWING):
        raise ToolError(f"The query was refused: the function {growing.key}() is not allowed.")
    for table in tree.find_all(exp.Table):
        if table.db.lower() in HIDDEN_SCHEMAS or table.name.lower().startswith("pg_") or table.catalog:
            raise ToolError(f"The query was refused: the table {table.sql()[:100]!r} may not be read.")
    allowed = database.get("TABLES")
    for table in real_tables(tree) if allowed is not None else ():
        # A list without schemas is no leave to read another schema's table of that name.
        name = f"{fold(table.args['db'])}.{fold(table.this)}" if table.db else fold(table.this)
        if name not in allowed:
            raise ToolError(
                f"The query was refused: the table {name!r} may not be read; the tables are: {some_of(allowed)}."
            )


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
