"""Several databases by name, what the model is told of them, and what a wrong setting is told."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from tests.postgresql import postgresql
from tools_app import sql_databases
from tools_app.builtin.sql import describe_database, describe_databases
from tools_app.exceptions import ToolError

ENGINE = "django.db.backends.sqlite3"


def sqlite_with(path: Path, script: str) -> dict:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    return {"ENGINE": ENGINE, "NAME": str(path)}


# --- describe_database


async def test_the_shop_is_described_table_by_table(call, demo_shop):
    result = (await call("describe_database")).result
    assert (result["database"], result["dialect"], result["databases"]) == ("main", "SQLite", ["main"])
    tables = {table["name"]: table for table in result["tables"]}
    assert list(tables) == ["customers", "orders", "products", "visits"]
    assert set(tables["orders"]["foreignKeys"]) == {"customer_id → customers(id)", "product_id → products(id)"}
    assert tables["products"]["rowEstimate"] == 20
    assert "price real" in tables["products"]["columns"]


async def test_one_table_has_keys_examples_and_ranges_of_dates(call, demo_shop):
    table = (await call("describe_database", table="Orders")).result["table"]
    columns = {column["name"]: column for column in table["columns"]}
    assert table["primaryKey"] == ["id"]
    assert set(columns["status"]["examples"]) <= {"paid", "shipped", "delivered", "cancelled", "returned"}
    first, last = columns["created_at"]["range"]
    assert first.startswith("2024-10-") or first.startswith("2024-11-")
    assert last.startswith("2026-11-22")


async def test_wrong_names_are_sentences_with_the_known_ones(call, demo_shop):
    outcome = await call("describe_database", database="sales")
    assert outcome.error == "There is no database called 'sales'; the databases are: main."
    outcome = await call("describe_database", table="invoices")
    assert outcome.error == (
        "Database 'main' has no table called 'invoices'; the tables are: customers, orders, products, visits."
    )


def test_a_table_that_is_not_listed_is_not_described(demo_shop, settings):
    settings.SQL_DATABASES = {"main": {**demo_shop, "TABLES": ["products"]}}
    assert [table["name"] for table in describe_database()["tables"]] == ["products"]
    with pytest.raises(ToolError, match=r"the tables are: products\."):
        describe_database(table="customers")
    assert "customers" not in describe_databases()


def test_a_wide_or_strange_database_costs_a_bounded_description(settings, tmp_path):
    script = ";".join(
        f"CREATE TABLE table_{number:03} ({','.join(f'column_{n} int' for n in range(9))})" for number in range(500)
    )
    wide = sqlite_with(
        tmp_path / "wide.sqlite3", f'{script}; CREATE TABLE "a ""b"" c" (x); CREATE VIEW broken AS SELECT * FROM gone'
    )
    settings.SQL_DATABASES = {"main": {**wide, "DESCRIPTION": "Everything. " * 500}}
    text = describe_databases()
    assert len(text) < 2_300
    assert "table_000" in text
    assert "column_0" not in text
    assert "more. Call describe_database for columns." in text
    settings.SQL_DATABASES = {f"database_{number}": wide for number in range(20)}
    assert len(describe_databases()) < 8_500
    assert all(f"'database_{number}'" in describe_databases() for number in range(20))
    found = describe_database(database="database_1")
    assert found["tableCount"] == 501
    assert len(json.dumps(found)) < 32_000
    assert describe_database(database="database_1", table='a "b" c')["table"]["columns"] == [{"name": "x", "type": ""}]


def test_postgresql_tells_comments_keys_schemas_and_only_what_may_be_read(settings):
    with postgresql() as server:
        with server.connect() as connection:
            connection.execute("CREATE TABLE customers (id int PRIMARY KEY, secret text)")
            connection.execute("COMMENT ON TABLE customers IS 'Who buys'")
            connection.execute("COMMENT ON COLUMN customers.id IS 'Their number'")
            connection.execute("CREATE SCHEMA crm")
            connection.execute(
                "CREATE TABLE crm.notes (id int, customer_id int REFERENCES customers(id), at timestamptz, "
                "kind text, PRIMARY KEY (id, kind))"
            )
            connection.execute("INSERT INTO customers VALUES (1, 'x')")
            connection.execute(
                "INSERT INTO crm.notes VALUES (1, 1, '2026-01-02 00:00Z', 'call'), (2, 1, '2026-03-04', 'mail')"
            )
            connection.execute("ANALYZE")
            connection.execute("CREATE TABLE hidden (x int)")
            connection.execute("CREATE ROLE reader LOGIN")
            connection.execute("GRANT USAGE ON SCHEMA crm TO reader")
            connection.execute("GRANT SELECT ON crm.notes TO reader")
            connection.execute("GRANT SELECT (id) ON customers TO reader")
        settings.SQL_DATABASES = {
            "main": {**server.settings, "USER": "reader", "DESCRIPTION": "Our customers"},
            "url": f"postgres://reader@/postgres?host={server.folder}",
        }
        text = describe_databases()
        assert "Database 'main' (PostgreSQL): Our customers. customers(id integer); crm.notes(id integer" in text
        assert "hidden" not in text
        tables = {table["name"]: table for table in describe_database()["tables"]}
        assert tables["customers"]["comment"] == "Who buys"
        assert tables["crm.notes"]["rowEstimate"] == 2
        assert tables["crm.notes"]["foreignKeys"] == ["customer_id → customers(id)"]
        notes = describe_database(table="crm.notes")["table"]
        assert notes["primaryKey"] == ["id", "kind"]
        columns = {column["name"]: column for column in notes["columns"]}
        assert columns["kind"]["examples"] == ["call", "mail"]
        assert [moment[:4] for moment in columns["at"]["range"]] == ["2026", "2026"]
        assert describe_database(database="url", table="customers")["table"]["columns"][0]["comment"] == "Their number"


# --- settings


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"ENGINE": "django.db.backends.mysql", "NAME": "x"}, "has the engine 'mysql'"),
        ({"ENGINE": ENGINE}, "has no NAME"),
        ({"NAME": "x"}, "has the engine ''"),
        ({"ENGINE": ENGINE, "NAME": "x", "TABLES": "orders"}, "has TABLES that are no list of names"),
        ({"ENGINE": ENGINE, "NAME": "x", "TABLES": [1]}, "has TABLES that are no list of names"),
        ({"ENGINE": ENGINE, "NAME": "x", "TABLE": ["orders"]}, "has the unknown key 'TABLE'"),
        ({"ENGINE": ENGINE, "NAME": "x", "DESCRIPTION": 3}, "has a DESCRIPTION that is no text"),
        ({"URL": "nonsense://x"}, "has the engine"),
        ("mysql://user@host/name", "has the engine 'mysql'"),
        (None, "is neither a dict nor a URL"),
    ],
)  # fmt: skip
def test_a_wrong_database_is_an_error_at_start_up(settings, entry, problem):
    settings.SQL_DATABASES = {"main": entry}
    found = sql_databases.check_databases(None)
    assert [error.id for error in found] == ["gemlive.E031"] * len(found)
    assert problem in " ".join(error.msg for error in found)
    assert all(error.hint for error in found)


def test_right_databases_are_no_error(settings, demo_shop):
    settings.SQL_DATABASES = {
        "main": demo_shop, "url": "sqlite:////x.sqlite3", "own": settings.DATABASES["default"],
        "sales": {"URL": "postgres://a:b@c/d", "TABLES": ["x"], "DESCRIPTION": "Sales"},
    }  # fmt: skip
    assert sql_databases.check_databases(None) == []


def test_the_environment_adds_databases(tmp_path, demo_shop):
    sales = sqlite_with(tmp_path / "sales.sqlite3", "CREATE TABLE invoices (id int); CREATE TABLE salaries (id int)")
    value = {"sales": {"URL": f"sqlite:///{sales['NAME']}", "TABLES": ["invoices"], "DESCRIPTION": "What we sold"}}
    program = "from tools_app.builtin.sql import describe_databases; print(describe_databases())"
    environment = {
        **os.environ,
        "SQL_DATABASES": json.dumps(value),
        "DEMO_DATABASE_URL": f"sqlite:///{demo_shop['NAME']}",
    }
    environment |= {"DEBUG": "1", "DJANGO_SETTINGS_MODULE": "gemlive_project.settings"}
    found = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup(); {program}"],
        env=environment, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert "Database 'sales' (SQLite): What we sold. invoices(id int)." in found.stdout
    assert "Database 'main' (SQLite): customers(" in found.stdout


@pytest.mark.parametrize("value", ["{bad", "[1]", "sales"])
def test_an_environment_that_is_no_json_object_is_a_sentence(value):
    found = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env={**os.environ, "SQL_DATABASES": value, "DJANGO_SETTINGS_MODULE": "gemlive_project.settings"},
        capture_output=True, text=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert "ImproperlyConfigured: SQL_DATABASES must be a JSON object such as" in found.stderr


def test_an_account_that_may_more_than_read_is_a_warning_where_databases_are_asked(settings, db, capfd):
    with postgresql() as server:
        with server.connect() as connection:
            connection.execute("CREATE TABLE orders (id int)")
            for role, grant in (("reader", "SELECT"), ("writer", "SELECT, INSERT")):
                connection.execute(f"CREATE ROLE {role} LOGIN")
                connection.execute(f"GRANT {grant} ON orders TO {role}")
            connection.execute("CREATE ROLE files LOGIN IN ROLE pg_read_server_files")
        accounts = ("postgres", "reader", "writer", "files")
        settings.SQL_DATABASES = {user: {**server.settings, "USER": user} for user in accounts}
        settings.DEBUG = True  # else check asks for what production must have
        call_command("check")
        assert "gemlive.W031" not in capfd.readouterr().err
        call_command("check", databases=["default"])
        text = capfd.readouterr().err
    assert "SQL_DATABASES['postgres']: the account is a superuser" in text
    assert "SQL_DATABASES['writer']: the account may write to orders" in text
    assert "SQL_DATABASES['files']: the account is a member of pg_read_server_files" in text
    assert "SQL_DATABASES['reader']" not in text
    call_command("check", databases=["default"])
    assert "SQL_DATABASES['reader'] cannot be reached" in capfd.readouterr().err
