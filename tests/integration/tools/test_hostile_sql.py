"""The corpus of hostile_sql.py on both engines, one query after the other, and what is left afterwards."""

import contextlib
import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.forms import in_long_form
from tests.postgresql import PostgreSQL, postgresql
from tools_app.exceptions import ToolError
from tools_app.readonly_postgresql import check_names
from tools_app.readonly_sql import Limits, select
from tools_app.sql_check import check

from . import hostile_sql as sql

SCHEMA = """
CREATE TABLE customers (id int PRIMARY KEY, name text, city text);
CREATE TABLE orders (
    id int PRIMARY KEY, customer_id int REFERENCES customers(id), total numeric(10, 2), status text, note text,
    created_at timestamp
);
CREATE INDEX orders_total ON orders (total);
CREATE VIEW order_totals AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY customer_id;
CREATE TABLE secrets (password text);
CREATE VIEW seen_secrets AS SELECT password FROM secrets;
CREATE VIEW seen_orders AS SELECT id, total FROM orders;
INSERT INTO customers VALUES (1, 'Ada', 'Rome'), (2, 'Alan', 'Paris'), (3, 'Grace', 'New York');
INSERT INTO secrets VALUES ('hunter2');
"""
ORDERS = [
    (number, number % 3 + 1, number / 10, ("paid", "open")[number % 2], '{"a": 3}', "2026-11-01 12:00:00")
    for number in range(300)
]
SECONDS = 0.15
# Of processor time, which a busy machine does not make longer: one query, its parse, and its one call that cannot be
# broken off.
WITHIN = 20 * SECONDS
MEMORY = 100 * 1024 * 1024


def label(query: str) -> str:
    return query[:60].encode("unicode_escape").decode()


@pytest.fixture(scope="module")
def sqlite_file(tmp_path_factory) -> dict:
    path = tmp_path_factory.mktemp("hostile") / "shop.sqlite3"
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA)
    connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)", ORDERS)
    connection.executescript("ANALYZE")
    connection.close()
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgreSQL]:
    with postgresql() as running:
        with running.connect() as connection:
            connection.execute(SCHEMA)
            with connection.cursor() as cursor:
                cursor.executemany("INSERT INTO orders VALUES (%s, %s, %s, %s, %s, %s)", ORDERS)
            connection.execute("CREATE SEQUENCE numbers")
            connection.execute("CREATE SCHEMA hidden")
            connection.execute("CREATE TABLE hidden.orders AS SELECT * FROM secrets")
            connection.execute("CREATE ROLE reader LOGIN")
            connection.execute("ALTER ROLE reader SET statement_timeout = '5s'")
            connection.execute("GRANT SELECT ON orders, customers, order_totals TO reader")
        yield running


@pytest.fixture
def server(postgres) -> dict:
    """The account may do everything, which is the worst case."""
    return postgres.settings


@pytest.fixture(params=["superuser", "reader"])
def account(request, server) -> dict:
    return server if request.param == "superuser" else {**server, "USER": "reader"}


@contextlib.contextmanager
def nothing_changes(see, *folders: Path) -> Iterator[None]:
    """Neither what `see()` returns, nor the files' names; and our memory does not grow by more than MEMORY."""
    process = psutil.Process()
    before, files = see(), [sorted(os.listdir(folder)) for folder in folders]
    memory = process.memory_info().rss
    yield
    assert see() == before
    assert [sorted(os.listdir(folder)) for folder in folders] == files
    assert process.memory_info().rss - memory < MEMORY


def attempt(
    database: dict, queries: list[str], *, must_fail: bool, used: Callable[[], float] = time.thread_time
) -> None:
    """`used`: seconds of processor time, read for each query, or once for all where none shall run."""
    begun, each = used(), time.thread_time if must_fail else used
    peak = psutil.Process().memory_info().rss
    for query in queries:
        before = each()
        try:
            result = select(database, query, Limits(seconds=SECONDS))
        except ToolError as error:
            sentence = str(error)
            assert sentence.startswith(("The query", "Only ", "Exactly one statement")), (label(query), sentence)
            assert sentence.endswith(".")
            assert len(sentence) < 700, label(query)
        else:
            assert not must_fail, (label(query), result.rows[:3])
            assert len(str(result.rows)) < 100_000, label(query)
        assert each() - before < WITHIN, label(query)
        assert psutil.Process().memory_info().rss - peak < MEMORY, label(query)
    assert used() - begun < WITHIN + len(queries) * SECONDS


# --- SQLite


def digest(database: dict) -> str:
    return hashlib.sha256(Path(database["NAME"]).read_bytes()).hexdigest()


def test_there_are_more_than_200_for_each_engine():
    common = {*sql.WRITES, *sql.STACKED, *sql.QUOTING, *sql.SYSTEM, *sql.HEAVY}
    assert len(common | {*sql.SQLITE, *sql.SQLITE_HEAVY}) >= 200
    assert len(common | {*sql.POSTGRESQL, *sql.POSTGRESQL_HEAVY}) >= 200


@pytest.mark.parametrize("theme", ["WRITES", "STACKED", "QUOTING", "SYSTEM", "SQLITE"])
def test_sqlite_refuses_all_of_a_theme(sqlite_file, theme, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with nothing_changes(lambda: digest(sqlite_file), tmp_path, Path(sqlite_file["NAME"]).parent):
        attempt(sqlite_file, getattr(sql, theme), must_fail=True)


@pytest.mark.parametrize("theme", ["HEAVY", "SQLITE_HEAVY"])
def test_sqlite_ends_what_is_heavy(sqlite_file, theme, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with nothing_changes(lambda: digest(sqlite_file), tmp_path, Path(sqlite_file["NAME"]).parent):
        attempt(sqlite_file, getattr(sql, theme), must_fail=False)


def test_sqlite_keeps_to_the_list_of_tables(sqlite_file):
    attempt({**sqlite_file, "TABLES": ["orders", "seen_orders"]}, sql.PAST_THE_LIST, must_fail=True)


def test_a_listed_view_is_read_without_what_it_stands_on(sqlite_file):
    listed = {**sqlite_file, "TABLES": ["order_totals", "seen_orders"]}
    assert len(select(listed, "SELECT * FROM order_totals").rows) == 3
    assert select(listed, "SELECT count(*) FROM seen_orders").rows == [[300]]
    for query in ("SELECT * FROM orders", "SELECT count(*) FROM orders", "SELECT s.id FROM seen_orders s, orders o"):
        with pytest.raises(ToolError, match="may not be read; the tables are: order_totals, seen_orders"):
            select(listed, query)


@pytest.mark.parametrize("query", sql.ORDINARY + sql.SQLITE_ORDINARY, ids=label)
def test_sqlite_answers_ordinary_questions(sqlite_file, query):
    listed = {**sqlite_file, "TABLES": ["orders", "customers", "order_totals"]}
    assert select(sqlite_file, query).columns == select(listed, query).columns


@pytest.mark.parametrize("function", ["json_group_array", "json_group_object", "printf", "zeroblob"])
def test_what_takes_memory_before_sqlite_looks_at_its_length_is_not_called_at_all(sqlite_file, function):
    with pytest.raises(ToolError, match=rf"the function {function}\(\) is not allowed"):
        select(sqlite_file, f"SELECT {function}({', '.join('1' * (1 + function.endswith('object')))})")


def test_another_connection_may_write_while_hostile_queries_run(sqlite_file, tmp_path):
    path = shutil.copy(sqlite_file["NAME"], tmp_path / "copy.sqlite3")
    copy = {**sqlite_file, "NAME": str(path)}
    writer = sqlite3.connect(path, timeout=0)
    try:
        for query in (*sql.SQLITE, *sql.WRITES):
            with pytest.raises(ToolError):
                select(copy, query, Limits(seconds=SECONDS))
            writer.execute("UPDATE customers SET name = name")
            writer.commit()
    finally:
        writer.close()


# --- PostgreSQL


def state(server: dict) -> list:
    """What a query could have changed, as the owner sees it."""
    with psycopg.connect(dbname="postgres", user="postgres", host=server["HOST"]) as connection:
        return [
            connection.execute(question).fetchall()
            for question in (
                "SELECT md5(string_agg(o::text, ',' ORDER BY id)) FROM orders o",
                "SELECT md5(string_agg(c::text, ',' ORDER BY id)) FROM customers c",
                "SELECT * FROM secrets",
                "SELECT last_value, is_called FROM numbers",
                "SELECT relname, relkind, relacl FROM pg_class WHERE relnamespace > 16000 OR relnamespace = 2200 "
                "ORDER BY 1, 2",
                "SELECT proname FROM pg_proc WHERE oid > 16000 ORDER BY 1",
                "SELECT rolname, rolsuper, rolpassword FROM pg_authid ORDER BY 1",
                "SELECT setrole, setconfig FROM pg_db_role_setting ORDER BY 1",
                "SELECT extname FROM pg_extension ORDER BY 1",
                "SELECT count(*) FROM pg_largeobject_metadata",
                "SELECT name, setting FROM pg_settings WHERE source = 'configuration file' ORDER BY 1",
                "SELECT pid, granted FROM pg_locks WHERE locktype = 'advisory'",
            )
        ]


@contextlib.contextmanager
def untouched(postgres: PostgreSQL, tmp_path: Path, monkeypatch) -> Iterator[Callable[[], float]]:
    """Yields what tells the processor time that was used: by this thread, and by the server for it."""
    monkeypatch.chdir(tmp_path)
    with postgres.connect() as neighbour:
        with nothing_changes(lambda: state(postgres.settings), tmp_path, postgres.folder / "data"):
            others = postgres.processes()
            yield lambda: time.thread_time() + postgres.cpu_seconds(others)
        assert not Path("/tmp/evil").exists()
        # Of what a query could have done to it: end it, lock it out.
        assert neighbour.execute("UPDATE customers SET name = name").rowcount == 3


@pytest.mark.parametrize("theme", ["WRITES", "STACKED", "QUOTING", "SYSTEM", "POSTGRESQL"])
def test_postgresql_refuses_all_of_a_theme(postgres, account, theme, tmp_path, monkeypatch):
    with untouched(postgres, tmp_path, monkeypatch) as used:
        attempt(account, getattr(sql, theme), must_fail=True, used=used)


@pytest.mark.parametrize(
    ("user", "theme"),
    [
        ("postgres", "HEAVY"),
        ("reader", "POSTGRESQL_HEAVY"),
        *in_long_form([("reader", "HEAVY"), ("postgres", "POSTGRESQL_HEAVY")]),
    ],
)
def test_postgresql_ends_what_is_heavy(postgres, server, user, theme, tmp_path, monkeypatch):
    with untouched(postgres, tmp_path, monkeypatch) as used:
        attempt({**server, "USER": user}, getattr(sql, theme), must_fail=False, used=used)


def test_postgresql_keeps_to_the_list_of_tables(server):
    listed = {**server, "TABLES": ["orders", "seen_orders"]}
    # A listed view reads what it stands on, by its owner's rights, whatever a WITH clause is called.
    attempt(listed, sql.PAST_THE_LIST + sql.POSTGRESQL_PAST_THE_LIST, must_fail=True)
    assert len(select({**server, "TABLES": ["order_totals"]}, "SELECT * FROM order_totals").rows) == 3
    assert select({**server, "TABLES": ["hidden.orders"]}, "SELECT * FROM Hidden.ORDERS").rows == [["hunter2"]]


@pytest.mark.parametrize("query", sql.ORDINARY + sql.POSTGRESQL_ORDINARY, ids=label)
def test_postgresql_answers_ordinary_questions(server, query):
    listed = {**server, "USER": "reader", "TABLES": ["orders", "customers", "order_totals", "public.orders"]}
    assert select(server, query).columns == select(listed, query).columns


def test_no_function_of_the_server_that_does_something_is_let_through(server):
    """Whatever the server calls volatile, with every number of arguments that the parser may know it by."""
    harmless = {"clock_timestamp", "gen_random_uuid", "random"}
    with psycopg.connect(dbname="postgres", user="postgres", host=server["HOST"]) as connection:
        names = {name for (name,) in connection.execute("SELECT proname FROM pg_proc WHERE provolatile = 'v'")}
    assert len(names) > 100
    passed = set()
    for name in sorted(names):
        for count in range(6):
            with contextlib.suppress(ToolError):
                check_names({}, check(f"SELECT {name}({', '.join('a' * count)})", "postgres").tree)
                passed.add(name)
    assert passed <= harmless


def test_a_row_of_20_megabytes_is_not_fetched(server):
    with psycopg.connect(dbname="postgres", user="postgres", host=server["HOST"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS texts AS SELECT repeat('x', 20000000) AS t")
        connection.commit()
        try:
            with pytest.raises(ToolError, match=r"a row has more than 1000000 bytes; select fewer columns"):
                select(server, "SELECT * FROM texts")
            assert select(server, "SELECT length(t) FROM texts").rows == [[20000000]]
        finally:
            connection.execute("DROP TABLE texts")
