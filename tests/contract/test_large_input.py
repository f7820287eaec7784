"""Points 2 and 14 at their largest: 100 MB, and 300 sends at once. The session of somebody else stays what it was."""

from __future__ import annotations

import asyncio
import ssl
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from websockets.frames import Opcode

from sessions_app.emulator import Emulator
from tests.forms import long_form
from tests.unit.emulator.test_program import program, ready_port
from tests.waiting import GIVE_UP_SECONDS

from .conftest import MODEL, client, raw
from .test_bad_input import BY_HAND, MASK, SETUP, bystander

MEGABYTE = 2**20


@dataclass
class Elsewhere:
    """An emulator in a process of its own."""

    port: int
    ca_file: Path
    process: psutil.Process

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def ssl_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    with program("--speed", "0", "--ears", "phrases", "--ca-out", str(tmp_path / "ca.pem")) as process:
        port = ready_port(process)
        yield Elsewhere(port, tmp_path / "ca.pem", psutil.Process(process.pid))
        process.terminate()
        assert process.communicate(timeout=GIVE_UP_SECONDS)[1] == ""


def head(size: int, *, opcode: Opcode = Opcode.TEXT, fin: bool = True, deflated: bool = False) -> bytes:
    """The head of a client's frame whose size is any."""
    return struct.pack("!BBQ", fin << 7 | deflated << 6 | opcode, 0x80 | 127, size) + MASK


def one_frame() -> Iterator[bytes]:
    yield head(100 * MEGABYTE)
    yield from [b"x" * MEGABYTE] * 100


def fragments() -> Iterator[bytes]:
    piece = bytes(64 * 1024)
    for number in range(1600):
        yield head(len(piece), opcode=Opcode.CONT if number else Opcode.TEXT, fin=number == 1599) + piece


def deflated() -> Iterator[bytes]:
    deflater = zlib.compressobj(wbits=-15)
    data = b"".join(deflater.compress(b"x" * MEGABYTE) for _ in range(100)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    yield head(len(data) - 4, deflated=True) + data[:-4]


@pytest.mark.parametrize("message", [one_frame, fragments, deflated])
async def test_02_hundred_megabytes(elsewhere: Elsewhere, message: Callable[[], Iterator[bytes]]):
    async with bystander(elsewhere):
        async with raw(elsewhere, SETUP | {"realtimeInputConfig": BY_HAND}) as ws:  # what is loaded late is there now
            await ws.send({"realtimeInput": {"activityStart": {}}})
            await ws.send({"realtimeInput": {"activityEnd": {}}})
            await ws.turn()
        before = elsewhere.process.memory_info().rss
        most, close = before, None
        async with raw(elsewhere, SETUP) as ws:
            for piece in message():
                if not ws.websocket.transport.is_closing():
                    ws.websocket.transport.write(piece)
                    await ws.websocket.drain()
                most = max(most, elsewhere.process.memory_info().rss)
            close = await ws.closed()
        most = max(most, elsewhere.process.memory_info().rss)
        assert close[0] == 1009
        assert len(close[1].encode()) <= 123
        assert most - before < 40 * MEGABYTE


# 300 at once.


def chunk(number: int) -> bytes:
    return struct.pack("<H", number) * 320


async def test_14_three_hundred_sends_at_once_in_one_session(emulator: Emulator):
    sdk = client(emulator)
    async with bystander(emulator), sdk.aio.live.connect(model=MODEL) as session:
        kept = emulator.sessions[-1]
        audio = [{"data": chunk(number), "mime_type": "audio/pcm;rate=16000"} for number in range(300)]
        await asyncio.gather(*(session.send_realtime_input(audio=blob) for blob in audio))
        await emulator.until(lambda: kept.received["realtimeInput.audio"] == 300)
        assert chunks(kept.recorded_audio) == list(range(300))
        await session.send_realtime_input(text="hello")
        assert [message async for message in session.receive()][-1].server_content.turn_complete


@pytest.mark.parametrize("count", [100, long_form(300)])
async def test_14_many_sessions_send_at_once(emulator: Emulator, count: int):
    sdk = client(emulator)
    all_are_there = asyncio.Barrier(count)

    async def talk(number: int) -> bool:
        async with sdk.aio.live.connect(model=MODEL) as session:
            await all_are_there.wait()
            for _ in range(3):
                await session.send_realtime_input(audio={"data": chunk(number), "mime_type": "audio/pcm;rate=16000"})
            await session.send_realtime_input(text="hello")
            return [message async for message in session.receive()][-1].server_content.turn_complete

    async with bystander(emulator):
        assert all(await asyncio.gather(*(talk(number) for number in range(count))))
        heard = sorted(chunks(kept.recorded_audio) for kept in list(emulator.all_sessions)[1:])
        assert heard == [[number] * 3 for number in range(count)]


def chunks(audio: bytes) -> list[int]:
    """The numbers of whole chunks, in the order in which they came."""
    pieces = [bytes(audio[start : start + 640]) for start in range(0, len(audio), 640)]
    numbers = [struct.unpack_from("<H", piece)[0] for piece in pieces]
    assert pieces == [chunk(number) for number in numbers]
    return numbers
