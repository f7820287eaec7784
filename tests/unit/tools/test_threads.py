import asyncio
import contextvars
import threading

import pytest

from tests.waiting import GIVE_UP_SECONDS
from tools_app.exceptions import ToolError
from tools_app.threads import ToolThreads


async def test_no_more_than_the_limit_at_once_and_all_come_to_their_turn():
    threads = ToolThreads(limit=2)
    lock, at_work, most = threading.Lock(), 0, 0
    together = threading.Barrier(2)

    def work():
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        together.wait(GIVE_UP_SECONDS)
        with lock:
            at_work -= 1
        return 1

    async with asyncio.timeout(GIVE_UP_SECONDS):
        assert sum(await asyncio.gather(*(threads.run(work) for _ in range(6)))) == 6
    assert most == 2


async def test_a_hanging_call_that_is_given_up_frees_its_place():
    threads = ToolThreads(limit=1)
    started, release = threading.Event(), threading.Event()

    def hang():
        started.set()
        release.wait(GIVE_UP_SECONDS)

    hanging = asyncio.create_task(threads.run(hang))
    async with asyncio.timeout(GIVE_UP_SECONDS):
        await asyncio.to_thread(started.wait, GIVE_UP_SECONDS)
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert await threads.run(lambda: "next") == "next"
    release.set()


async def test_a_waiting_call_that_is_cancelled_never_starts():
    threads = ToolThreads(limit=1)
    release = threading.Event()
    ran = []
    first = asyncio.create_task(threads.run(lambda: release.wait(GIVE_UP_SECONDS)))
    second = asyncio.create_task(threads.run(lambda: ran.append("second")))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    release.set()
    async with asyncio.timeout(GIVE_UP_SECONDS):
        await first
        await threads.run(lambda: ran.append("third"))
    assert ran == ["third"]


async def test_too_many_hanging_calls_are_an_error_and_not_a_leak():
    threads = ToolThreads(limit=2, max_abandoned=2)
    release = threading.Event()
    for _ in range(2):
        started = threading.Event()
        task = asyncio.create_task(threads.run(lambda started=started: (started.set(), release.wait(GIVE_UP_SECONDS))))
        await asyncio.to_thread(started.wait, GIVE_UP_SECONDS)
        task.cancel()
        await asyncio.wait({task})
    with pytest.raises(ToolError, match="still hanging"):
        await threads.run(lambda: 1)
    release.set()
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while True:
            try:
                assert await threads.run(lambda: 1) == 1
                break
            except ToolError:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("error", [ValueError("x"), StopIteration("x"), SystemExit(3), KeyboardInterrupt()])
async def test_whatever_is_raised_comes_back(error):
    def work():
        raise error

    async def caught():
        try:
            await ToolThreads().run(work)
        except BaseException as error:
            return error

    found = await caught()
    assert type(found) is (RuntimeError if isinstance(error, StopIteration) else type(error))


async def test_context_variables_reach_the_thread():
    variable = contextvars.ContextVar("variable", default="none")
    variable.set("mine")
    assert await ToolThreads().run(variable.get) == "mine"
