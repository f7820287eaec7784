"""Is it one SELECT? Asked of a parser first, because its "no" comes with a sentence that the model can learn from."""

import logging

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from .exceptions import ToolError

# It warns of every statement that is no SELECT, with the statement.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

MAX_LENGTH = 10_000
QUERIES = (exp.Select, exp.SetOperation)


def check(sql: str, dialect: str) -> str:
    """The statement without what follows its semicolon. Raises ToolError unless it is one SELECT."""
    if len(sql) > MAX_LENGTH:
        raise ToolError(f"The query is longer than {MAX_LENGTH} characters; write a shorter one.")
    if "\x00" in sql:
        raise ToolError("The query holds a NUL character; write it without.")
    try:
        statements = [part for part in sqlglot.parse(sql, dialect=dialect) if part is not None]
    except (SqlglotError, RecursionError, ValueError) as error:
        detail = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise ToolError(f"The query cannot be read as {dialect} SQL: {detail[:200]}.") from None
    if len(statements) != 1:
        raise ToolError(f"Exactly one statement is run at a time, and this holds {len(statements)}.")
    statement = statements[0]
    query = statement.unnest() if isinstance(statement, exp.Subquery) else statement
    if not isinstance(query, QUERIES):
        raise ToolError(f"Only SELECT is allowed, and this is {statement.key.upper()}; nothing was changed.")
    for part in statement.walk():
        if isinstance(part, (exp.Into, exp.Lock, exp.DML, exp.DDL)) and not isinstance(part, exp.Query):
            raise ToolError(f"Only reading is allowed, and this query has {part.key.upper()}; nothing was changed.")
    return sql.strip().rstrip(";")
