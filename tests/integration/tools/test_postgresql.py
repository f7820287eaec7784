"""The same promises on a real PostgreSQL, started for these tests in a temporary folder on a Unix socket."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlglot import exp

from tests.postgresql import PostgreSQL, postgresql
from tools_app.exceptions import ToolError
from tools_app.readonly_postgresql import connect, select_rows
from tools_app.readonly_sql import Limits, select
from tools_app.sql_check import Query
from tools_app.sql_schema import tables

BOMBS = [
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
    "SELECT count(*) FROM generate_series(1, 100000000000) g",
    "SELECT count(*) FROM orders a, orders b, orders c, orders d",
]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgreSQL]:
    """A server with a few tables."""
    with postgresql() as running:
        with running.connect() as connection:
            connection.execute("CREATE TABLE orders (id int PRIMARY KEY, total numeric(10, 2), created_at timestamptz)")
            connection.execute("CREATE SEQUENCE numbers")
            connection.execute("CREATE TABLE secrets (password text)")
            connection.execute(
                "INSERT INTO orders SELECT n, n / 10.0, timestamptz '2026-01-01 00:00Z' + n * interval '1 hour' "
                "FROM generate_series(1, 1000) n"
            )
        yield running


@pytest.fixture
def server(postgres) -> dict:
    return postgres.settings


def state(database: dict) -> tuple:
    with psycopg.connect(dbname="postgres", user="postgres", host=database["HOST"]) as connection:
        return (
            connection.execute("SELECT count(*), sum(total) FROM orders").fetchall(),
            connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace").fetchall(),
            connection.execute("SELECT is_called FROM numbers").fetchall(),
        )


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM orders RETURNING 1",
        "SELECT 1; COMMIT; DELETE FROM orders",
        "SELECT nextval('numbers')",
        "SELECT set_config('transaction_read_only', 'off', false), pg_sleep(0)",
        "SELECT query_to_xml('DELETE FROM orders', true, true, '')",
    ],
)
def test_the_connection_itself_cannot_write_even_if_the_parser_is_deceived(server, query, monkeypatch):
    monkeypatch.setattr("tools_app.readonly_postgresql.check_names", lambda database, tree: None)
    before = state(server)
    with pytest.raises(ToolError), select_rows(server, Query(query, exp.Select()), Limits()) as (_, rows):  # noqa: PT012
        list(rows)
        raise ToolError("It ran; what counts is that nothing changed.")
    assert state(server) == before


@pytest.mark.parametrize("query", BOMBS, ids=range(len(BOMBS)))
def test_a_bomb_is_stopped_in_time(postgres, server, query):
    """By the server itself, which works on it no longer: measured in processor time."""
    others = postgres.processes()
    before = postgres.cpu_seconds(others)
    with pytest.raises(ToolError, match=r"took longer than 0\.3 seconds"):
        select(server, query, Limits(seconds=0.3))
    assert postgres.cpu_seconds(others) - before < 3


def test_the_server_itself_ends_a_statement(server):
    """However slow the machine is: a bomb that gets little of a busy processor shows no other limit."""
    with connect(server, 0.3) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("300ms",)


def test_ordinary_queries_work(server):
    result = select(
        server,
        "SELECT date_trunc('month', created_at at time zone 'utc') AS month, sum(total), count(*), "
        "to_char(max(created_at), 'YYYY'), 100 % 7 AS rest FROM orders GROUP BY 1 ORDER BY 1;",
    )
    assert result.columns == ["month", "sum", "count", "to_char", "rest"]
    assert result.rows[0] == ["2026-01-01T00:00:00", 27639.6, 743, "2026", 2]
    assert not result.truncated


def test_rows_are_cut_at_the_limit_and_said_so(server):
    result = select(server, "SELECT id FROM orders ORDER BY id -- all", Limits(rows=3))
    assert result.rows == [[1], [2], [3]]
    assert result.truncated


def test_tables_are_described_and_only_listed_ones_are_read(server):
    orders = next(table for table in tables(server) if table.name == "orders")
    assert list(map(str, orders.columns)) == [
        "id integer",
        "total numeric(10,2)",
        "created_at timestamp with time zone",
    ]
    some = {**server, "TABLES": ["orders"]}
    assert [table.name for table in tables(some)] == ["orders"]
    assert select(some, "WITH o AS (SELECT 1 FROM orders) SELECT count(*) FROM o").rows == [[1000]]
    with pytest.raises(ToolError, match="'secrets' may not be read; the tables are: orders"):
        select(some, "SELECT * FROM secrets")


def test_a_server_that_is_away_is_a_sentence(tmp_path):
    away = {"ENGINE": "django.db.backends.postgresql", "NAME": "x", "USER": "x", "HOST": str(tmp_path)}
    with pytest.raises(ToolError, match="cannot be reached"):
        select(away, "SELECT 1")
    with pytest.raises(ToolError, match="cannot be read"):
        tables(away)
