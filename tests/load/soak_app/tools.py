"""A tool that is still at work when a connection breaks."""

import asyncio
import random

from tools_app.registry import tool


@tool
async def take_time() -> dict:
    """Take two or three seconds, and say how many it were."""
    seconds = random.uniform(2, 3)
    await asyncio.sleep(seconds)
    return {"seconds": round(seconds, 1)}
