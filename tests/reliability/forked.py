"""Servers that are there at once: a process imports the project and forks uvicorn for each port that it reads.

What is forked is a whole server process, with sockets, threads and database connections of its own, but it does not
take the three seconds of an import. As a program: ports on stdin, process ids on stdout.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2

from tests.processes import migrate
from tests.server import ROOT, UVICORN, Server, free_port
from tests.waiting import wait_until


@contextlib.contextmanager
def forge(environment: dict[str, str], log: Path) -> Iterator["Forge"]:
    """What makes servers of this environment, whose database is migrated first; at the end all are killed."""
    migrate(Server(0, environment, log))
    environ = os.environ | environment | {"DJANGO_SETTINGS_MODULE": "gemlive_project.settings"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.forked"],
            cwd=ROOT, env=environ, text=True, bufsize=1, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output,
        )  # fmt: skip
    made = Forge(process)
    try:
        yield made
    finally:
        made.kill()
        process.stdin.close()
        process.stdout.close()
        process.wait(10)


class Forge:
    def __init__(self, process: subprocess.Popen):
        self._process = process
        self._pid = 0
        self.port = 0

    def start(self) -> None:
        """A new server, on a port of its own; returns when it answers."""
        self.port = free_port()
        self._process.stdin.write(f"{self.port}\n")
        self._pid = int(self._process.stdout.readline())
        wait_until(self._answers, "the forked server answers")

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            self._pid = 0

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"http://localhost:{self.port}/health").status_code == 200
        except httpx2.TransportError:
            return False


def main() -> None:
    from uvicorn.main import main as uvicorn

    import gemlive_project.asgi  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever is killed leaves no zombie
    for line in sys.stdin:
        if pid := os.fork():
            print(pid, flush=True)
        else:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            uvicorn([part.format(port=int(line)) for part in UVICORN[1:]])


if __name__ == "__main__":
    main()
