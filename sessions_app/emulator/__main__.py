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
from collections.abc import Callable, Sequence

from .ears import EARS, EarsError
from .faults import KINDS, FaultError
from .script import ScriptError
from .server import Emulator

PACE = ("speed", "playback_gap", "chunk", "burst", "jitter", "seed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options, shared with the management command."""
    option = parser.add_argument
    option("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    option("--port", type=int, default=0, help="port to listen on; 0 takes a free one (default)")
    option("--ca-out", metavar="FILE", help="write the certificate authority's PEM file here")
    option("--script", metavar="FILE", help="what it understands and answers (default: its own)")
    option("--bad-key", metavar="KEY", action="append", default=[], help="a key to refuse; repeatable")
    option("--fault", metavar="KIND[,NAME=VALUE…]", action="append", default=[],
           help=f"what goes wrong; repeatable. Kinds: {', '.join(KINDS)}")  # fmt: skip
    option("--record", metavar="DIR", help="write every session's frames and audio here")
    option("--ears", choices=EARS, default="auto", help="how it understands speech (default: %(default)s)")
    option("--whisper-model", metavar="NAME", default="", help="a folder or a name that faster-whisper knows")
    option("--speed", type=float, default=3.0, metavar="X", help="replies at X times real time; 0 is at once")
    option("--playback-gap", type=float, default=0.0, metavar="SECONDS",
           help="let turnComplete wait at most so long for the listener")  # fmt: skip
    option("--chunk", type=float, default=0.2, metavar="SECONDS", help="length of a piece of speech")
    option("--burst", type=float, default=1.0, metavar="SECONDS", help="speech that is sent at once, at first")
    option("--jitter", type=float, default=0.3, metavar="SHARE", help="how much pieces and pauses vary, 0 to 1")
    option("--seed", type=int, default=0, metavar="N", help="another seed, another jitter")
    option("--echo", action="store_true", help="send all audio straight back, to measure what lies between")
    option("--stop-with-stdin", action="store_true", help="stop when standard input closes")


def run(options: argparse.Namespace) -> int:
    """Serve until a signal; the exit status. Errors are one sentence on standard error."""
    logging.getLogger("websockets").setLevel(logging.INFO)
    # The listener's thread shares the interpreter with the wire, and frames shall not wait for it 5 ms each time.
    sys.setswitchinterval(0.0005)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(options))
    except (ScriptError, FaultError, EarsError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"{_explain(error, options)}\n")
        return 2
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed: it saves a third of the CPU."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(options: argparse.Namespace) -> None:
    if not 0 <= options.port <= 65535:
        raise ValueError(f"The port {options.port} does not exist: choose one from 0 to 65535.")
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    emulator = Emulator(
        host=options.host, port=options.port, script=options.script, ca_out=options.ca_out, bad_keys=options.bad_key,
        faults=options.fault, ears=options.ears, whisper_model=options.whisper_model, record=options.record,
        echo=options.echo, **{name: getattr(options, name) for name in PACE},
    )  # fmt: skip
    async with emulator:
        if options.stop_with_stdin:
            threading.Thread(target=_watch_stdin, args=(loop, stop), daemon=True).start()
        emulator.warm_up()
        variables = "\n".join(f"{name}={value}" for name, value in emulator.environment.items())
        print(f"Gemini Live emulator ready on {emulator.url}\n{variables}", flush=True)  # noqa: T201
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
