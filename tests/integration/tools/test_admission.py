"""Who may have which tool run: permission, rate, and a person's approval."""

import asyncio
import threading
import time

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission, User

from tests.waiting import GIVE_UP_SECONDS
from tools_app import caching
from tools_app.admission import Nobody
from tools_app.executor import ToolExecutor
from tools_app.models import ToolCall
from tools_app.registry import temporary_tools, tool


@pytest.fixture(autouse=True)
def _own_tools():
    caching.shared_cache.cache_clear()
    caching.shared_cache().clear()
    with temporary_tools():
        yield
    caching.shared_cache.cache_clear()


@pytest.fixture
def ran():
    """Arguments of the calls that a tool of the test has run."""
    return []


@pytest.fixture
async def executor_of(transactional_db):
    executors = []

    def make(user: User | None = None, allowed: list[str] | None = None) -> ToolExecutor:
        executor = ToolExecutor(session_id=None, user_id=user and user.pk, allowed=allowed)
        executors.append(executor)
        return executor

    yield make
    for executor in executors:
        await executor.close(timeout=GIVE_UP_SECONDS)


class Person:
    """Who is asked: says what he is told to say, when he is told to."""

    def __init__(self, answer: bool | None):
        self.answer = answer
        self.asked = 0

    async def approve(self) -> bool:
        self.asked += 1
        if self.answer is None:
            await asyncio.Event().wait()
        return bool(self.answer)

    def progress(self, text): ...
    def part(self, value): ...


async def statuses() -> list[str]:
    return [call.status async for call in ToolCall.objects.order_by("id")]


# --- Permission --------------------------------------------------------------------------------------------------


async def test_a_permission_is_asked_of_the_sessions_user_at_every_call(executor_of, ran):
    @tool(permission="tools_app.view_knowledgedocument")
    def secret() -> str:
        """Secret."""
        ran.append(1)
        return "42"

    allowed, other = await User.objects.acreate(username="ada"), await User.objects.acreate(username="ben")
    permission = await Permission.objects.aget(codename="view_knowledgedocument")
    await allowed.user_permissions.aadd(permission)

    mine = executor_of(allowed)
    assert (await mine.call("1", "secret", {})).result == "42"
    for executor in (executor_of(other), executor_of(None)):
        outcome = await executor.call("2", "secret", {})
        assert (outcome.status, "no permission to use secret" in outcome.error) == ("denied", True)
    await allowed.user_permissions.aremove(permission)
    assert (await mine.call("3", "secret", {})).status == "denied"
    await mine.close(timeout=GIVE_UP_SECONDS)
    assert ran == [1]
    assert (await statuses()).count("denied") == 3


async def test_a_tool_that_the_user_may_not_use_is_not_even_told_to_the_model(executor_of):
    @tool(permission="tools_app.view_knowledgedocument")
    def secret() -> str:
        """Secret."""

    admin = await User.objects.acreate(username="root", is_superuser=True)
    for user, told in ((None, False), (admin, True)):
        declared = await sync_to_async(executor_of(user, ["secret", "get_weather"]).declarations)()
        assert [one["name"] for one in declared] == ["get_weather", *["secret"] * told]


async def test_a_permission_that_cannot_be_found_out_in_time_is_no_leave(executor_of, ran, monkeypatch):
    release = threading.Event()

    @tool(permission="tools_app.view_knowledgedocument")
    def secret() -> None:
        """Secret."""
        ran.append(1)

    monkeypatch.setattr("tools_app.admission.PERMISSION_SECONDS", 0.05)
    monkeypatch.setattr(User, "has_perm", lambda self, permission: release.wait(10))
    admin = await User.objects.acreate(username="root", is_superuser=True)
    outcome = await executor_of(admin).call("1", "secret", {})
    release.set()
    assert outcome.status == "timeout"
    assert "could not be found out in time" in outcome.error
    assert ran == []


async def test_an_inactive_user_has_no_permission(executor_of, ran):
    @tool(permission="tools_app.view_knowledgedocument")
    def secret() -> None:
        """Secret."""
        ran.append(1)

    gone = await User.objects.acreate(username="gone", is_superuser=True, is_active=False)
    assert (await executor_of(gone).call("1", "secret", {})).status == "denied"
    assert ran == []


# --- Rate --------------------------------------------------------------------------------------------------------


async def test_a_rate_is_counted_by_user_over_all_conversations(executor_of, ran):
    @tool(rate="2/day")
    async def dear(number: int) -> None:
        """Dear."""
        ran.append(number)

    ada, ben = await User.objects.acreate(username="ada"), await User.objects.acreate(username="ben")
    outcomes = [await executor_of(ada).call(str(number), "dear", {"number": number}) for number in range(4)]
    assert [outcome.status for outcome in outcomes] == ["ok", "ok", "denied", "denied"]
    assert "dear was called 2 times already; it can be called again in" in outcomes[2].error
    assert (await executor_of(ben).call("5", "dear", {"number": 5})).status == "ok"
    assert ran == [0, 1, 5]


async def test_many_calls_at_once_cannot_outrun_a_rate(executor_of, ran):
    @tool(rate="3/d")
    def dear(number: int) -> None:
        """Dear."""
        ran.append(number)

    executor = executor_of()
    outcomes = await asyncio.gather(*(executor.call(str(n), "dear", {"number": n}) for n in range(20)))
    assert sorted(outcome.status for outcome in outcomes) == ["denied"] * 17 + ["ok"] * 3
    assert len(ran) == 3


async def test_wrong_arguments_cost_nothing_of_the_rate(executor_of, ran):
    @tool(rate="1/d")
    async def dear(number: int) -> None:
        """Dear."""
        ran.append(number)

    executor = executor_of()
    assert (await executor.call("1", "dear", {"number": "many"})).status == "error"
    assert (await executor.call("2", "dear", {"number": 2})).status == "ok"


async def test_a_shared_cache_counts_for_all_processes_and_its_loss_fails_no_call(executor_of, settings, redis, ran):
    """Redis away: live conversations are unaffected (promise 14); this process counts on alone."""

    @tool(rate="2/d")
    async def dear(number: int) -> None:
        """Dear."""
        ran.append(number)

    location = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis}
    settings.CACHES = {"default": location}
    caching.shared_cache.cache_clear()
    executor = executor_of()
    assert (await executor.call("1", "dear", {"number": 1})).status == "ok"
    keys = await caching.ask_cache(lambda cache: cache._cache.get_client().keys("*dear*"))
    assert len(keys) == 1
    settings.CACHES = {"default": {**location, "LOCATION": "redis://127.0.0.1:1/0"}}  # nobody listens there
    caching.shared_cache.cache_clear()
    outcomes = [(await executor.call(str(number), "dear", {"number": number})).status for number in (2, 3, 4)]
    assert outcomes == ["ok", "ok", "denied"]


# --- Approval ----------------------------------------------------------------------------------------------------


@pytest.fixture
def refund(ran):
    @tool(approval=True)
    async def refund(number: int) -> str:
        """Refunds."""
        ran.append(number)
        return "done"

    return refund


async def test_a_tool_that_wants_an_approval_runs_only_when_somebody_agrees(executor_of, refund, ran):
    executor = executor_of()
    assert executor.needs_approval("refund")
    assert not executor.needs_approval("get_weather")
    assert not executor.needs_approval("unknown")
    agreed = await executor.call("1", "refund", {"number": 1}, Person(True))
    denied = await executor.call("2", "refund", {"number": 2}, Person(False))
    nobody = await executor.call("3", "refund", {"number": 3})
    himself = await executor.call("4", "refund", {"number": 4}, Nobody(agrees=True))
    assert [outcome.status for outcome in (agreed, denied, nobody, himself)] == ["ok", "denied", "denied", "ok"]
    assert denied.error == "The user did not agree to refund, so it was not done."
    assert ran == [1, 4]


async def test_an_approval_that_does_not_come_is_a_no(executor_of, refund, ran, settings):
    settings.TOOLS_APPROVAL_TIMEOUT = 0.05
    outcome = await executor_of().call("1", "refund", {"number": 1}, Person(None))
    assert outcome.status == "denied"
    assert outcome.error == "Nobody agreed to refund within 0.05 seconds, so it was not done."
    assert ran == []


async def test_nobody_is_asked_for_a_call_that_would_not_run_anyway(executor_of, refund):
    person = Person(True)
    assert (await executor_of().call("1", "refund", {"number": "x"}, person)).status == "error"
    assert (await executor_of(allowed=["get_weather"]).call("2", "refund", {"number": 1}, person)).status == "denied"
    assert person.asked == 0


async def test_the_time_that_a_person_takes_is_not_the_tools(executor_of, refund, ran):
    class Slow(Person):
        async def approve(self) -> bool:
            asked = time.monotonic()
            await asyncio.sleep(0.1)
            self.thought = time.monotonic() - asked
            return True

    person, begun = Slow(True), time.monotonic()
    outcome = await executor_of().call("1", "refund", {"number": 1}, person)
    others = time.monotonic() - begun - person.thought
    assert outcome.status == "ok"
    assert outcome.duration_ms <= 1000 * others + 1


async def test_a_call_that_is_cancelled_while_a_person_thinks_never_runs(executor_of, refund, ran):
    person, executor = Person(None), executor_of()
    task = asyncio.create_task(executor.call("1", "refund", {"number": 1}, person))
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not person.asked:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await executor.close(timeout=GIVE_UP_SECONDS)
    assert await statuses() == ["cancelled"]
    assert ran == []
