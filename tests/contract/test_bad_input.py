"""Point 2 at its worst: garbage, and connections that are cut in half.

What each test throws at the emulator must not reach the session of somebody else, who was there before.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from sessions_app.emulator import Emulator
from tests.waiting import GIVE_UP_SECONDS

from .conftest import MODEL, PATH, Raw, raw

SETUP = {"model": f"models/{MODEL}", "outputAudioTranscription": {}}
HELLO = {"realtimeInput": {"text": "hello"}}
NOT_JSON = "Invalid JSON payload received."
MEGABYTE = 2**20
BY_HAND = {"automaticActivityDetection": {"disabled": True}}
MASK = bytes(4)  # clients must mask; with zeros nothing has to be computed


async def assert_hello(ws: Raw) -> None:
    """A full answer, to its last word and `turnComplete`."""
    await ws.send(HELLO)
    contents = [message.get("serverContent", {}) for message in await ws.turn()]
    said = "".join(content.get("outputTranscription", {}).get("text", "") for content in contents)
    assert said == "Hello! How can I help you?"
    assert any("modelTurn" in content for content in contents)
    assert any("generationComplete" in content for content in contents)


@asynccontextmanager
async def bystander(emulator: Emulator | Any) -> AsyncIterator[None]:
    async with asyncio.timeout(GIVE_UP_SECONDS), raw(emulator, SETUP, ping_interval=None) as ws:
        yield
        await assert_hello(ws)


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        pytest.param(b"\x00\x01\x02\xfe\xff", NOT_JSON, id="binary junk"),
        pytest.param(bytes(range(256)) * 1000, NOT_JSON, id="much binary junk"),
        pytest.param("", NOT_JSON, id="empty text"),
        pytest.param(b"", NOT_JSON, id="empty binary"),
        pytest.param(" \n\t", NOT_JSON, id="blank"),
        pytest.param("\0", NOT_JSON, id="NUL"),
        pytest.param('{"setup": {"model": "models/', NOT_JSON, id="truncated"),
        pytest.param('{"setup": {}} {"setup": {}}', NOT_JSON, id="two in one"),
        pytest.param("{'setup': {}}", NOT_JSON, id="Python"),
        pytest.param("\ufeff{}", NOT_JSON, id="byte order mark"),
        pytest.param("[" * 1_000_000, NOT_JSON, id="deep and open"),
        pytest.param('{"setup": ' + "[" * 50_000 + "]" * 50_000 + "}", NOT_JSON, id="deep lists"),
        pytest.param('{"setup": ' * 150 + "1" + "}" * 150, NOT_JSON, id="deep objects"),
        pytest.param(b'{"setup": {"model": "\xff\xfe"}}', NOT_JSON, id="not UTF-8, value"),
        pytest.param(b'{"\xc3": {}}', NOT_JSON, id="not UTF-8, key"),
        pytest.param(r'{"setup": {"model": "\ud800"}}', NOT_JSON, id="lone surrogate, value"),
        pytest.param(r'{"\udfff": {}}', NOT_JSON, id="lone surrogate, key"),
        pytest.param("[]", NOT_JSON, id="a list"),
        pytest.param("5", NOT_JSON, id="a number"),
        pytest.param('"setup"', NOT_JSON, id="a string"),
        pytest.param("null", NOT_JSON, id="null"),
        pytest.param('{"setup": {"generationConfig": {"topP": NaN}}}', NOT_JSON, id="NaN"),
        pytest.param('{"setup": {"generationConfig": {"topP": -Infinity}}}', NOT_JSON, id="Infinity"),
        pytest.param('{"setup": {"generationConfig": {"topP": 1e400}}}', NOT_JSON, id="overflow"),
        pytest.param(f'{{"setup": {{"model": {"9" * 5000}}}}}', NOT_JSON, id="5,000 digits"),
        pytest.param(f'{{"setup": {{"model": {"9" * 4000}}}}}', "Invalid value at 'setup.model'", id="4,000 digits"),
        pytest.param('{"setup": {}, "setup": 5}', "Invalid value at 'setup' (TYPE_MESSAGE), 5", id="duplicate key"),
        pytest.param('{"setup": {}, "x": 1, "x": 2}', NOT_JSON + ' Unknown name "x"', id="duplicate unknown key"),
        pytest.param(json.dumps({"é" * 1000: 1}), NOT_JSON + ' Unknown name "é', id="long key"),
        pytest.param(json.dumps({"x" * MEGABYTE: 1}), NOT_JSON + ' Unknown name "xxx', id="endless key"),
        pytest.param('{"setup": null}', "Request contains an invalid argument.", id="null setup"),
        pytest.param('{"setup": {}, "realtimeInput": {}}', "Request contains an invalid argument.", id="two at once"),
    ],
)  # fmt: skip
async def test_02_garbage_before_setup(emulator: Emulator, frame: str | bytes, sentence: str):
    async with bystander(emulator), raw(emulator) as ws:
        await ws.send(frame)
        code, reason = await ws.closed()
        assert code == 1007
        assert reason.startswith(sentence)
        assert len(reason.encode()) <= 123
        await emulator.until(lambda: len(emulator.sessions) == 1)


# Connections that are cut.


def text(message: str | bytes, **options: bool) -> bytes:
    """A client's frame, as it goes over the wire."""
    data = message.encode() if isinstance(message, str) else message
    return Frame(Opcode.TEXT, data, **options).serialize(mask=True)


class Line:
    """TLS by hand, so that a record can be cut anywhere."""

    def __init__(self, emulator: Emulator):
        self._emulator = emulator
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = emulator.ssl_context().wrap_bio(self._incoming, self._outgoing, server_hostname="127.0.0.1")

    async def open(self) -> Line:
        self._reader, self.writer = await asyncio.open_connection("127.0.0.1", self._emulator.port)
        return self

    def client_hello(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._outgoing.read()

    def record(self, data: bytes) -> bytes:
        self._tls.write(data)
        return self._outgoing.read()

    async def shake_hands(self) -> None:
        await self._with_tls(self._tls.do_handshake)

    async def read(self) -> bytes:
        return await self._with_tls(lambda: self._tls.read(65536))

    async def _with_tls(self, action: Callable) -> bytes:
        while True:
            try:
                result = action()
            except ssl.SSLWantReadError:
                self.writer.write(self._outgoing.read())
                self._incoming.write(await self._reader.read(65536))
            else:
                self.writer.write(self._outgoing.read())
                return result

    async def read_until(self, end: bytes) -> None:
        got = b""
        while end not in got:
            got += await self.read()

    async def end(self) -> None:
        """Send no more, and wait until the emulator has hung up."""
        self.writer.write_eof()
        while await self._reader.read(65536):
            pass
        self.writer.close()

    async def reset(self) -> None:
        linger = struct.pack("ii", 1, 0)  # the kernel throws away what is under way and sends RST
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


UPGRADE = (
    f"GET {PATH}?key=k HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
).encode()
POST = b'POST /v1beta/auth_tokens HTTP/1.1\r\nHost: x\r\nx-goog-api-key: k\r\nContent-Length: 20\r\n\r\n{"uses": 1'


@contextmanager
def nothing_left() -> Iterator[Callable[[], bool]]:
    """Yields a check for tasks and threads that were not there before."""
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    yield lambda: asyncio.all_tasks() <= tasks and set(threading.enumerate()) <= threads


@pytest.mark.parametrize("cut", ["nothing", "hello", "record", "request", "body"])
async def test_02_cut_before_it_is_a_websocket(emulator: Emulator, cut: str):
    async with bystander(emulator):
        await assert_listening(emulator)
        with nothing_left() as nothing:
            line = await Line(emulator).open()
            if cut == "hello":
                hello = line.client_hello()
                line.writer.write(hello[: len(hello) // 2])
            elif cut != "nothing":
                await line.shake_hands()
                record = line.record({"record": UPGRADE, "request": UPGRADE[:100], "body": POST}[cut])
                line.writer.write(record[: len(record) // 2] if cut == "record" else record)
            await line.end()
            await emulator.until(nothing)
        assert len(emulator.sessions) == len(emulator.all_sessions) == 1


@pytest.mark.parametrize("after_setup", [False, True])
@pytest.mark.parametrize("hang_up", [Line.end, Line.reset])
@pytest.mark.parametrize(
    "half",
    [
        pytest.param(text(json.dumps(HELLO))[:1], id="one byte"),
        pytest.param(text(json.dumps(HELLO))[:-10], id="half a frame"),
        pytest.param(text(bytes(100_000))[:8], id="head of a long frame"),
        pytest.param(text('{"realtimeInput": ', fin=False), id="half a message"),
        pytest.param(Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True)[:-1], id="half a close"),
        pytest.param(b"", id="between frames"),
    ],
)
async def test_02_cut_in_a_frame(emulator: Emulator, half: bytes, hang_up: Callable, after_setup: bool):
    async with bystander(emulator):
        await assert_listening(emulator)
        with nothing_left() as nothing:
            line = await Line(emulator).open()
            await line.shake_hands()
            line.writer.write(line.record(UPGRADE))
            await line.read_until(b"\r\n\r\n")
            if after_setup:
                line.writer.write(line.record(text(json.dumps({"setup": SETUP}))))
                await line.read_until(b"setupComplete")
            # The pong says that what came in the same record was read.
            line.writer.write(line.record(Frame(Opcode.PING, b"are you there").serialize(mask=True) + half))
            await line.read_until(b"are you there")
            await hang_up(line)
            await emulator.until(lambda: len(emulator.sessions) == 1)
            await emulator.until(nothing)
        assert len(emulator.all_sessions) == 2


async def test_02_nothing_is_heard_after_a_refusal(emulator: Emulator):
    after = [text(json.dumps({"clientContent": {"turns": [{"role": "nobody"}]}})), text(json.dumps(HELLO))]
    async with bystander(emulator):
        with nothing_left() as nothing:
            async with raw(emulator, SETUP, ping_interval=None) as ws:
                refused = emulator.sessions[-1]
                ws.websocket.transport.write(b"".join(after))  # both are there before the first is read
                assert await ws.closed() == (1007, "Please use a valid role: user, model.")
            await emulator.until(nothing)
        assert refused.received == {"setup": 1, "clientContent": 1}


async def assert_listening(emulator: Emulator) -> None:
    """Everything that is started on first use has been started."""
    await emulator.hear(bytes(3200), "")
