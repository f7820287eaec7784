"""`python -m sessions_app.emulator`: the emulator as a program."""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

from .script import ScriptError
from .server import Emulator


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options, shared with the management command."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one (default)")
    parser.add_argument("--ca-out", metavar="FILE", help="write the certificate authority's PEM file here")
    parser.add_argument("--script", metavar="FILE", help="what it understands and answers (default: its own)")
    parser.add_argument("--bad-key", metavar="KEY", action="append", default=[], help="a key to refuse; repeatable")
    parser.add_argument(
        "--speed", type=float, default=3.0, metavar="X", help="replies at X times real time; 0 is at once"
    )
    parser.add_argument("--playback-gap", type=float, default=0.0, metavar="SECONDS",
                        help="let turnComplete wait at most so long for the listener")  # fmt: skip
    parser.add_argument("--stop-with-stdin", action="store_true", help="stop when standard input closes")


def run(options: argparse.Namespace) -> int:
    """Serve until a signal; the exit status. Errors are one sentence on standard error."""
    logging.getLogger("websockets").setLevel(logging.INFO)
    try:
        asyncio.run(_serve(options))
    except (ScriptError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"{_explain(error, options)}\n")
        return 2
    return 0


async def _serve(options: argparse.Namespace) -> None:
    if not 0 <= options.port <= 65535:
        raise ValueError(f"The port {options.port} does not exist: choose one from 0 to 65535.")
    if options.speed < 0 or options.playback_gap < 0:
        raise ValueError("--speed and --playback-gap must not be negative.")
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    emulator = Emulator(
        host=options.host, port=options.port, script=options.script, ca_out=options.ca_out, bad_keys=options.bad_key,
        speed=options.speed, playback_gap=options.playback_gap,
    )  # fmt: skip
    async with emulator:
        if options.stop_with_stdin:
            threading.Thread(target=_watch_stdin, args=(loop, stop), daemon=True).start()
        print(  # noqa: T201
            f"Gemini Live emulator ready on {emulator.url}\n"
            f"GOOGLE_GEMINI_BASE_URL={emulator.url}\nSSL_CERT_FILE={emulator.ca_file}",
            flush=True,
        )
        await stop.wait()


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:  # closed from the beginning
        pass
    loop.call_soon_threadsafe(stop.set)


def _explain(error: OSError, options: argparse.Namespace) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {options.port} on {options.host} is in use: choose another with --port (0 takes a free one)."
    return f"The emulator cannot start on {options.host}:{options.port}: {error.strerror or error}."


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sessions_app.emulator", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
