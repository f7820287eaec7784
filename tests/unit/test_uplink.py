import asyncio

import pytest

from sessions_app.live.buffers import Uplink, UplinkFull
from tests.waiting import GIVE_UP_SECONDS


async def test_waiting_audio_is_joined():
    uplink = Uplink()
    for sample in (b"\1\0", b"\2\0", b"\3\0"):
        uplink.put_audio(sample)
    assert await uplink.get() == (b"\1\0\2\0\3\0", 16_000)


async def test_audio_of_different_rates_is_not_joined():
    uplink = Uplink()
    uplink.put_audio(b"\1\0", 16_000)
    uplink.put_audio(b"\2\0", 48_000)
    assert [await uplink.get(), await uplink.get()] == [(b"\1\0", 16_000), (b"\2\0", 48_000)]


async def test_a_joined_frame_is_at_most_a_second():
    uplink = Uplink()
    for _ in range(75):
        uplink.put_audio(b"\0" * 1280)
    sizes = [len((await uplink.get())[0]) for _ in range(3)]
    assert sizes == [32_000, 32_000, 32_000]


async def test_beyond_the_bound_the_oldest_audio_is_dropped_and_counted():
    uplink = Uplink(max_seconds=0.1)
    for sample in range(10):
        uplink.put_audio(bytes([sample, 0]) * 320)
    pcm, _ = await uplink.get()
    assert len(pcm) == 3200
    assert pcm[-640:] == bytes([9, 0]) * 320
    assert uplink.dropped_bytes == 3200


async def test_messages_are_kept_when_audio_is_dropped():
    uplink = Uplink(max_seconds=0.01)

    async def message(gemini): ...

    uplink.put_audio(b"\0" * 300)
    uplink.put(message)
    uplink.put_audio(b"\1" * 300)
    assert (await uplink.get()).send is message
    assert await uplink.get() == (b"\1" * 300, 16_000)


async def test_messages_are_bounded_except_those_that_must_go():
    uplink = Uplink(max_messages=1)

    async def message(gemini): ...

    uplink.put(message)
    with pytest.raises(UplinkFull):
        uplink.put(message)
    uplink.put(message, must=True)
    assert [(await uplink.get()).send, (await uplink.get()).send] == [message, message]


async def test_what_was_not_answered_is_said_again_first():
    uplink = Uplink()
    uplink.put_audio(b"\1\0")
    await uplink.get()
    uplink.put_audio(b"\2\0")
    assert uplink.rewind()
    assert await uplink.get() == (b"\1\0\2\0", 16_000)


async def test_what_is_said_again_keeps_its_order():
    async def message(gemini):
        pass

    uplink = Uplink()
    uplink.put_audio(b"\1\0")
    uplink.put(message, kind="text")
    uplink.put_audio(b"\2\0")
    sent = [await uplink.get() for _ in range(3)]
    assert uplink.rewind()
    assert [await uplink.get() for _ in range(3)] == sent


async def test_what_is_answered_is_not_said_again():
    uplink = Uplink()
    for sample in (b"\1\0", b"\2\0"):
        uplink.put_audio(sample)
        await uplink.get()
        if sample == b"\1\0":
            uplink.reply_begins()
    uplink.answered()
    uplink.rewind()
    assert await uplink.get() == (b"\2\0", 16_000)
    uplink.reply_begins()
    uplink.answered()
    assert not uplink.rewind()


async def test_a_message_that_must_not_be_repeated_is_not():
    uplink = Uplink()

    async def message(gemini): ...

    uplink.put(message, kind="once")
    await uplink.get()
    assert not uplink.rewind()


async def test_get_waits():
    uplink = Uplink()
    waiting = asyncio.create_task(uplink.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    uplink.put_audio(b"\1\0")
    async with asyncio.timeout(GIVE_UP_SECONDS):
        assert await waiting == (b"\1\0", 16_000)
