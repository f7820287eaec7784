import asyncio
import datetime
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings

from sessions_app.models import LiveSession
from tests.integration.tools.databases import migrated
from tests.postgresql import postgresql
from tests.waiting import GIVE_UP_SECONDS
from tools_app.demo import shop
from tools_app.executor import ToolExecutor, ToolOutcome
from tools_app.models import KnowledgeDocument, ToolCall

NOW = datetime.datetime(2026, 11, 22, 15, 30)


@pytest.fixture(autouse=True)
def _a_busy_machine_is_slow(monkeypatch) -> None:
    """What a cancelled call waits for its row, and a tool for the cache, are limits that only their own tests reach."""
    monkeypatch.setattr("tools_app.executor.RECORD_SECONDS", GIVE_UP_SECONDS)
    monkeypatch.setattr("tools_app.caching.PATIENCE", GIVE_UP_SECONDS)


@pytest.fixture(scope="session")
def shop_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo shop of a fixed day, to be copied and never written."""
    path = tmp_path_factory.mktemp("shop") / "shop.sqlite3"
    shop.build(path, NOW)
    return path


@pytest.fixture
def demo_shop(shop_file: Path, tmp_path: Path, settings) -> dict:
    """The settings of a demo shop of one's own, which is the "main" database."""
    path = shutil.copy(shop_file, tmp_path / "shop.sqlite3")
    settings.DEMO_DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}
    settings.SQL_DATABASES = {"main": settings.DEMO_DATABASE}
    return settings.DEMO_DATABASE


@pytest.fixture
async def make_executor(transactional_db) -> AsyncIterator[Callable[..., ToolExecutor]]:
    """Executors of a saved session; all their rows are written before the database is emptied."""
    session = await LiveSession.objects.acreate()
    executors = []

    def make(allowed: list[str] | None = None) -> ToolExecutor:
        executor = ToolExecutor(session_id=session.pk, user_id=None, allowed=allowed)
        executors.append(executor)
        return executor

    yield make
    for executor in executors:
        await executor.close(timeout=GIVE_UP_SECONDS)


@pytest.fixture
def call(make_executor) -> Callable:
    """`await call("get_weather", location="Rome")`: the outcome, checked to be equal to the one row saved."""

    async def call(name: str, **args) -> ToolOutcome:
        executor = make_executor()
        async with asyncio.timeout(GIVE_UP_SECONDS):
            outcome = await executor.call("call-1", name, args)
            await executor.close(timeout=GIVE_UP_SECONDS)
        await sync_to_async(_check_row)(executor, outcome)
        return outcome

    return call


def _check_row(executor: ToolExecutor, outcome: ToolOutcome) -> None:
    row = ToolCall.objects.get(session_id=executor.session_id)
    assert (row.status, row.result, row.error) == (outcome.status, outcome.result, outcome.error or "")
    assert row.duration_ms == outcome.duration_ms
    row.delete()


@pytest.fixture(scope="session")
def knowledge_databases(tmp_path_factory, django_db_setup, django_db_blocker) -> Iterator[dict[str, str]]:
    """The aliases of an SQLite and a PostgreSQL database that are nobody else's, by engine."""
    file = tmp_path_factory.mktemp("knowledge") / "knowledge.sqlite3"
    sqlite = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(file),
        "OPTIONS": settings.DATABASES["default"]["OPTIONS"],
    }
    with (
        postgresql() as server,
        django_db_blocker.unblock(),
        migrated("sqlite", sqlite) as first,
        migrated("postgresql", server.settings) as second,
    ):
        yield {"sqlite": first, "postgresql": second}


@pytest.fixture(params=["sqlite", "postgresql"])
def knowledge_database(request, knowledge_databases, django_db_blocker) -> Iterator[str]:
    """The alias of a database with no documents; the test runs once for each engine."""
    alias = knowledge_databases[request.param]
    with django_db_blocker.unblock():
        yield alias
        KnowledgeDocument.objects.using(alias).all().delete()
