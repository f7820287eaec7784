"""Each of the things that keep a query on SQLite from doing harm, as if the others had let it pass."""

import sqlite3

import pytest
from sqlglot import exp

from tools_app.exceptions import ToolError
from tools_app.readonly_sql import Limits, select
from tools_app.readonly_sqlite import MAX_VALUE, connect, select_rows
from tools_app.sql_check import Query


def state(database: dict) -> list:
    with sqlite3.connect(database["NAME"]) as connection:
        return connection.execute("SELECT * FROM products ORDER BY id").fetchall()


def test_the_connection_itself_cannot_write(demo_shop):
    before = state(demo_shop)
    with pytest.raises(ToolError, match="attempt to write a readonly database"), connect(demo_shop) as connection:
        connection.execute("DELETE FROM products")
    assert state(demo_shop) == before


@pytest.mark.parametrize(
    "query",
    [
        "ATTACH ':memory:' AS other",
        "CREATE TEMP TABLE copy AS SELECT * FROM products",
        "PRAGMA query_only",
        "SELECT load_extension('evil')",
        "SELECT name FROM pragma_table_info('products')",
        "SELECT sql FROM sqlite_schema",
    ],
)
def test_the_authorizer_refuses_what_the_parser_let_pass(demo_shop, query):
    with (
        pytest.raises(ToolError, match="The query was refused"),
        select_rows(demo_shop, Query(query, exp.Select()), Limits()) as (_, rows),
    ):
        list(rows)


def test_a_value_has_a_bound(demo_shop):
    text = "'" + "a" * 1000 + "'"
    with pytest.raises(ToolError, match="too big"):
        select(demo_shop, f"SELECT length(replace({text}, 'a', '{'b' * (MAX_VALUE // 1000 + 1)}'))")
