"""The loudspeaker is proved behind the last node before it: what sounds there is what Gemini sent."""

import numpy as np
import soxr

from .browser import heard, open_page, output, play_on
from .far_end import FarEnd
from .page import Wire, open_voice_page, type_message, until
from .sound import correlation, find, pieces, samples

RATE = 24_000


async def ask(page, wire: Wire, far_end: FarEnd, text: str) -> np.ndarray:
    """The reply, once Gemini has sent all of it and it came to the page as it was."""
    before = len(far_end.replies)
    await type_message(page, text)
    await until(lambda: len(far_end.replies) > before)
    sent = b"".join(far_end.replies)
    await until(lambda: sum(map(len, wire.received_audio)) >= len(sent))
    assert b"".join(wire.received_audio) == sent
    return samples(far_end.replies[-1])


async def test_a_reply_is_heard_whole_once_and_at_its_pitch(server, far_end):
    async with open_page() as page:
        wire = await open_voice_page(page, server)
        reply = await ask(page, wire, far_end, "Hello")
        await play_on(page, len(reply) / RATE + 1)
        context = await output(page)
        sound = await heard(page)
    assert context["state"] == "running"
    if context["rate"] != RATE:
        sound = soxr.resample(sound, context["rate"], RATE)
    assert np.abs(reply).max() > 0.2
    start = find(reply, sound)
    assert correlation(sound[start : start + len(reply)], reply) >= 0.99
    assert [len(piece) for piece in pieces(reply, sound, RATE)] == [len(reply)]


async def test_a_reply_that_comes_too_slowly_is_heard_in_pieces_with_nothing_lost_or_doubled(server, emulator, far_end):
    emulator.faults.add("slow_audio", speed=0.7)
    try:
        async with open_page() as page:
            wire = await open_voice_page(page, server)
            reply = await ask(page, wire, far_end, "Hello")
            await play_on(page, 2)
            sound = await heard(page)
    finally:
        emulator.faults.clear()
    parts = pieces(reply, sound, RATE)
    assert len(parts) > 1
    assert sum(map(len, parts)) == len(reply)


async def test_replies_are_heard_in_their_order(server, far_end):
    """Gemini sends faster than is spoken: the second is here before the first has been heard."""
    async with open_page() as page:
        wire = await open_voice_page(page, server)
        first = await ask(page, wire, far_end, "Hello")
        second = await ask(page, wire, far_end, "Thank you")
        await play_on(page, (len(first) + len(second)) / RATE + 1)
        sound = await heard(page)
    both = np.concatenate([first, second])
    assert sum(map(len, pieces(both, sound, RATE))) == len(both)
    start = find(second, sound)
    assert correlation(sound[start : start + len(second)], second) >= 0.99
    assert find(first, sound) + len(first) <= start
