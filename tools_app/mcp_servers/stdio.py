"""A process of an MCP server, over its stdin and stdout.

The SDK's own transport collects a line without a limit (and in quadratic time), and lets stderr go to the terminal.
The protocol: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#stdio
"""

import asyncio
import contextlib
import os
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

# Lines on stdout that are no messages: somebody's print() is forgiven, a stream of them is not.
MAX_GARBAGE = 20
LOG_LINES_A_MINUTE = 60
LOG_LINE_LENGTH = 500
# What a server may take to end once its stdin is closed, and again once it was told by a signal.
END_SECONDS = 2.0
# Ends the server's process group when we are gone, however we went (SIGKILL, too): its stdin closes then.
GUARD = 'read _; sleep 2; kill -KILL "-$1"'

Say = Callable[[str], None]


@asynccontextmanager
async def stdio_transport(
    command: list[str], env: dict[str, str], cwd: str | None, max_bytes: int, say: Say, ended: Say
) -> AsyncIterator[Any]:
    """Streams of messages, none of them longer than `max_bytes`. Raises OSError if it cannot be started.

    `say` gets what it writes to stderr, in lines; `ended` why its stdout has come to its end.
    """
    process = await asyncio.create_subprocess_exec(
        *command, env=get_default_environment() | env, cwd=cwd,
        stdin=PIPE, stdout=PIPE, stderr=PIPE, limit=max_bytes, start_new_session=True,
    )  # fmt: skip
    guard = None
    try:
        guard = await asyncio.create_subprocess_exec(
            "sh", "-c", GUARD, "sh", str(process.pid),
            stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True,
        )  # fmt: skip
        to_session, incoming = anyio.create_memory_object_stream[Any](0)
        outgoing, from_session = anyio.create_memory_object_stream[SessionMessage](0)
        tasks = [
            asyncio.create_task(_read(process, to_session, say, ended)),
            asyncio.create_task(_write(process, from_session)),
            asyncio.create_task(_log(process, say)),
        ]
        try:
            yield incoming, outgoing
        finally:
            for stream in (to_session, incoming, outgoing, from_session):
                stream.close()
            with anyio.CancelScope(shield=True):
                await _end(process)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        for child in filter(None, (process, guard)):
            _signal(child, signal.SIGKILL)
            with anyio.CancelScope(shield=True):
                await _gone(child)
            # A grandchild outside of the group may hold the pipes; nothing public closes ours.
            child._transport.close()  # type: ignore[attr-defined]


async def _read(process: Process, to_session: Any, say: Say, ended: Say) -> None:
    async with to_session:
        ended(await _messages(process, to_session, say))
    # It may be stuck at writing, and shall see that its stdin closes.
    while await process.stdout.read(65536):  # type: ignore[union-attr]
        pass


async def _messages(process: Process, to_session: Any, say: Say) -> str:
    """Hands them on to their end, and says why that came."""
    garbage = 0
    try:
        while line := await process.stdout.readline():  # type: ignore[union-attr]
            try:
                message = jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                garbage += 1
                if garbage > MAX_GARBAGE:
                    return "writes to its stdout what is no MCP"
                say(f"(no message) {_printable(line)}")
                continue
            await to_session.send(SessionMessage(message))
    except ValueError:  # of readline: beyond its limit
        return "has sent too long a message"
    except (anyio.ClosedResourceError, anyio.BrokenResourceError):
        return "was left"
    return "has ended"


async def _write(process: Process, from_session: Any) -> None:
    with contextlib.suppress(anyio.ClosedResourceError, ConnectionError):
        async with from_session:
            async for message in from_session:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(f"{text}\n".encode())  # type: ignore[union-attr]
                await process.stdin.drain()  # type: ignore[union-attr]


async def _log(process: Process, say: Say) -> None:
    """stderr, so many lines a minute; the rest is read and forgotten."""
    left, until, rest = 0, 0.0, b""
    while chunk := await process.stderr.read(65536):  # type: ignore[union-attr]
        if time.monotonic() > until:
            left, until = LOG_LINES_A_MINUTE, time.monotonic() + 60
        if not left:
            rest = b""
            continue
        *lines, rest = (rest + chunk).split(b"\n", left)
        rest = rest[-LOG_LINE_LENGTH:]
        for line in lines[:left]:
            say(_printable(line))
        left -= len(lines)
        if left <= 0:
            left = 0
            say("writes more; that is left out for a minute")
    if rest:
        say(_printable(rest))


def _printable(line: bytes) -> str:
    text = line[:LOG_LINE_LENGTH].decode(errors="replace")
    return "".join(character if character.isprintable() else "\ufffd" for character in text.rstrip())


async def _end(process: Process) -> None:
    """As the protocol has it: its stdin is closed, and if that is not enough, it is asked by a signal."""
    process.stdin.close()  # type: ignore[union-attr]
    if not await _gone(process):
        _signal(process, signal.SIGTERM)
        await _gone(process)


async def _gone(process: Process) -> bool:
    """Whether it ends in time. (`process.wait()` waits for the pipes, too, which a grandchild may hold.)"""
    deadline = time.monotonic() + END_SECONDS
    while process.returncode is None and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return process.returncode is not None


def _signal(process: Process, number: signal.Signals) -> None:
    """To the process and its children."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
