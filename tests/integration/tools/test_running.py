"""Where tools run, and that one that misbehaves there harms nobody else."""

import asyncio
import logging
import threading

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection

from sessions_app.models import LiveSession
from tests.waiting import GIVE_UP_SECONDS
from tools_app.context import ToolContext
from tools_app.exceptions import ToolError
from tools_app.executor import AT_ONCE, ToolExecutor
from tools_app.loop import ToolLoop
from tools_app.registry import temporary_tools, tool


@pytest.fixture(autouse=True)
def _own_tools():
    with temporary_tools():
        yield


@pytest.fixture
def loop(monkeypatch) -> ToolLoop:
    """One of the test's own, which is quick to give up."""
    own = ToolLoop(stuck_seconds=0.3, max_blocked=2)
    monkeypatch.setattr("tools_app.running.LOOP", own)
    return own


async def test_async_tools_share_one_loop_that_is_not_the_voices(make_executor):
    """What a module keeps, such as an HTTP client's pool, belongs to the loop that it was made in."""

    @tool
    async def where() -> list[int]:
        """Where it runs."""
        return [id(asyncio.get_running_loop()), threading.get_ident()]

    executor = make_executor()
    first, second = [(await executor.call(call_id, "where", {})).result for call_id in "12"]
    assert first == second
    assert first[0] != id(asyncio.get_running_loop())
    assert first[1] != threading.get_ident()


async def test_an_async_tool_that_blocks_its_loop_holds_up_nobody_else(make_executor, loop, caplog):
    blocked, release = threading.Event(), threading.Event()

    @tool(timeout=GIVE_UP_SECONDS)
    async def blocking() -> str:
        """Forgets to await."""
        blocked.set()
        release.wait(GIVE_UP_SECONDS)
        return "at last"

    @tool
    async def quick() -> str:
        """Quick."""
        return "here"

    executor = make_executor()
    stuck = asyncio.create_task(executor.call("1", "blocking", {}))
    async with asyncio.timeout(GIVE_UP_SECONDS):
        await asyncio.to_thread(blocked.wait, GIVE_UP_SECONDS)
        with caplog.at_level(logging.ERROR, "tools_app.loop"):
            outcomes = await asyncio.gather(*(executor.call(str(n), "quick", {}) for n in range(2, 12)))
        assert [outcome.result for outcome in outcomes] == ["here"] * 10
        assert not stuck.done()
        assert "An async tool blocks the event loop" in caplog.text
        assert "release.wait(GIVE_UP_SECONDS)" in caplog.text  # the line that is to be mended
        release.set()
        assert (await stuck).result == "at last"


async def test_a_blocked_loop_that_comes_back_ends_with_its_last_tool(make_executor, loop):
    blocked, release = threading.Event(), threading.Event()
    threads = []

    @tool(timeout=GIVE_UP_SECONDS)
    async def blocking() -> None:
        """Forgets to await."""
        threads.append(threading.current_thread())
        blocked.set()
        release.wait(GIVE_UP_SECONDS)

    @tool
    async def quick() -> None:
        """Quick."""

    executor = make_executor()
    stuck = asyncio.create_task(executor.call("1", "blocking", {}))
    await asyncio.to_thread(blocked.wait, GIVE_UP_SECONDS)
    await executor.call("2", "quick", {})
    release.set()
    await stuck
    await asyncio.to_thread(threads[0].join, GIVE_UP_SECONDS)
    assert not threads[0].is_alive()


async def test_loops_that_stay_blocked_are_bounded(loop):
    release, blocked = threading.Event(), threading.Semaphore(0)

    async def block() -> None:
        blocked.release()
        release.wait(GIVE_UP_SECONDS)

    async def quick() -> str:
        return "here"

    stuck = []
    async with asyncio.timeout(GIVE_UP_SECONDS):
        for number in range(3):
            stuck.append(asyncio.create_task(loop.run(block)))
            await asyncio.to_thread(blocked.acquire, timeout=GIVE_UP_SECONDS)
            if number < 2:
                assert await loop.run(quick) == "here"
        with pytest.raises(ToolError, match="still hanging; try again"):
            await loop.run(quick)
        release.set()
        await asyncio.gather(*stuck)
        assert await loop.run(quick) == "here"


async def test_a_call_that_waits_behind_a_blocked_loop_runs_once_and_can_be_cancelled(loop):
    release, blocked, ran = threading.Event(), threading.Event(), []

    async def block() -> None:
        blocked.set()
        release.wait(GIVE_UP_SECONDS)

    async def quick(name: str) -> None:
        ran.append(name)

    async with asyncio.timeout(GIVE_UP_SECONDS):
        stuck = asyncio.create_task(loop.run(block))
        await asyncio.to_thread(blocked.wait, GIVE_UP_SECONDS)
        cancelled = asyncio.create_task(loop.run(lambda: quick("cancelled")))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await loop.run(lambda: quick("moved"))
        release.set()
        await stuck
        await loop.run(lambda: quick("later"))
    assert ran == ["moved", "later"]


async def test_the_database_of_an_async_tool_is_its_own_thread(make_executor):
    """Neither another tool nor Django's shared thread waits for a query that hangs."""
    hanging, release = threading.Event(), threading.Event()

    @tool
    async def slow() -> str:
        """A slow query."""

        def query() -> None:
            hanging.set()
            release.wait(GIVE_UP_SECONDS)

        await sync_to_async(query)()
        return "slow"

    @tool
    async def count() -> int:
        """Counts sessions."""
        return await LiveSession.objects.acount()

    executor = make_executor()
    stuck = asyncio.create_task(executor.call("1", "slow", {}))
    async with asyncio.timeout(GIVE_UP_SECONDS):
        await asyncio.to_thread(hanging.wait, GIVE_UP_SECONDS)
        assert (await executor.call("2", "count", {})).result == 1
        assert await LiveSession.objects.acount() == 1
        assert not stuck.done()
        release.set()
        await stuck


async def test_threads_and_connections_of_an_async_tools_database_are_gone_after_it(make_executor):
    seen = []

    @tool
    async def count() -> int:
        """Counts sessions."""

        def query() -> int:
            number = LiveSession.objects.count()
            seen.append((threading.current_thread(), connection.connection))
            return number

        return await sync_to_async(query)()

    assert (await make_executor().call("1", "count", {})).result == 1
    [(thread, raw)] = seen
    await asyncio.to_thread(thread.join, GIVE_UP_SECONDS)
    assert not thread.is_alive()
    with pytest.raises(Exception, match="closed"):
        await asyncio.to_thread(raw.execute, "SELECT 1")


async def test_one_conversations_calls_are_bounded_and_others_are_not_held_up(make_executor):
    release, most, lock = threading.Event(), [0, 0], threading.Lock()

    @tool(timeout=GIVE_UP_SECONDS)
    def slow() -> None:
        """Slow."""
        with lock:
            most[0] += 1
            most[1] = max(most)
        release.wait(GIVE_UP_SECONDS)
        with lock:
            most[0] -= 1

    @tool
    def quick() -> str:
        """Quick."""
        return "here"

    greedy = make_executor()
    calls = [asyncio.create_task(greedy.call(str(number), "slow", {})) for number in range(3 * AT_ONCE)]
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while most[0] < AT_ONCE:
            await asyncio.sleep(0.01)
        assert (await make_executor().call("1", "quick", {})).result == "here"
        release.set()
        outcomes = await asyncio.gather(*calls)
    assert {outcome.status for outcome in outcomes} == {"ok"}
    assert most[1] == AT_ONCE


# --- The context -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["async", "plain"])
@pytest.mark.parametrize("logged_in", [True, False])
async def test_a_tool_knows_the_sessions_user_and_the_session(transactional_db, kind, logged_in):
    ada = await User.objects.acreate(username="ada")
    session = await LiveSession.objects.acreate(user=ada if logged_in else None, user_label="label")
    if kind == "async":

        @tool
        async def who(context: ToolContext) -> list:
            """Who asks."""
            user, found = await context.auser(), await context.asession()
            return [user.is_authenticated, user.username, found.user_label]

    else:

        @tool
        def who(context: ToolContext) -> list:
            """Who asks."""
            return [context.user.is_authenticated, context.user.username, context.session.user_label]

    executor = ToolExecutor(session_id=session.pk, user_id=session.user_id, allowed=None)
    outcome = await executor.call("1", "who", {})
    await executor.close(timeout=GIVE_UP_SECONDS)
    assert outcome.result == [logged_in, "ada" if logged_in else "", "label"]


async def test_outside_a_conversation_there_is_neither(transactional_db):
    @tool
    async def who(context: ToolContext) -> list:
        """Who asks."""
        return [(await context.auser()).is_authenticated, await context.asession()]

    executor = ToolExecutor(session_id=None, user_id=None, allowed=None)
    assert (await executor.call("1", "who", {})).result == [False, None]
    await executor.close(timeout=GIVE_UP_SECONDS)
