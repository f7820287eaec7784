"""Each writes to the file of RELIABILITY_TRACE when it begins and how it ends."""

import asyncio
import os
import time

from tools_app.context import ToolContext
from tools_app.registry import tool


def trace(line: str) -> None:
    with open(os.environ["RELIABILITY_TRACE"], "a") as file:
        file.write(line + "\n")


@tool
async def order(item: str) -> dict:
    """Order something. Takes a second, and must not happen twice."""
    trace(f"order {item}")
    await asyncio.sleep(1)
    return {"number": 7, "item": item}


@tool
async def wait_for(thing: str) -> dict:
    """Wait until the file of this name stands beside the trace."""
    trace(f"begin {thing}")
    try:
        while not os.path.exists(f"{os.environ['RELIABILITY_TRACE']}.{thing}"):
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        trace(f"cancelled {thing}")
        raise
    trace(f"end {thing}")
    return {"thing": thing}


@tool(behavior="NON_BLOCKING", scheduling="WHEN_IDLE")
async def look_up(thing: str) -> dict:
    """Nobody needs to wait for it."""
    return {"thing": thing}


@tool
def hang(how: str) -> dict:
    """Hang for five seconds: sleeping, spinning, or in the database."""
    trace(f"hang {how}")
    until = time.monotonic() + 5
    if how == "spinning":
        while time.monotonic() < until:
            pass
    elif how == "counting":
        from django.db import connection

        with connection.cursor() as cursor:
            sql = (
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 20000000) SELECT count(*) FROM n"
            )
            cursor.execute(sql)
    else:
        time.sleep(5)
    return {"how": how}


@tool(approval=True)
def refund(item: str) -> dict:
    """Give the money back."""
    trace(f"refund {item}")
    return {"item": item}


@tool(approval=True)
def refund_everything_that_was_ordered_by_the_customer(customer: str, reason: str) -> dict:
    """Give all the money back, for everything that this customer has ever ordered, in whatever shop."""
    return {"customer": customer, "reason": reason}


@tool(behavior="NON_BLOCKING", scheduling="INTERRUPT")
async def find(context: ToolContext, thing: str):
    """Find a thing in two places, one after the other."""
    context.progress(f"Looking for {thing}…")
    for place in ("the cellar", "the attic"):
        trace(f"look into {place}")
        while not os.path.exists(f"{os.environ['RELIABILITY_TRACE']}.{place}"):
            await asyncio.sleep(0.02)
        yield {"place": place}


@tool
async def block_loop() -> dict:
    """Forget to await: hold up the event loop for five seconds."""
    trace("block")
    time.sleep(5)
    return {}
