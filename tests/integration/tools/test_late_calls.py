"""What a call's row says of its end: too late, or delivered, or not."""

import asyncio
import contextlib
import re
import threading
from typing import Any

import pytest

from tests.waiting import GIVE_UP_SECONDS
from tools_app.models import ToolCall
from tools_app.registry import temporary_tools, tool


@pytest.fixture(autouse=True)
def _own_tools():
    with temporary_tools():
        yield


async def rows() -> list[dict[str, Any]]:
    return [row async for row in ToolCall.objects.order_by("id").values()]


@pytest.mark.parametrize("when", ["within the grace", "after it"])
@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_a_tool_that_ignored_its_cancellation_and_finished_late_is_told_in_its_row(
    make_executor, monkeypatch, kind, when
):
    """Promise 15: a call that was cancelled stays so, whatever its tool does later."""
    monkeypatch.setattr("tools_app.executor.GRACE_SECONDS", GIVE_UP_SECONDS if when == "within the grace" else 0.05)
    started, release = threading.Event(), threading.Event()
    if kind == "async":

        @tool
        async def stubborn() -> str:
            """Will not be stopped."""
            started.set()
            while not release.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.01)
            return "late"

    else:

        @tool
        def stubborn() -> str:
            """Cannot be stopped."""
            started.set()
            release.wait(GIVE_UP_SECONDS)
            return "late"

    task = asyncio.create_task(make_executor().call("1", "stubborn", {}))
    await asyncio.to_thread(started.wait, GIVE_UP_SECONDS)
    task.cancel()
    if when == "within the grace":
        asyncio.get_running_loop().call_later(0.2, release.set)
    async with asyncio.timeout(GIVE_UP_SECONDS):
        with pytest.raises(asyncio.CancelledError):
            await task
    if not release.is_set():
        assert [row["error"] for row in await rows()] == ["The call was cancelled."]
        release.set()

    async with asyncio.timeout(GIVE_UP_SECONDS):
        while (row := (await rows())[0])["error"] == "The call was cancelled.":
            await asyncio.sleep(0.01)
    sentence = r"The call was cancelled; it finished \d+\.\d s after it was cancelled and its result was dropped\."
    assert re.fullmatch(sentence, row["error"])
    assert (row["status"], row["result"]) == ("cancelled", None)


async def test_a_tool_that_obeys_its_cancellation_is_not_called_late(make_executor):
    started = threading.Event()

    @tool
    async def obedient() -> None:
        """Stops when it is told to."""
        started.set()
        await asyncio.Event().wait()

    executor = make_executor()
    task = asyncio.create_task(executor.call("1", "obedient", {}))
    await asyncio.to_thread(started.wait, GIVE_UP_SECONDS)
    task.cancel()
    await asyncio.wait({task}, timeout=GIVE_UP_SECONDS)
    await executor.close(timeout=GIVE_UP_SECONDS)
    assert [row["error"] for row in await rows()] == ["The call was cancelled."]


async def test_whether_the_model_got_the_answer_is_kept(make_executor):
    @tool
    async def add() -> int:
        """Adds."""
        return 3

    executor = make_executor()
    for call_id in ("got", "dropped", "unknown"):
        await executor.call(call_id, "add", {})
    executor.delivered("got", True)
    executor.delivered("dropped", False)
    executor.delivered("never called", True)
    executor.delivered("got", False)  # said once
    await executor.close(timeout=GIVE_UP_SECONDS)
    found = {row["call_id"]: (row["status"], row["delivered"]) for row in await rows()}
    assert found == {"got": ("ok", True), "dropped": ("ok", False), "unknown": ("ok", None)}
