"""The real server as a process of its own, on a free port, with a database of its own."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO

import httpx2

from tests.forked import ROOT, Forked
from tests.waiting import GIVE_UP_SECONDS

UVICORN = [
    "uvicorn", "gemlive_project.asgi:application", "--host", "127.0.0.1", "--port", "{port}", "--lifespan", "off",
    "--log-level", "warning", "--ws", "websockets-sansio", "--ws-per-message-deflate", "false",
    "--ws-max-size", "1048576", "--timeout-graceful-shutdown", "5",
]  # fmt: skip
DAPHNE = ["daphne", "-v", "0", "-b", "127.0.0.1", "-p", "{port}", "gemlive_project.asgi:application"]


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@cache
def client() -> httpx2.Client:
    """For plain requests to servers: a client of its own for each would cost 20 ms of CPU."""
    return httpx2.Client(verify=False, limits=httpx2.Limits(max_keepalive_connections=0), timeout=GIVE_UP_SECONDS)


@dataclass
class Server:
    """A server with this project; `start` after `stop` goes on with the same port and data.

    `forked`: it starts at once (tests/forked.py), as do its commands; else it is a program like any other.
    """

    port: int
    environment: dict[str, str]
    log: Path
    command: list[str] = field(default_factory=lambda: UVICORN)
    forked: bool = False
    process: "subprocess.Popen | Forked | None" = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def manage(self, *arguments: str) -> str:
        """What the command prints."""
        command = ["manage.py", *arguments]
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            process = self._process(command, output, errors)
            try:
                status = process.wait(GIVE_UP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
            printed, complaints = (file.seek(0) or file.read().decode() for file in (output, errors))
        if status:
            raise subprocess.CalledProcessError(status, command, printed, complaints)
        return printed

    def start(self) -> None:
        command = [part.format(port=self.port) for part in self.command]
        with self.log.open("ab") as log:
            self.process = self._process(command, log, log)
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                client().get(f"http://127.0.0.1:{self.port}/health", headers={"Host": f"localhost:{self.port}"})
                return
            except httpx2.TransportError:
                time.sleep(0.02)  # a process outside: there is nothing else to wait for
        self.stop()
        raise RuntimeError(f"The server did not start:\n{self.log.read_text()}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(GIVE_UP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def session(self, session_id: str) -> dict:
        """What REST says about a session."""
        return client().get(f"{self.url}/api/sessions/{session_id}").raise_for_status().json()

    def _process(self, command: list[str], stdout: IO[bytes], stderr: IO[bytes]) -> subprocess.Popen | Forked:
        if self.forked:
            return Forked(command, self.environ(), stdout, stderr)
        program = [sys.executable, *([] if command[0].endswith(".py") else ["-m"]), *command]
        return subprocess.Popen(program, cwd=ROOT, env=self.environ(), stdout=stdout, stderr=stderr)

    def environ(self) -> dict[str, str]:
        # pytest-django has put the tests' own settings into our environment.
        return {**os.environ, "DJANGO_SETTINGS_MODULE": "gemlive_project.settings", **self.environment}
