"""Python programs that start at once: a process imports what all of them need, and forks for each.

The imports of Django, Gemini's SDK and the servers cost more CPU than most tests. What is forked is a process of its
own, with its own arguments, environment, output, signals and exit status; settings and apps are imported by it, so that
each may have other settings. As a program (`python -m tests.forked`): the process that forks.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
LARGEST_REQUEST = 150_000
"""Bytes of arguments and environment; what a socket takes as one packet by default."""
PACKAGES = [
    "autobahn.twisted.websocket",
    "channels.layers",
    "django.core.asgi",
    "django.core.management",
    "django.db.backends.postgresql.base",
    "django.db.backends.sqlite3.base",
    "django.test",
    "environ",
    "google.genai",
    "google.genai.types",
    "httpx2",
    "lxml.etree",
    "prometheus_client",
    "psycopg",
    "pygments",
    "pythonjsonlogger.json",
    "requests",
    "sessions_app.live.bridge",
    "sqlparse",
    "tenacity",
    "twisted.internet.ssl",
    "twisted.web.http",
    "uritemplate",
    "uvicorn.main",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
    "whitenoise.base",
    "yaml",
]
"""Nothing that reads settings, starts a thread or makes Twisted's reactor: a process has these for itself."""


class Forked:
    """`python -m module …` or `python file.py …`, in the project's folder; used like a `subprocess.Popen`."""

    def __init__(self, arguments: list[str], environ: Mapping[str, str], stdout: IO[bytes], stderr: IO[bytes]):
        self.args = arguments
        self.returncode: int | None = None
        request = json.dumps([arguments, dict(environ)]).encode()
        assert len(request) < LARGEST_REQUEST
        status, theirs = os.pipe()
        self._status = os.fdopen(status)
        try:
            socket.send_fds(_forking(), [request], [stdout.fileno(), stderr.fileno(), theirs])
        finally:
            os.close(theirs)
        answer = self._status.readline()
        assert answer, "The process that forks has ended; its output says why."
        self.pid = int(answer)

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        if self._ended(timeout) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self.returncode

    def send_signal(self, how: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, how)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            news = select.poll()
            news.register(self._status, select.POLLIN)
            if news.poll(None if timeout is None else timeout * 1000):
                self.returncode = int(self._status.readline())
                self._status.close()
        return self.returncode


@functools.cache
def _forking() -> socket.socket:
    """To the process that forks, one for each process that runs tests; it ends when this end is closed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked"], cwd=ROOT, stdin=theirs, stdout=subprocess.DEVNULL
        )

    @atexit.register
    def end() -> None:
        ours.close()
        process.wait()

    return ours


def main() -> None:
    """Never returns in the process that forks, and at once in each that it has forked."""
    requests = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for name in PACKAGES:
        importlib.import_module(name)
    _check()
    gc.collect()
    gc.freeze()  # else the collector would write to each page that the processes share
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for those who run the tests: then this one is told, too
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    while True:
        request, files, *_ = socket.recv_fds(requests, LARGEST_REQUEST, 3)
        if not request:
            sys.exit()
        if not os.fork():
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _fork_and_tell(files[2])
            _become(*json.loads(request), *files)
            return
        for file in files:
            os.close(file)


def _check() -> None:
    """What is imported so far may be shared."""
    from django.conf import settings

    assert not settings.configured
    assert "twisted.internet.reactor" not in sys.modules
    assert threading.active_count() == 1


def _fork_and_tell(status: int) -> None:
    """Returns in a child; the parent waits for it and writes its process id and, in the end, its exit status."""
    if pid := os.fork():
        try:
            os.write(status, f"{pid}\n".encode())
            _, ended = os.waitpid(pid, 0)
            os.write(status, f"{os.waitstatus_to_exitcode(ended)}\n".encode())
        finally:
            os._exit(0)


def _become(arguments: list[str], environ: dict[str, str], stdout: int, stderr: int, status: int) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    for file in (stdout, stderr, status):
        os.close(file)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    sys.argv[:] = arguments


def run() -> None:
    name = sys.argv[0]
    if name.endswith(".py"):
        runpy.run_path(name, run_name="__main__")
    else:
        runpy.run_module(name, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
    run()
