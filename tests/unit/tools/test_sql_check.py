"""What runs is what was parsed."""

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot.dialects.dialect import Dialect

from tools_app.exceptions import ToolError
from tools_app.sql_check import MAX_LENGTH, check, real_tables

DIALECTS = ("sqlite", "postgres")
WORDS = sorted(
    {word for dialect in DIALECTS for word in Dialect.get_or_raise(dialect).tokenizer_class.KEYWORDS}
    | {word for dialect in DIALECTS for word in Dialect.get_or_raise(dialect).parser_class.FUNCTIONS}
)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("SELECT 1 /* a; b */ + 2 -- c\n;", "SELECT 1 + 2"),
        ("SELECT count(*)FROM t;;", "SELECT count(*)FROM t"),
        ("SELECT 'a''b', '-- c', '/* d */', \"e;f\"", "SELECT 'a''b', '-- c', '/* d */', \"e;f\""),
        ("SELECT a->>'b', c.d FROM t", "SELECT a->> 'b', c.d FROM t"),
        ('SELECT U&"a" FROM t', 'SELECT U& "a" FROM t'),
        ("SELECT\n\t1\r\n", "SELECT\n1"),
    ],
)
def test_it_is_put_together_from_its_tokens(dialect, query, text):
    assert check(query, dialect).text == text


@pytest.mark.parametrize(
    "query", ["SELECT $$a$$", "SELECT $a$ b $a$", "SELECT U&'a'", "SELECT E'a\\'", "SELECT :a", "SELECT ?", "SELECT $1"]
)
def test_what_a_database_may_read_otherwise_is_refused(query):
    with pytest.raises(ToolError):
        check(query, "postgres")


@pytest.mark.parametrize(
    ("query", "tables"),
    [
        ("WITH a AS (SELECT * FROM b), c AS (SELECT * FROM a) SELECT * FROM a JOIN c ON true", ["b"]),
        ("WITH a AS (SELECT * FROM a) SELECT * FROM a", ["a"]),
        ("WITH RECURSIVE a AS (SELECT 1 UNION SELECT * FROM a) SELECT * FROM a", []),
        ("SELECT * FROM a WHERE 1 IN (WITH a AS (SELECT 1) SELECT * FROM a)", ["a"]),
        ("WITH a AS (SELECT 1) SELECT * FROM x.a UNION SELECT * FROM (SELECT * FROM a) q", ["x.a"]),
        ('WITH "A" AS (SELECT 1) SELECT * FROM a, "A"', ["a"]),
    ],
)
def test_a_name_of_a_with_clause_is_one_only_where_it_can_be_seen(query, tables):
    assert [table.sql() for table in real_tables(check(query, "postgres").tree)] == tables


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.sampled_from([*WORDS, *"()[],.*+-;:'\"$@", "a", "1", "SELECT", "FROM", "'x'"]), max_size=30),
    st.integers(1, 400),
    st.sampled_from(DIALECTS),
)
def test_nonsense_is_read_or_refused_and_soon(words, times, dialect):
    query = ("SELECT " + " ".join(words) * times)[:MAX_LENGTH]
    began = time.thread_time()
    with contextlib.suppress(ToolError):
        assert check(query, dialect).text
    assert time.thread_time() - began < 20, "CPU time: it does not depend on what else runs"
