"""docs/data-tools.md: its settings are accepted, its SQL runs, its figures are the code's."""

import json
import re
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async

from tests.postgresql import postgresql
from tools_app import metrics, readonly_sql, readonly_sqlite, sql_check, sql_databases
from tools_app.builtin import sql as sql_tool
from tools_app.demo import metrics as demo_metrics
from tools_app.models import Metric

TEXT = (Path(__file__).parents[3] / "docs" / "data-tools.md").read_text(encoding="utf-8")
METRICS = [block for block in re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL) if ":start" in block]


@pytest.mark.parametrize("sql", METRICS, ids=range(len(METRICS)))
def test_the_metrics_of_the_documentation_can_be_saved(demo_shop, db, sql):
    Metric(name="documented", description="Documented.", sql=sql).full_clean()


async def test_the_answer_of_the_documentation_is_the_demo_shops(call, demo_shop, transactional_db):
    await sync_to_async(demo_metrics.load)()
    (example,) = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL))
    args = {name: example[name] for name in ("metric", "startDate", "endDate")}
    result = (await call("get_analytics", **args)).result
    assert result.pop("dataPoints")[:2] == example.pop("dataPoints")
    assert result == example


def test_the_settings_of_the_documentation_are_accepted(settings, db):
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict = {}
    exec(block, names)
    ((variable,),) = [
        re.findall(r"SQL_DATABASES='(.*)'", block) for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    ]
    for databases in (names["SQL_DATABASES"], json.loads(variable)):
        settings.SQL_DATABASES = databases
        assert sql_databases.check_databases(None) == []
        assert sql_databases.get("sales")["HOST"] == "db.internal"


def test_the_role_of_the_documentation_reads_and_gets_no_warning(settings):
    (block,) = (block for block in re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL) if "CREATE ROLE" in block)
    with postgresql() as server:
        with server.connect() as connection:
            connection.execute("CREATE TABLE invoices (id int)")
            connection.execute("CREATE TABLE customers (id int)")
            connection.execute("CREATE TABLE salaries (id int)")
            connection.execute(block)
        settings.SQL_DATABASES = {"main": {**server.settings, "USER": "assistant"}}
        assert sql_databases.check_roles(None, databases=["default"]) == []
        assert readonly_sql.select(sql_databases.get("main"), "SELECT count(*) FROM invoices").rows == [[0]]
        with pytest.raises(readonly_sql.ToolError, match="permission denied"):
            readonly_sql.select(sql_databases.get("main"), "SELECT * FROM salaries")


def test_the_figures_of_the_documentation_are_the_codes():
    limits = readonly_sql.Limits()
    for figure in (
        f"at most {limits.rows} rows, {limits.size // 1024} KB and {readonly_sql.MAX_CELL:,}",
        f"at most {limits.seconds:g} seconds",
        f"at most {sql_check.MAX_LENGTH:,} characters",
        f"{sql_tool.DATABASE_LENGTH:,} characters",
        f"{sql_tool.ALL_LENGTH:,} together",
        f"more than {sql_tool.MAX_TABLES} tables",
        f"every {readonly_sqlite.INSTRUCTIONS_BETWEEN_CHECKS} steps",
        f"{readonly_sqlite.MAX_VALUE // 1024} KB a value",
        f"up to {metrics.DAYS} days",
        f"up to {metrics.WEEKS} days",
        f"at most {metrics.MAX_POINTS} of them",
        f"{metrics.SECONDS:g} seconds for all parts",
        f"At most {metrics.MAX_SQL:,} characters",
    ):
        assert figure in re.sub(r"\s+", " ", TEXT), figure
