"""The SQL guard: one SELECT, of what may be read, bounded in rows, bytes and time; each layer by itself."""

from ..breakage import Breakage, Edit

CHECK = "tools_app/sql_check.py"
POSTGRESQL = "tools_app/readonly_postgresql.py"
READONLY = "tools_app/readonly_sql.py"
SQLITE = "tools_app/readonly_sqlite.py"

BREAKAGES = [
    Breakage(
        "the parser lets a write pass",
        "tests/unit/tools/test_sql_refusals.py::test_the_parser_alone_refuses_what_changes_something",
        Edit(CHECK, "if not isinstance(query, QUERIES):", "if query is None:"),
    ),
    Breakage(
        "the parser lets a write within a SELECT pass",
        "tests/unit/tools/test_sql_refusals.py::test_the_parser_alone_refuses_what_changes_something",
        Edit(CHECK, "if isinstance(part, (exp.Into, exp.Lock, exp.DML, exp.DDL)) and not isinstance(part, exp.Query):",
             "if isinstance(part, exp.Lock) and not isinstance(part, exp.Query):"),
    ),
    Breakage(
        "the parser lets two statements pass",
        "tests/unit/tools/test_sql_refusals.py::test_the_parser_alone_refuses_a_second_statement",
        Edit(CHECK, "if len(statements) != 1:", "if not statements:"),
    ),
    Breakage(
        "a comment reaches the database",
        "tests/unit/tools/test_sql_check.py::test_it_is_put_together_from_its_tokens",
        Edit(CHECK, "return Query(_text(tokens, sql), statement)", "return Query(sql, statement)"),
    ),
    Breakage(
        "a name of a WITH clause hides a table everywhere",
        "tests/unit/tools/test_sql_check.py::test_a_name_of_a_with_clause_is_one_only_where_it_can_be_seen",
        Edit(CHECK, "parent.expressions if parent.recursive else parent.expressions[: child.index]",
             "parent.expressions"),
    ),
    Breakage(
        "SQLite: the file may be written",
        "tests/integration/tools/test_readonly_sqlite.py::test_the_connection_itself_cannot_write",
        Edit(SQLITE, "?mode=ro", "?mode=rw"),
    ),
    Breakage(
        "SQLite: nothing is asked of the authorizer",
        "tests/integration/tools/test_readonly_sqlite.py::test_the_authorizer_refuses_what_the_parser_let_pass",
        Edit(SQLITE, "        connection.set_authorizer(guard.authorize)\n", ""),
    ),
    Breakage(
        "SQLite: every function may be called",
        "tests/integration/tools/test_hostile_sql.py::"
        "test_what_takes_memory_before_sqlite_looks_at_its_length_is_not_called_at_all",
        Edit(SQLITE, '            if (second or "").lower() in FUNCTIONS:\n', "            if second:\n"),
    ),
    Breakage(
        "SQLite: every table may be read",
        "tests/integration/tools/test_sql.py::test_only_listed_tables_are_read_and_described",
        Edit(SQLITE, "if table.name.lower() not in self.tables:", "if not table.name:"),
        Edit(SQLITE, "            if table in (self.readable | JSON_TABLES if second else self.without_columns):\n",
             "            if table:\n"),
    ),
    Breakage(
        "SQLite: the deadline is not kept",
        "tests/integration/tools/test_sql.py::test_a_bomb_is_stopped_in_time",
        Edit(SQLITE, "time.monotonic() + limits.seconds", "time.monotonic() + 60 * limits.seconds"),
    ),
    Breakage(
        "SQLite: a value may be of any length",
        "tests/integration/tools/test_readonly_sqlite.py::test_a_value_has_a_bound",
        Edit(SQLITE, "            connection.setlimit(category, limit)\n", "            pass\n"),
    ),
    Breakage(
        "rows are not cut",
        "tests/integration/tools/test_sql.py::test_rows_are_cut_at_the_limit_and_said_so",
        Edit(READONLY, "        if len(kept) == limits.rows:\n", "        if len(kept) == 0 == limits.rows:\n"),
    ),
    Breakage(
        "bytes are not cut",
        "tests/integration/tools/test_sql.py::test_bytes_are_cut_at_the_limit_and_said_so",
        Edit(READONLY, "        if size > limits.size:\n", "        if size < 0:\n"),
    ),
    Breakage(
        "PostgreSQL: the connection may write",
        "tests/integration/tools/test_postgresql.py::"
        "test_the_connection_itself_cannot_write_even_if_the_parser_is_deceived",
        Edit(POSTGRESQL, '"default_transaction_read_only": "on"', '"default_transaction_read_only": "off"'),
        Edit(POSTGRESQL, "    connection.read_only = True\n", "    connection.autocommit = True\n"),
        Edit(POSTGRESQL, 'connection.cursor(name="tool") as cursor', "connection.cursor() as cursor"),
        Edit(POSTGRESQL, "cursor.execute(BOUNDED.format(query=query.text, limit=MAX_ROW).encode())",
             "cursor.execute(query.text.encode())"),
    ),
    Breakage(
        "PostgreSQL: statement_timeout is not set",
        "tests/integration/tools/test_postgresql.py::test_the_server_itself_ends_a_statement",
        Edit(POSTGRESQL, 'f"{int(seconds * 1000)}"', 'f"{int(seconds * 30000)}"'),
    ),
    Breakage(
        "PostgreSQL: every function may be called",
        "tests/integration/tools/test_hostile_sql.py::"
        "test_no_function_of_the_server_that_does_something_is_let_through",
        Edit(POSTGRESQL, "if function.name.lower() not in FUNCTIONS:", "if not function.name:"),
    ),
    Breakage(
        "PostgreSQL: every table may be read",
        "tests/integration/tools/test_postgresql.py::test_tables_are_described_and_only_listed_ones_are_read",
        Edit(POSTGRESQL, "        if name not in allowed:\n", "        if not name:\n"),
    ),
    Breakage(
        "PostgreSQL: the catalogue may be read",
        "tests/integration/tools/test_hostile_sql.py::test_postgresql_refuses_all_of_a_theme",
        Edit(POSTGRESQL,
             'if table.db.lower() in HIDDEN_SCHEMAS or table.name.lower().startswith("pg_") or table.catalog:',
             "if table.catalog:"),
    ),
    Breakage(
        "PostgreSQL: a row may have any size",
        "tests/integration/tools/test_hostile_sql.py::test_a_row_of_20_megabytes_is_not_fetched",
        Edit(POSTGRESQL, "MAX_ROW = 1_000_000", "MAX_ROW = 100_000_000"),
    ),
]  # fmt: skip
