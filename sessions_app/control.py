"""Words to a live conversation from elsewhere: from REST, from another tab, perhaps in another process.

They travel by the channel layer, in a side task of the conversation: a layer that fails (Redis is away) costs these
words, never the voice. The database stays the truth: a session that is gone is noticed at the next write, too.
"""

import asyncio
import logging
from collections.abc import Callable
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

logger = logging.getLogger(__name__)


def _group(session_id: UUID) -> str:
    return f"session.{session_id.hex}"


async def tell(session_id: UUID, word: str, *, sender: str = "") -> None:
    """Say `word` ("end", "takeover") to whoever carries this session."""
    layer = get_channel_layer()
    await layer.group_send(_group(session_id), {"type": word, "sender": sender})


def tell_end(session_id: UUID) -> None:
    """End a live conversation of this session, if there is one; from synchronous code."""
    try:
        async_to_sync(tell)(session_id, "end")
    except Exception:
        logger.exception("The channel layer is away: the conversation ends at its next write instead")


async def listen(session_id: UUID, on_word: Callable[[str], None], *, name: str) -> None:
    """Take over the session from any other listener (not from `name`, which is this one), then hear words for ever."""
    delay = 0.5
    newcomer = True
    while True:
        layer = get_channel_layer()
        try:
            channel = await layer.new_channel()
            await layer.group_add(_group(session_id), channel)
            try:
                if newcomer:  # and only then: one that finds its way back must not end its successor
                    await tell(session_id, "takeover", sender=name)
                    newcomer = False
                while True:
                    message = await layer.receive(channel)
                    delay = 0.5
                    if message.get("sender") != name:
                        on_word(message["type"])
            finally:
                await layer.group_discard(_group(session_id), channel)
        except Exception:
            logger.warning("The channel layer is away; trying again in %.1f s", delay, exc_info=True)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 15)
