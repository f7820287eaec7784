"""A tool that is still at work when a connection breaks."""

import asyncio
import random
import time
from typing import Literal

from django.db import connection

from tools_app.registry import tool

BLOCKS_SECONDS = 8


@tool
async def take_time() -> dict:
    """Take two or three seconds, and say how many it were."""
    seconds = random.uniform(2, 3)
    await asyncio.sleep(seconds)
    return {"seconds": round(seconds, 1)}


@tool(behavior="NON_BLOCKING", scheduling="SILENT")
async def do_nothing() -> dict:
    """Do nothing."""
    return {}


@tool(behavior="NON_BLOCKING", scheduling="SILENT")
def do_nothing_plainly() -> dict:
    """Do nothing, in a thread."""
    return {}


@tool(behavior="NON_BLOCKING", scheduling="SILENT")
def block(how: Literal["sleeping", "counting", "spinning"]) -> dict:
    """Hold up a thread for some seconds."""
    until = time.monotonic() + BLOCKS_SECONDS
    while time.monotonic() < until:
        if how == "sleeping":
            time.sleep(until - time.monotonic())
        elif how == "counting":
            with connection.cursor() as cursor:
                numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 1000000)"
                cursor.execute(f"{numbers} SELECT count(*) FROM n")
    return {}
