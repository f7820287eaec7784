"""Each writes to the file of RELIABILITY_TRACE when it begins and how it ends."""

import asyncio
import os
import threading
import time

from django.db import OperationalError, connection

from tools_app.context import ToolContext
from tools_app.registry import tool


class Trace:
    """Of the test that ran when the tool began: its folder may be a link, which the next test makes anew."""

    def __init__(self):
        folder, name = os.path.split(os.environ["RELIABILITY_TRACE"])
        self._path = os.path.join(os.path.realpath(folder), name)

    def write(self, line: str) -> None:
        with open(self._path, "a") as file:
            file.write(line + "\n")

    def released(self, thing: str) -> bool:
        """The file of this name stands beside the trace, or the test is over."""
        return os.path.exists(f"{self._path}.{thing}") or os.path.exists(f"{self._path}.over")


@tool
async def order(item: str) -> dict:
    """Order something. Takes a second, and must not happen twice."""
    Trace().write(f"order {item}")
    await asyncio.sleep(1)
    return {"number": 7, "item": item}


@tool
async def wait_for(thing: str) -> dict:
    """Wait until it is released."""
    trace = Trace()
    trace.write(f"begin {thing}")
    try:
        while not trace.released(thing):
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        trace.write(f"cancelled {thing}")
        raise
    trace.write(f"end {thing}")
    return {"thing": thing}


@tool(behavior="NON_BLOCKING", scheduling="WHEN_IDLE")
async def look_up(thing: str) -> dict:
    """Nobody needs to wait for it."""
    return {"thing": thing}


@tool
def hang(how: str) -> dict:
    """Hang until it is released: sleeping, spinning, or in the database."""
    trace = Trace()
    trace.write(f"hang {how}")
    if how == "spinning":
        while not trace.released(how):
            for _ in range(100_000):
                pass
    elif how == "counting":
        count_until(lambda: trace.released(how))
    else:
        while not trace.released(how):
            time.sleep(0.02)
    return {"how": how}


def count_until(released) -> None:
    """A query of SQLite without an end, until it is interrupted."""
    interrupted = threading.Event()

    def interrupt() -> None:
        while not interrupted.wait(0.02):
            if released():
                connection_of_query.interrupt()

    with connection.cursor() as cursor:
        connection_of_query = connection.connection
        threading.Thread(target=interrupt, daemon=True).start()
        try:
            cursor.execute("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n")
        except OperationalError:
            return
        finally:
            interrupted.set()


@tool(approval=True)
def refund(item: str) -> dict:
    """Give the money back."""
    Trace().write(f"refund {item}")
    return {"item": item}


@tool(approval=True)
def refund_everything_that_was_ordered_by_the_customer(customer: str, reason: str) -> dict:
    """Give all the money back, for everything that this customer has ever ordered, in whatever shop."""
    return {"customer": customer, "reason": reason}


@tool(behavior="NON_BLOCKING", scheduling="INTERRUPT")
async def find(context: ToolContext, thing: str):
    """Find a thing in two places, one after the other."""
    trace = Trace()
    context.progress(f"Looking for {thing}…")
    for place in ("the cellar", "the attic"):
        trace.write(f"look into {place}")
        while not trace.released(place):
            await asyncio.sleep(0.02)
        yield {"place": place}


@tool
async def block_loop() -> dict:
    """Forget to await: hold up the event loop until it is released."""
    trace = Trace()
    trace.write("block")
    while not trace.released("block"):
        time.sleep(0.02)
    return {}
