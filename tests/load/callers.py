"""Callers: many voices in real time. Each sends a 40 ms chunk every 40 ms and times its way back.

python -m tests.load.callers URL SESSIONS SECONDS            callers at a server's page protocol
python -m tests.load.callers URL SESSIONS SECONDS CA_FILE    callers at Gemini's own wire, in a noisy room

A chunk that comes back is timed; where none does, since the far end only listens, pings are.

Prints one line when all are connected, one JSON at the end.
"""

import asyncio
import base64
import json
import ssl
import struct
import sys
import time
from collections.abc import Callable, Iterable

import msgspec
import numpy as np
import uvloop
from websockets.asyncio.client import ClientConnection, connect

from .limit import SETUP, decode

CHUNK_SECONDS = 0.04
CHUNK = bytes(1280)  # 16 kHz, s16le, mono
OPTIONS = {"compression": None, "ping_interval": None, "max_queue": None, "open_timeout": 60}


class Page:
    """A browser at our server."""

    options = {"origin": "http://bench", "subprotocols": ["gemlive.v1"]}

    def __init__(self) -> None:
        self.speech = CHUNK

    async def begin(self, socket: ClientConnection) -> None:
        await socket.send('{"type":"connect"}')
        while '"CONNECTED"' not in await socket.recv():
            pass

    async def meanwhile(self, socket: ClientConnection, number: int) -> None:
        """What else it does while it speaks."""

    def frame(self, chunk: bytes) -> bytes | str:
        return chunk

    def audio(self, frame: bytes | str) -> Iterable[bytes]:
        return [frame] if isinstance(frame, bytes) else []


class Gemini(Page):
    """A google-genai program at the emulator."""

    def __init__(self, ca_file: str) -> None:
        self.options = {"ssl": ssl.create_default_context(cafile=ca_file), "proxy": None}
        # Loud enough to be listened to, and no voice: what understanding costs is another question.
        self.speech = np.random.default_rng(1).normal(0, 400, 160_000).astype("<i2").tobytes()

    async def begin(self, socket: ClientConnection) -> None:
        await socket.send(SETUP)
        await socket.recv()

    def frame(self, chunk: bytes) -> bytes | str:
        data = base64.b64encode(chunk).decode()
        return f'{{"realtime_input":{{"audio":{{"data":"{data}","mime_type":"audio/pcm;rate=16000"}}}}}}'

    def audio(self, frame: bytes | str) -> Iterable[bytes]:
        try:
            return [part.inline_data.data for part in decode(frame).server_content.model_turn.parts]
        except msgspec.ValidationError:  # what is no audio
            return []


async def call(
    wire: Page,
    url: str,
    number: int,
    connected: asyncio.Barrier,
    seconds: float,
    arrived: Callable[[float], None],
    pinged: Callable[[float], None],
) -> float:
    """One voice; returns the seconds until it was connected."""
    started = time.perf_counter()
    async with connect(url, **OPTIONS, **wire.options) as socket:
        await wire.begin(socket)
        took = time.perf_counter() - started
        await connected.wait()

        async def listen() -> None:
            async for frame in socket:
                for audio in wire.audio(frame):
                    now = time.perf_counter()
                    # Frames that waited may come joined: each chunk carries its own time.
                    for offset in range(0, len(audio) // len(CHUNK) * len(CHUNK), len(CHUNK)):
                        sent = struct.unpack_from("<d", audio, offset)[0]
                        if 0 <= now - sent < 600:  # speech of a reply carries no time
                            arrived(now - sent)

        async def ping() -> None:
            while True:
                await asyncio.sleep(1)
                pinged(await (await socket.ping()))

        listening = [asyncio.create_task(task) for task in (listen(), ping(), wire.meanwhile(socket, number))]
        due = time.perf_counter() + number * 0.618 % 1 * CHUNK_SECONDS  # voices do not speak in step
        until, position = due + seconds, number * len(CHUNK)
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            position = position % (len(wire.speech) - len(CHUNK) + 1)
            chunk = struct.pack("<d", time.perf_counter()) + wire.speech[position + 8 : position + len(CHUNK)]
            await socket.send(wire.frame(chunk))
            due, position = due + CHUNK_SECONDS, position + len(CHUNK)
        await asyncio.sleep(0.3)
        for task in listening:
            task.cancel()
    return took


async def main(wire: Page, url: str, sessions: int, seconds: float) -> None:
    latencies: list[float] = []
    pings: list[float] = []
    connected = asyncio.Barrier(sessions + 1)
    dialling = asyncio.Semaphore(10)

    async def caller(number: int) -> float:
        async with dialling:
            await asyncio.sleep(0)
        return await call(wire, url, number, connected, seconds, latencies.append, pings.append)

    callers = [asyncio.create_task(caller(number)) for number in range(sessions)]
    everybody = asyncio.create_task(connected.wait())
    await asyncio.wait([everybody, *callers], return_when=asyncio.FIRST_COMPLETED)
    for failed in callers:
        if failed.done():  # before it could speak: the others would wait for it for ever
            failed.result()
    print("connected", flush=True)
    took = await asyncio.gather(*callers)
    round_trips = len(latencies)
    latencies = sorted(latencies or pings)
    at = lambda share: latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000  # noqa: E731
    print(
        json.dumps(
            {
                "round_trips": round_trips,
                "sent": sessions * round(seconds / CHUNK_SECONDS),
                "p50_ms": at(0.5),
                "p99_ms": at(0.99),
                "max_ms": latencies[-1] * 1000,
                "connect_ms": sorted(took)[len(took) // 2] * 1000,
            }
        )
    )


if __name__ == "__main__":
    url, sessions, seconds, *ca = sys.argv[1:]
    uvloop.run(main(Gemini(*ca) if ca else Page(), url, int(sessions), float(seconds)))
