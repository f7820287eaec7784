"""The least on uvicorn: an ASGI application that passes a voice through, without Channels, SDK or features.

What this project takes beside it is the project's own; what this takes beside limit.py is uvicorn's.
"""

import asyncio
import binascii
import os
import ssl
from contextlib import suppress

from websockets.asyncio.client import connect

from .limit import PATH, SETUP, decode

CONTEXT = ssl.create_default_context(cafile=os.environ["GEMINI_CA_FILE"])
GEMINI = os.environ["GEMINI_BASE_URL"].replace("https:", "wss:") + PATH


async def application(scope, receive, send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "gemlive.v1"})
    options = {"ssl": CONTEXT, "compression": None, "ping_interval": None, "max_queue": None}
    async with connect(GEMINI, **options) as gemini:
        await gemini.send(SETUP)
        await gemini.recv()
        await send({"type": "websocket.send", "text": '{"type":"status","data":{"status":"CONNECTED"}}'})

        async def down() -> None:
            with suppress(OSError):
                while True:
                    message = decode(await gemini.recv(decode=False))
                    for part in message.server_content.model_turn.parts:
                        await send({"type": "websocket.send", "bytes": part.inline_data.data})

        task = asyncio.create_task(down())
        try:
            while (message := await receive())["type"] == "websocket.receive":
                if pcm := message.get("bytes"):
                    data = binascii.b2a_base64(pcm, newline=False).decode()
                    await gemini.send(
                        f'{{"realtime_input":{{"audio":{{"data":"{data}","mime_type":"audio/pcm;rate=16000"}}}}}}'
                    )
        finally:
            task.cancel()
