import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from tools_app.builtin.sql import describe_databases
from tools_app.exceptions import ToolError
from tools_app.readonly_sql import Limits, select
from tools_app.sql_schema import tables

TEN = "'aaaaaaaaaa'"
THOUSAND = f"replace(replace({TEN}, 'a', {TEN}), 'a', {TEN})"
FIFTY_THOUSAND = f"replace(replace({THOUSAND}, 'a', {TEN}), 'a', 'aaaaa')"
HOSTILE = [
    "DELETE FROM orders",
    "UPDATE orders SET total = 0",
    "INSERT INTO products VALUES (99, 'x', 'y', 1)",
    "REPLACE INTO products VALUES (1, 'x', 'y', 1)",
    "DROP TABLE orders",
    "ALTER TABLE orders RENAME TO gone",
    "CREATE TABLE t (x)",
    "CREATE TEMP TABLE t AS SELECT * FROM orders",
    "CREATE TRIGGER t AFTER INSERT ON orders BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE t USING fts5(x)",
    "ATTACH DATABASE 'evil.sqlite3' AS evil",
    "DETACH DATABASE main",
    "VACUUM",
    "VACUUM INTO 'copy.sqlite3'",
    "REINDEX",
    "ANALYZE",
    "PRAGMA query_only = off",
    "PRAGMA writable_schema = on",
    "PRAGMA table_info(orders)",
    "SELECT * FROM pragma_table_info('orders')",
    "SELECT * FROM pragma_database_list",
    "SELECT load_extension('evil')",
    "SELECT readfile('/etc/passwd')",
    "SELECT writefile('evil', 'x')",
    "SELECT edit('x')",
    "SELECT fts3_tokenizer('simple')",
    "SELECT sqlite_version()",
    "SELECT sqlite_compileoption_get(1)",
    "SELECT zeroblob(900000000)",
    "SELECT randomblob(900000000)",
    "SELECT length(printf('%.*c', 1000000000, 'x'))",
    "SELECT format('%.*c', 1000000000, 'x')",
    f"SELECT replace({FIFTY_THOUSAND}, 'a', {THOUSAND})",
    f"SELECT group_concat({THOUSAND}) FROM visits",
    "SELECT 1; DELETE FROM orders",
    "SELECT 1; SELECT 2",
    "SELECT 1 /* ; */ ; DROP TABLE orders --",
    "-- just a comment",
    "",
    ";",
    "   ",
    "SELECT",
    "SELECT * FROM",
    "SELECT * FROM nowhere",
    "SELECT nothing FROM orders",
    "SELECT nofunction(1)",
    "SELECT 'unterminated",
    "SELECT 1\x00; DELETE FROM orders",
    "EXPLAIN DELETE FROM orders",
    "EXPLAIN QUERY PLAN SELECT 1",
    "BEGIN EXCLUSIVE",
    "COMMIT; BEGIN; DELETE FROM orders; COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "WITH gone AS (SELECT 1) DELETE FROM orders",
    "WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x",
    "SELECT * INTO t FROM orders",
    "SELECT * FROM sqlite_master",
    "SELECT count(*) FROM sqlite_schema",
    "SELECT * FROM main.sqlite_master",
    "SELECT name FROM (SELECT name FROM sqlite_master)",
    "SELECT * FROM dbstat",
    "SELECT * FROM sqlite_dbpage",
    "SELECT * FROM bytecode('select 1')",
    "SELECT * FROM generate_series(1, 100000000000)",
    "SELECT " + "(" * 3000 + "1" + ")" * 3000,
    "SELECT " + "+".join(["1"] * 4000),
    "SELECT " + ",".join(["1"] * 3000),
    " UNION ALL ".join(["SELECT 1"] * 600),
    "SELECT '" + "x" * 1_000_000 + "'",
    "🦆" * 100,
    "'; DROP TABLE orders; --",
]
BOMBS = [
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n WHERE x < 0",
    "SELECT count(*) FROM visits a, visits b, visits c",
    "SELECT * FROM visits a, visits b ORDER BY random()",
    "SELECT sum(instr(v.page || h.text, h.needle)) FROM visits v, "
    f"(SELECT {FIFTY_THOUSAND} AS text, substr({FIFTY_THOUSAND}, 1, 25000) || 'b' AS needle) h",
    "SELECT sum(length(trim(h.text, h.needle))) FROM visits v, "
    f"(SELECT {FIFTY_THOUSAND} AS text, replace(substr({FIFTY_THOUSAND}, 1, 5000), 'a', 'b') || 'a' AS needle) h",
    "SELECT count(*) FROM visits a, visits b WHERE a.page || b.page LIKE '%a%b%c%d%e%f%g%h%'",
]


def digest(path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.mark.parametrize("query", HOSTILE, ids=lambda query: query[:40].encode("unicode_escape").decode())
def test_a_hostile_query_is_refused_in_a_sentence_and_changes_nothing(demo_shop, query, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before, files = digest(demo_shop["NAME"]), os.listdir(tmp_path)
    with pytest.raises(ToolError) as caught:
        select(demo_shop, query)
    assert str(caught.value).startswith(("The query", "Only ", "Exactly one statement"))
    assert len(str(caught.value)) < 700
    assert digest(demo_shop["NAME"]) == before
    assert os.listdir(tmp_path) == files


@pytest.mark.parametrize("query", BOMBS, ids=range(len(BOMBS)))
def test_a_bomb_is_stopped_in_time(demo_shop, query):
    started = time.monotonic()
    with pytest.raises(ToolError, match=r"took longer than 0\.2 seconds|too big"):
        select(demo_shop, query, Limits(seconds=0.2))
    assert time.monotonic() - started < 5


def test_rows_are_cut_at_the_limit_and_said_so(demo_shop):
    result = select(demo_shop, "SELECT id FROM visits ORDER BY id", Limits(rows=7))
    assert result.rows == [[number] for number in range(1, 8)]
    assert result.truncated
    whole = select(demo_shop, "SELECT id FROM visits ORDER BY id LIMIT 7", Limits(rows=7))
    assert whole.rows == result.rows
    assert not whole.truncated


def test_bytes_are_cut_at_the_limit_and_said_so(demo_shop):
    result = select(demo_shop, f"SELECT {THOUSAND} FROM visits", Limits(size=5000))
    assert len(result.rows) == 4
    assert result.truncated
    long = select(demo_shop, f"SELECT {FIFTY_THOUSAND}")
    assert long.truncated
    assert len(long.rows[0][0]) < 3000


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("NULL", None), ("1", 1), ("1.5", 1.5), ("0.1 + 0.2", 0.3), ("9e999", None), ("'ü'", "ü"),
        ("x'00ff'", "(2 bytes)"), ("CAST(x'ff' AS TEXT)", "\ufffd"), ("9223372036854775807", 2**63 - 1),
        ("json_extract('{\"a\": 3}', '$.a')", 3), ("'100%'", "100%"), ("upper(substr('abc', 2))", "BC"),
    ],
)  # fmt: skip
def test_every_value_is_json(demo_shop, expression, value):
    assert select(demo_shop, f"SELECT {expression}").rows == [[value]]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM orders;",
        "select count(*) from orders -- all of them",
        "WITH big AS (SELECT * FROM orders WHERE total > 0) SELECT count(*) FROM big",
        "SELECT count(*) FROM (SELECT id FROM orders UNION SELECT id FROM orders)",
        "SELECT (SELECT count(*) FROM orders)",
    ],
)
def test_ordinary_queries_work(demo_shop, query):
    ((count,),) = select(demo_shop, query).rows
    assert count > 1000


def test_the_usual_questions_of_a_shop_work(demo_shop):
    result = select(
        demo_shop,
        """
        SELECT p.category, strftime('%Y-%m', o.created_at) AS month, round(sum(o.total), 2) AS revenue,
               rank() OVER (PARTITION BY p.category ORDER BY sum(o.total) DESC) AS place
        FROM orders o JOIN products p ON p.id = o.product_id
        WHERE o.created_at >= date('2026-11-22', '-3 months') AND o.status NOT IN ('cancelled')
        GROUP BY 1, 2 HAVING count(*) > 0 ORDER BY 1, 4 LIMIT 5
        """,
    )
    assert result.columns == ["category", "month", "revenue", "place"]
    assert len(result.rows) == 5


def test_only_listed_tables_are_read_and_described(demo_shop):
    some = {**demo_shop, "TABLES": ["products"]}
    assert [table.name for table in tables(some)] == ["products"]
    assert select(some, "SELECT count(*) FROM products").rows == [[20]]
    for query in (
        "SELECT * FROM customers",
        "SELECT email FROM products, customers",
        "SELECT count(id) FROM customers",
        "SELECT count(*) FROM customers",
    ):
        with pytest.raises(ToolError, match="may not be read; the tables are: products"):
            select(some, query)


def test_other_engines_and_broken_files_are_sentences(tmp_path):
    with pytest.raises(ToolError, match="only SQLite and PostgreSQL"):
        select({"ENGINE": "django.db.backends.mysql", "NAME": "x"}, "SELECT 1")
    broken = tmp_path / "broken.sqlite3"
    broken.write_bytes(b"no database at all" * 100)
    with pytest.raises(ToolError, match=r"broken\.sqlite3 cannot be read"):
        select({"ENGINE": "django.db.backends.sqlite3", "NAME": str(broken)}, "SELECT 1")


def test_many_threads_query_at_once(demo_shop):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(select(demo_shop, "SELECT count(*) FROM visits").rows))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(found) == 16
    assert len({str(rows) for rows in found}) == 1


def test_the_description_tells_databases_tables_and_columns(demo_shop):
    text = describe_databases()
    assert "Database 'main' (SQLite)" in text
    assert "customers(id integer, name text, email text, city text, country text, created_at text)" in text


async def test_the_tools_result(call, demo_shop):
    result = (await call("execute_sql_query", query="SELECT id, name FROM products ORDER BY id LIMIT 2")).result
    assert result == {
        "columns": ["id", "name"],
        "rows": [[1, "Oak Desk Lamp"], [2, "Paper Moon Lamp"]],
        "rowCount": 2,
        "truncated": False,
    }


async def test_an_unknown_database_is_a_sentence_that_names_the_known(call, demo_shop):
    outcome = await call("execute_sql_query", query="SELECT 1", database="sales")
    assert outcome.error == "There is no database called 'sales'; the databases are: main."


async def test_a_missing_demo_shop_says_which_command_makes_it(call, demo_shop):
    os.unlink(demo_shop["NAME"])
    assert "run `python manage.py load_demo`" in (await call("execute_sql_query", query="SELECT 1")).error
    assert "'main': not available now" in describe_databases()
