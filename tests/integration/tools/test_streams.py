"""What a tool says before its end: parts of a stream, and progress."""

import asyncio
import threading
import time

import pytest

from tests.waiting import GIVE_UP_SECONDS
from tools_app.context import ToolContext
from tools_app.exceptions import ToolError
from tools_app.models import ToolCall
from tools_app.registry import temporary_tools, tool


@pytest.fixture(autouse=True)
def _own_tools():
    with temporary_tools():
        yield


class Listener:
    """A caller that keeps what it hears."""

    def __init__(self):
        self.told = []
        self.threads = set()

    async def approve(self) -> bool:
        return False

    def progress(self, text):
        self._hear(text)

    def part(self, value):
        self._hear(value)

    def _hear(self, value):
        self.threads.add(threading.get_ident())
        self.told.append(value)


async def test_an_async_generators_values_are_told_one_by_one_and_kept_together(make_executor):
    go_on = threading.Event()
    caller = Listener()

    @tool
    async def stream():
        """Streams."""
        yield {"title": "one"}
        await asyncio.to_thread(go_on.wait, GIVE_UP_SECONDS)
        yield "two"

    executor = make_executor()
    task = asyncio.create_task(executor.call("1", "stream", {}, caller))
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not caller.told:
            await asyncio.sleep(0.01)
        assert caller.told == [{"title": "one"}]
        go_on.set()
        outcome = await task
    assert outcome.response == {"result": [{"title": "one"}, "two"]}
    assert caller.told == [{"title": "one"}, "two"]
    assert caller.threads == {threading.get_ident()}
    await executor.close(timeout=GIVE_UP_SECONDS)
    assert [call.result async for call in ToolCall.objects.all()] == [[{"title": "one"}, "two"]]


@pytest.mark.parametrize("piece", ["x" * 1000, 1])
async def test_an_endless_stream_is_cut_and_closed(make_executor, piece):
    closed, caller = threading.Event(), Listener()

    @tool
    async def endless():
        """Never stops by itself, and never waits."""
        try:
            while True:
                yield piece
        finally:
            closed.set()

    outcome = await make_executor().call("1", "endless", {}, caller)
    assert outcome.status == "ok"
    assert outcome.response["truncated"] is True
    assert closed.is_set()
    assert len(caller.told) <= 100
    assert len(str(caller.told)) < 40_000


@pytest.mark.parametrize(("error", "status"), [(ToolError("Half of it is missing."), "error"), (None, "timeout")])
async def test_a_stream_that_breaks_off_says_so(make_executor, error, status):
    caller, closed = Listener(), threading.Event()

    @tool(timeout=0.2)
    async def breaks():
        """Breaks off."""
        try:
            yield 1
            if error:
                raise error
            await asyncio.Event().wait()
        finally:
            closed.set()

    outcome = await make_executor().call("1", "breaks", {}, caller)
    assert (outcome.status, caller.told) == (status, [1])
    assert closed.is_set()


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_progress_is_told_from_any_thread_and_never_floods(make_executor, kind):
    caller = Listener()
    if kind == "async":

        @tool
        async def busy(context: ToolContext) -> None:
            """Busy."""
            for number in range(100_000):
                context.progress(f"{number} " + "x" * 1000)

    else:

        @tool
        def busy(context: ToolContext) -> None:
            """Busy."""
            for number in range(100_000):
                context.progress(f"{number} " + "x" * 1000)

    started = time.monotonic()
    assert (await make_executor().call("1", "busy", {}, caller)).status == "ok"
    passed = time.monotonic() - started
    assert caller.told[0].startswith("0 x")
    assert len(caller.told) <= 1 + passed / 0.5
    assert max(map(len, caller.told)) == 200
    assert caller.threads == {threading.get_ident()}
