"""Is it one SELECT? Asked of a parser first, because its "no" comes with a sentence that the model can learn from.

What runs is put together from the tokens that the parser saw: without comments, and with nothing quoted in a way that
a database may read otherwise than the parser does.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

from .exceptions import ToolError

# It warns of every statement that is no SELECT, with the statement.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

MAX_LENGTH = 10_000
QUERIES = (exp.Select, exp.SetOperation)
# The parser tries twice at some nestings, so that "date(date(date(…" takes it twice as long with each level. An
# ordinary query takes one or two steps a token.
STEPS_PER_TOKEN = 20
QUOTED = re.compile(
    r"""[nN]?'(?:[^']|'')*'|[xXbB]'[0-9a-fA-F]*'|[eE]'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\[\]]*\]""",
    re.DOTALL,
)
UNCLEAR = re.compile(r"['\"`$\\]|--|/\*|\*/")


@dataclass(frozen=True)
class Query:
    """`text` is what shall run, `tree` what was checked."""

    text: str
    tree: exp.Expression


def check(sql: str, dialect: str, max_length: int = MAX_LENGTH, *, placeholders: bool = False) -> Query:
    """The one SELECT that this is, `placeholders` such as :start allowed or not. Raises ToolError for all else."""
    if len(sql) > max_length:
        raise ToolError(f"The query is longer than {max_length} characters; write a shorter one.")
    if "\x00" in sql:
        raise ToolError("The query holds a NUL character; write it without.")
    try:
        tokens = Dialect.get_or_raise(dialect).tokenize(sql)
        statements = [part for part in _parse(tokens, sql, dialect) if part is not None]
    except Exception as error:  # of any type: on nonsense the parser may stumble over its own feet
        known = isinstance(error, (SqlglotError, ValueError)) and str(error)
        detail = str(error).splitlines()[0] if known else "it is nested too deeply or makes no sense"
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
        if isinstance(part, (exp.Placeholder, exp.Parameter)) and not placeholders:
            raise ToolError(f"The query has the placeholder {part.sql(dialect)!r}; write the value itself.")
    return Query(_text(tokens, sql), statement)


def fold(identifier: exp.Expression | None) -> str:
    """A name as PostgreSQL compares it."""
    name = identifier.name if identifier else ""
    return name if identifier is not None and identifier.args.get("quoted") else name.lower()


def real_tables(tree: exp.Expression) -> Iterator[exp.Table]:
    """The tables that are no names of a WITH clause which can be seen from where they stand."""
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier) and (table.db or fold(table.this) not in _with_names(table)):
            yield table


def _with_names(table: exp.Table) -> set[str]:
    names: set[str] = set()
    child: exp.Expression = table
    while (parent := child.parent) is not None:
        if isinstance(parent, exp.With):
            # One without RECURSIVE sees those before it only: in "WITH t AS (SELECT * FROM t)" the inner t is a table.
            seen = parent.expressions if parent.recursive else parent.expressions[: child.index]
        else:
            clause = next((value for value in parent.args.values() if isinstance(value, exp.With)), None)
            seen = clause.expressions if clause is not None and clause is not child else []
        names |= {fold(part.args["alias"].this) for part in seen}
        child = parent
    return names


def _parse(tokens: list[Token], sql: str, dialect: str) -> list[exp.Expression | None]:
    parser = Dialect.get_or_raise(dialect).parser()
    advance = parser._advance
    steps = 1_000 + STEPS_PER_TOKEN * len(tokens)

    def counted(times: int = 1) -> None:
        nonlocal steps
        steps -= 1
        if steps < 0:
            # No ParseError: the parser would take it for a failed try, and try the next.
            raise ValueError("it is nested too deeply")
        advance(times)

    parser._advance = counted  # type: ignore[method-assign]
    return parser.parse(tokens, sql)


def _text(tokens: list[Token], sql: str) -> str:
    parts: list[str] = []
    end = 0
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            continue
        part, gap = sql[token.start : token.end + 1], sql[end : token.start]
        end = token.end + 1
        quoted = QUOTED.fullmatch(part)
        if not quoted and UNCLEAR.search(part):
            raise ToolError(f"The query cannot be read: write {part[:40]!r} with plain quotes, and no placeholder.")
        if parts and (quoted or gap):
            # A space before each quote, or PostgreSQL would take U&"…" for something else than the parser does.
            parts.append("\n" if "\n" in gap else " ")
        parts.append(part)
    return "".join(parts)
