"""The databases that the model may query: `settings.SQL_DATABASES`, by the names that the model uses.

Each is a dict as in Django's DATABASES, or has a "URL" in their place (postgres://user:password@host/name); a bare
text is such a URL. Beside them may stand "TABLES" (the only ones that may be read) and "DESCRIPTION" (a sentence for
the model).
"""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from environ import Env

from .exceptions import ToolError
from .readonly_sql import DIALECTS, engine_of

KEYS = {"ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS", "URL", "TABLES", "DESCRIPTION"}
# What Django's DATABASES may have beside them; it changes nothing here.
DJANGO_KEYS = {
    *("ATOMIC_REQUESTS", "AUTOCOMMIT", "CONN_HEALTH_CHECKS", "CONN_MAX_AGE", "DISABLE_SERVER_SIDE_CURSORS"),
    *("TEST", "TIME_ZONE"),
}
# What a role could do beside SELECT, asked of the server. Of a superuser that is all there is to say.
POWERS = r"""
WITH me AS (SELECT * FROM pg_roles WHERE rolname = current_user),
table_to_write AS (
    SELECT c.oid::regclass AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
    AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') ORDER BY c.oid LIMIT 1
)
SELECT 'is a superuser' FROM me WHERE rolsuper
UNION ALL SELECT 'may make roles' FROM me WHERE rolcreaterole AND NOT rolsuper
UNION ALL SELECT 'is a member of ' || r.rolname FROM me, pg_roles r
WHERE r.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program', 'pg_write_all_data')
AND pg_has_role(r.oid, 'USAGE') AND NOT me.rolsuper
UNION ALL SELECT 'may write to ' || name FROM me, table_to_write WHERE NOT rolsuper
"""


def names() -> list[str]:
    return list(settings.SQL_DATABASES)


def get(name: str) -> dict[str, Any]:
    """The database's dict, its URL taken apart. Raises ToolError with the known names."""
    entry = settings.SQL_DATABASES.get(name)
    if entry is None:
        raise ToolError(f"There is no database called {name!r}; the databases are: {', '.join(names()) or 'none'}.")
    return _resolved(entry)


def _resolved(entry: dict[str, Any] | str) -> dict[str, Any]:
    entry = {"URL": entry} if isinstance(entry, str) else entry
    return {**Env.db_url_config(entry["URL"]), **entry} if entry.get("URL") else entry


@register()
def check_databases(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The setting itself, without a look at any database."""
    if not isinstance(settings.SQL_DATABASES, dict):
        return [Error("SQL_DATABASES is no dict.", hint='{"sales": "postgres://…"}', id="gemlive.E031")]
    return [
        Error(f"SQL_DATABASES[{name!r}] {problem}.", hint=hint, id="gemlive.E031")
        for name, entry in settings.SQL_DATABASES.items()
        for problem, hint in _problems(entry)
    ]


def _problems(entry: Any) -> Iterable[tuple[str, str]]:
    if not isinstance(entry, (dict, str)):
        yield (
            "is neither a dict nor a URL",
            "Write it as in Django's DATABASES, or as postgres://user:password@host/name.",
        )
        return
    try:
        database = _resolved(entry)
    except (ValueError, KeyError, AttributeError) as error:
        yield f"has a wrong URL ({error})", "Write it as postgres://user:password@host/name or sqlite:///file."
        return
    if isinstance(entry, dict) and (unknown := set(entry) - KEYS - DJANGO_KEYS):
        yield f"has the unknown key {min(unknown)!r}", f"Known are {', '.join(sorted(KEYS))}."
    engine = str(database.get("ENGINE", "")).rsplit(".", 1)[-1]
    if engine not in DIALECTS:
        yield (
            f"has the engine {engine!r}",
            "Only django.db.backends.sqlite3 and django.db.backends.postgresql are read.",
        )
    if not database.get("NAME"):
        yield "has no NAME", "Name the database, or SQLite's file."
    tables = database.get("TABLES")
    if tables is not None and not (isinstance(tables, (list, tuple)) and all(isinstance(name, str) for name in tables)):
        yield "has TABLES that are no list of names", 'For example "TABLES": ["invoices", "customers"].'
    if not isinstance(database.get("DESCRIPTION", ""), str):
        yield "has a DESCRIPTION that is no text", "Write a sentence that tells the model what is in it."


@register(Tags.database)
def check_roles(app_configs: Any, databases: Iterable[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Whether PostgreSQL's accounts can do no more than read. Only `migrate` and `check --database` ask databases."""
    if not databases or check_databases(None):
        return []
    found: list[CheckMessage] = []
    for name in names():
        database = get(name)
        if engine_of(database) != "postgresql":
            continue
        import psycopg

        from .readonly_postgresql import CONNECT_SECONDS, connect, first_line

        try:
            with connect(database, CONNECT_SECONDS) as connection:
                powers = [power for (power,) in connection.execute(POWERS)]
        except psycopg.Error as error:
            hint = "Start it, or mend its entry in SQL_DATABASES."
            message = f"SQL_DATABASES[{name!r}] cannot be reached: {first_line(error)}."
            found.append(Warning(message, hint=hint, id="gemlive.W032"))
            continue
        found += [
            Warning(
                f"SQL_DATABASES[{name!r}]: the account {power}, and the model's queries run by it.",
                hint="Make a role that has nothing but SELECT, as docs/data-tools.md shows.",
                id="gemlive.W031",
            )
            for power in powers
        ]
    return found
