"""The limit: the least that Python's `websockets` needs to pass a voice through. No framework, no SDK, no features.

python -m tests.load.limit UPSTREAM_PORT CA_FILE      prints its port when it listens
"""

import asyncio
import binascii
import ssl
import sys

import msgspec
import uvloop
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=bench"
SETUP = '{"setup": {"model": "models/gemini-3.8-live"}}'


class InlineData(msgspec.Struct, rename="camel"):
    data: bytes


class Part(msgspec.Struct, rename="camel"):
    inline_data: InlineData


class ModelTurn(msgspec.Struct):
    parts: list[Part]


class ServerContent(msgspec.Struct, rename="camel"):
    model_turn: ModelTurn


class Message(msgspec.Struct, rename="camel"):
    server_content: ServerContent


decode = msgspec.json.Decoder(Message).decode


async def main(upstream_port: str, ca_file: str) -> None:
    context = ssl.create_default_context(cafile=ca_file)

    async def carry(browser: ServerConnection) -> None:
        options = {"ssl": context, "compression": None, "ping_interval": None, "max_queue": None}
        async with connect(f"wss://127.0.0.1:{upstream_port}{PATH}", **options) as gemini:
            await gemini.send(SETUP)
            await gemini.recv()
            await browser.send('{"type":"status","data":{"status":"CONNECTED"}}')

            async def down() -> None:
                while True:
                    message = decode(await gemini.recv(decode=False))
                    for part in message.server_content.model_turn.parts:
                        await browser.send(part.inline_data.data)

            task = asyncio.create_task(down())
            try:
                async for frame in browser:
                    if isinstance(frame, bytes):
                        data = binascii.b2a_base64(frame, newline=False).decode()
                        await gemini.send(
                            f'{{"realtime_input":{{"audio":{{"data":"{data}","mime_type":"audio/pcm;rate=16000"}}}}}}'
                        )
            finally:
                task.cancel()

    async with serve(carry, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
