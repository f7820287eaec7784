"""Servers that answer to do harm: each costs a bounded time and amount, and ends in a sentence."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import psutil
import pytest

from tests.waiting import GIVE_UP_SECONDS
from tools_app.http import MAX_BYTES, HttpClient, HttpError

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
PIECE = 64 * 1024


async def drip(write) -> None:
    await write(OK + b"\r\n")
    while True:
        await write(b"x")
        await asyncio.sleep(0.01)


async def headers_without_end(write) -> None:
    await write(OK)
    while True:
        await write(b"X-Padding: " + b"a" * 1000 + b"\r\n")


async def one_header_without_end(write) -> None:
    await write(OK + b"X-Padding: ")
    while True:
        await write(b"a" * PIECE)


async def body_without_end(write) -> None:
    await write(OK + b"\r\n")
    while True:
        await write(b"a" * PIECE)


async def chunks_without_end(write) -> None:
    await write(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        await write(b"10000\r\n" + b"a" * PIECE + b"\r\n")


async def chunk_extension_without_end(write) -> None:
    await write(OK + b"Transfer-Encoding: chunked\r\n\r\n1;")
    while True:
        await write(b"a" * PIECE)


async def trailers_without_end(write) -> None:
    await write(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n")
    while True:
        await write(b"X-Padding: " + b"a" * 1000 + b"\r\n")


async def interim_answers_without_end(write) -> None:
    while True:
        await write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 20)


def once(answer: bytes) -> Callable:
    async def behave(write) -> None:
        await write(answer)

    behave.__name__ = answer[:30].decode("ascii", "replace")
    return behave


BEHAVIOURS = [
    (drip, "did not answer within"),
    (headers_without_end, "cannot be reached"),
    (one_header_without_end, "cannot be reached"),
    (body_without_end, "more than 1024 KB"),
    (chunks_without_end, "more than 1024 KB"),
    (chunk_extension_without_end, "cannot be reached"),
    (trailers_without_end, "cannot be reached"),
    (interim_answers_without_end, "did not answer within"),
    (once(b"<html>HTTP/0.9 has no status line</html>"), "cannot be reached"),
    (once(b"HTTP/1.1 -1 No\r\n\r\n"), "cannot be reached"),
    (once(b"ICY 200 OK\r\n\r\n"), "cannot be reached"),
    (once(OK + b"Content-Length: 10\r\nContent-Length: 20\r\n\r\n0123456789"), "cannot be reached"),
    (once(OK + b"Content-Length: 10\r\n\r\nshort"), "cannot be reached"),
    (once(OK + b"Transfer-Encoding: gzip\r\n\r\nx"), "cannot be reached"),
    (once(OK + b"Content-Encoding: gzip\r\n\r\nx"), "compressed answer"),
    (once(OK + b"Content-Encoding: identity, gzip\r\n\r\nx"), "compressed answer"),
    (once(OK + b"No colon here\r\n\r\n"), "cannot be reached"),
    (once(b""), "cannot be reached"),
]


@pytest.fixture
async def serve(settings) -> AsyncIterator[Callable]:
    """`url = await serve(behaviour)`"""
    servers: list[asyncio.Server] = []
    answers: set[asyncio.Task] = set()

    async def start(behaviour: Callable) -> str:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            answers.add(asyncio.current_task())

            async def write(data: bytes) -> None:
                writer.write(data)
                await writer.drain()

            with suppress(OSError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                await behaviour(write)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        servers.append(server)
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings.TOOLS_PRIVATE_HOSTS = [host]
        return f"http://{host}/"

    yield start
    for server in servers:
        server.close()
    # Each ends by itself, because its client has gone.
    if answers:
        async with asyncio.timeout(GIVE_UP_SECONDS):
            await asyncio.wait(answers)


@pytest.mark.parametrize(("behaviour", "sentence"), BEHAVIOURS, ids=lambda value: getattr(value, "__name__", ""))
async def test_a_hostile_answer_is_a_sentence_within_the_limits(serve, behaviour, sentence):
    url = await serve(behaviour)
    before = psutil.Process().memory_info().rss
    async with asyncio.timeout(GIVE_UP_SECONDS):
        with pytest.raises(HttpError, match=sentence):
            await HttpClient().request("GET", url, timeout=1)
    assert psutil.Process().memory_info().rss - before < 20 * MAX_BYTES


async def test_an_answer_of_exactly_the_limit_is_taken(serve):
    url = await serve(once(OK + b"Content-Length: %d\r\n\r\n" % MAX_BYTES + b"a" * MAX_BYTES))
    assert len((await HttpClient().request("GET", url)).content) == MAX_BYTES


async def test_json_that_nests_without_end_is_a_sentence(serve):
    url = await serve(once(OK + b"\r\n" + b"[" * 200_000))
    with pytest.raises(HttpError, match="did not answer in JSON"):
        await HttpClient().get_json(url)
