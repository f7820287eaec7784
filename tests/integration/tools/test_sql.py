import os
import threading
import time

import pytest

from tools_app.builtin.sql import describe_databases
from tools_app.exceptions import ToolError
from tools_app.readonly_sql import Limits, select
from tools_app.sql_schema import tables

from .hostile_sql import FIFTY_THOUSAND, THOUSAND

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


@pytest.mark.parametrize("query", BOMBS, ids=range(len(BOMBS)))
def test_a_bomb_is_stopped_in_time(demo_shop, query):
    """Measured in processor time, which a busy machine does not make longer."""
    started = time.thread_time()
    with pytest.raises(ToolError, match=r"took longer than 0\.2 seconds|too big"):
        select(demo_shop, query, Limits(seconds=0.2))
    assert time.thread_time() - started < 2


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
