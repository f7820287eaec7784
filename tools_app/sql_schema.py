"""What tables a database has, for the model: columns, keys, comments, an estimate of rows, a few values."""

import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from .exceptions import ToolError
from .readonly_sql import Limits, engine_of, select

# For what is told of one table only.
SAMPLE_SECONDS = 1.0
SAMPLE_ROWS = 200
EXAMPLES = 5
MAX_EXAMPLE = 40

# Of what the search path finds without a schema, and what this account may read.
POSTGRESQL_COLUMNS = """
SELECT c.oid, c.relname, c.relkind IN ('v', 'm'), c.reltuples, obj_description(c.oid, 'pg_class'),
    a.attname, format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum), n.nspname,
    pg_table_is_visible(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND NOT c.relispartition
AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
AND has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY c.relname, n.nspname, a.attnum
"""
POSTGRESQL_KEYS = """
SELECT conrelid, contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype IN ('p', 'f') ORDER BY conname
"""


@dataclass
class Column:
    name: str
    type: str
    comment: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.type}".strip()


@dataclass
class Table:
    """`rows` is an estimate; None: nobody knows without counting. Foreign keys: "customer_id → customers(id)"."""

    name: str
    columns: list[Column] = field(default_factory=list)
    is_view: bool = False
    rows: int | None = None
    comment: str = ""
    primary_key: list[str] = field(default_factory=list)
    foreign_keys: list[str] = field(default_factory=list)


def tables(database: dict[str, Any]) -> list[Table]:
    """All that may be read, by name. Raises ToolError if the database is not there."""
    found = _sqlite(database) if engine_of(database) == "sqlite3" else _postgresql(database)
    allowed = database.get("TABLES")
    if allowed is None:
        return found
    if engine_of(database) == "sqlite3":
        allowed = {name.lower() for name in allowed}
        return [table for table in found if table.name.lower() in allowed]
    return [table for table in found if table.name in allowed]


def examples(database: dict[str, Any], table: Table) -> dict[str, list[Any]]:
    """A few different values of each column, from its first rows; nothing where that takes too long."""
    name = ".".join('"' + part.replace('"', '""') + '"' for part in table.name.split("."))
    try:
        limits = Limits(rows=SAMPLE_ROWS, seconds=SAMPLE_SECONDS)
        sample = select(database, f"SELECT * FROM {name} LIMIT {SAMPLE_ROWS}", limits)  # noqa: S608  a table's own name
    except ToolError:
        return {}
    values: dict[str, list[Any]] = {}
    for column, cells in zip(sample.columns, zip(*sample.rows, strict=True), strict=False):
        known = (value[:MAX_EXAMPLE] if isinstance(value, str) else value for value in cells if value is not None)
        values[column] = list(dict.fromkeys(known))[:EXAMPLES]
    return values


def value_range(database: dict[str, Any], table: Table, column: str) -> list[Any] | None:
    """[least, greatest]; None where that takes too long. Two subqueries: SQLite's index serves one at a time."""
    name = ".".join('"' + part.replace('"', '""') + '"' for part in table.name.split("."))
    column = '"' + column.replace('"', '""') + '"'
    sql = f"SELECT (SELECT min({column}) FROM {name}), (SELECT max({column}) FROM {name})"  # noqa: S608  own names
    try:
        return select(database, sql, Limits(seconds=SAMPLE_SECONDS)).rows[0]
    except ToolError:
        return None


def _sqlite(database: dict[str, Any]) -> list[Table]:
    from .readonly_sqlite import connect

    with connect(database) as connection:
        rows = connection.execute(
            "SELECT name, type = 'view' FROM sqlite_schema "
            "WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        )
        found = {name: Table(name, is_view=bool(view)) for name, view in rows.fetchall()}
        for table in found.values():
            try:
                columns = connection.execute("SELECT name, lower(type), pk FROM pragma_table_info(?)", [table.name])
                described = columns.fetchall()
            except sqlite3.OperationalError:  # a view of something that is gone
                continue
            table.columns = [Column(name, kind) for name, kind, _ in described]
            table.primary_key = [name for place, name in sorted((pk, name) for name, _, pk in described) if place]
            table.foreign_keys = _sqlite_foreign_keys(connection, table.name)
        if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'").fetchone():
            # As ANALYZE counted them: the first number of any of a table's lines.
            for name, stat in connection.execute("SELECT tbl, stat FROM sqlite_stat1 WHERE stat IS NOT NULL"):
                if name in found:
                    found[name].rows = int(stat.split()[0])
    return [table for table in found.values() if table.columns]


def _sqlite_foreign_keys(connection: sqlite3.Connection, table: str) -> list[str]:
    keys: dict[int, list[tuple]] = defaultdict(list)
    rows = connection.execute(
        'SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id, seq', [table]
    )
    for number, *row in rows:
        keys[number].append(row)
    return [
        f"{', '.join(row[1] for row in key)} → {key[0][0]}({', '.join(row[2] or 'its key' for row in key)})"
        for key in keys.values()
    ]


def _postgresql(database: dict[str, Any]) -> list[Table]:
    import psycopg

    from .readonly_postgresql import CONNECT_SECONDS, connect, first_line

    try:
        with connect(database, CONNECT_SECONDS) as connection:
            rows = connection.execute(POSTGRESQL_COLUMNS).fetchall()
            constraints = connection.execute(POSTGRESQL_KEYS).fetchall()
    except psycopg.Error as error:
        raise ToolError(f"The database cannot be read: {first_line(error)}.") from None
    found: dict[int, Table] = {}
    for oid, relation, is_view, estimate, comment, column, kind, column_comment, schema, visible in rows:
        if oid not in found:
            name = relation if visible else f"{schema}.{relation}"
            # -1: never analysed.
            found[oid] = Table(
                name,
                is_view=is_view,
                rows=int(estimate) if estimate >= 0 and not is_view else None,
                comment=comment or "",
            )
        found[oid].columns.append(Column(column, kind, column_comment or ""))
    for oid, kind, definition in constraints:
        if oid not in found:
            continue
        # "PRIMARY KEY (id)", "FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE CASCADE"
        columns = definition[definition.index("(") + 1 : definition.index(")")]
        if kind == "p":
            found[oid].primary_key = columns.split(", ")
        else:
            target = definition.split(" REFERENCES ", 1)[1]
            found[oid].foreign_keys.append(f"{columns} → {target[: target.index(')') + 1]}")
    return list(found.values())
