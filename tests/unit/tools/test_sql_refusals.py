"""What the parser refuses by itself, before a database has its say: a model learns from its sentences."""

import pytest

from tests.integration.tools import hostile_sql as sql
from tools_app.exceptions import ToolError
from tools_app.sql_check import check

DIALECTS = ("sqlite", "postgres")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_parser_alone_refuses_what_changes_something(dialect):
    for query in sql.WRITES:
        with pytest.raises(ToolError):
            pytest.fail(f"It passed: {check(query, dialect).text}")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_parser_alone_refuses_a_second_statement(dialect):
    for query in ("SELECT 1; SELECT 2", "SELECT 1;;SELECT 2;;", "SELECT 1; DELETE FROM orders"):
        with pytest.raises(ToolError, match="Exactly one statement is run at a time, and this holds 2"):
            check(query, dialect)
