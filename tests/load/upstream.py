"""The far end of the benchmark: speaks Gemini Live's wire over TLS and sends each chunk of audio straight back.

python -m tests.load.upstream CA_FILE      prints its port when it listens
"""

import ssl
import sys

import trustme
import uvloop
from websockets.asyncio.server import ServerConnection, serve

SETUP_COMPLETE = b'{\n  "setupComplete": {}\n}\n'
HEAD = b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"'
TAIL = b'"}}]}}}'


async def echo(connection: ServerConnection) -> None:
    await connection.recv()
    await connection.send(SETUP_COMPLETE)
    async for frame in connection:
        start = frame.index('"data":"') + 8 if '"data":"' in frame else frame.index('"data": "') + 9
        await connection.send(HEAD + frame[start : frame.index('"', start)].encode() + TAIL)


async def main(ca_file: str) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(ca_file)
    async with serve(echo, "127.0.0.1", 0, ssl=context, compression=None, ping_interval=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
