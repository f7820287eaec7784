"""The real server as a process of its own, on a free port, with a database of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT = 90.0  # seconds; on a machine that is busy with other tests, too
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


@dataclass
class Server:
    """A server with this project; `start` after `stop` goes on with the same port and data."""

    port: int
    environment: dict[str, str]
    log: Path
    command: list[str] = field(default_factory=lambda: UVICORN)
    process: subprocess.Popen | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def manage(self, *arguments: str) -> str:
        """What the command prints."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environ(), check=True, capture_output=True, text=True, timeout=60,
        ).stdout  # fmt: skip

    def start(self) -> None:
        command = [part.format(port=self.port) for part in self.command]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=ROOT, env=self.environ(), stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                httpx2.get(f"http://127.0.0.1:{self.port}/health", headers={"Host": f"localhost:{self.port}"})
                return
            except httpx2.TransportError:
                time.sleep(0.05)  # a process outside: there is nothing else to wait for
        self.stop()
        raise RuntimeError(f"The server did not start:\n{self.log.read_text()}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def session(self, session_id: str) -> dict:
        """What REST says about a session."""
        return httpx2.get(f"{self.url}/api/sessions/{session_id}").raise_for_status().json()

    def environ(self) -> dict[str, str]:
        # pytest-django has put the tests' own settings into our environment.
        return {**os.environ, "DJANGO_SETTINGS_MODULE": "gemlive_project.settings", **self.environment}
