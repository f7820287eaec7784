"""Callers: many voices in real time. Each sends a 40 ms chunk every 40 ms and times its way back.

python -m tests.load.callers URL SESSIONS SECONDS      prints one line when all are connected, one JSON at the end
"""

import asyncio
import json
import struct
import sys
import time

import uvloop
from websockets.asyncio.client import connect

CHUNK_SECONDS = 0.04
CHUNK = bytes(1280)  # 16 kHz, s16le, mono


async def call(url: str, number: int, connected: asyncio.Barrier, seconds: float, latencies: list[float]) -> float:
    """One voice; returns the seconds until it was connected."""
    started = time.perf_counter()
    options = {"compression": None, "ping_interval": None, "max_queue": None, "open_timeout": 60}
    async with connect(url, origin="http://bench", subprotocols=["gemlive.v1"], **options) as socket:
        await socket.send('{"type":"connect"}')
        while '"CONNECTED"' not in await socket.recv():
            pass
        took = time.perf_counter() - started
        await connected.wait()

        async def listen() -> None:
            async for frame in socket:
                if isinstance(frame, bytes):
                    now = time.perf_counter()
                    # Frames that waited may come joined: each chunk carries its own time.
                    for offset in range(0, len(frame), len(CHUNK)):
                        latencies.append(now - struct.unpack_from("<d", frame, offset)[0])

        listening = asyncio.create_task(listen())
        due = time.perf_counter() + number * 0.618 % 1 * CHUNK_SECONDS  # voices do not speak in step
        until = due + seconds
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await socket.send(struct.pack("<d", time.perf_counter()) + CHUNK[8:])
            due += CHUNK_SECONDS
        await asyncio.sleep(0.3)
        listening.cancel()
    return took


async def main(url: str, sessions: int, seconds: float) -> None:
    latencies: list[float] = []
    connected = asyncio.Barrier(sessions + 1)
    dialling = asyncio.Semaphore(10)

    async def caller(number: int) -> float:
        async with dialling:
            await asyncio.sleep(0)
        return await call(url, number, connected, seconds, latencies)

    callers = [asyncio.create_task(caller(number)) for number in range(sessions)]
    await connected.wait()
    print("connected", flush=True)
    took = await asyncio.gather(*callers)
    latencies.sort()
    at = lambda share: latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000  # noqa: E731
    print(
        json.dumps(
            {
                "round_trips": len(latencies),
                "sent": sessions * round(seconds / CHUNK_SECONDS),
                "p50_ms": at(0.5),
                "p99_ms": at(0.99),
                "max_ms": latencies[-1] * 1000,
                "connect_ms": sorted(took)[len(took) // 2] * 1000,
            }
        )
    )


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
