"""A real PostgreSQL, in a temporary folder and on a Unix socket, that tests may stop and start."""

import atexit
import contextlib
import functools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg

from tests.programs import require_program
from tests.waiting import GIVE_UP_SECONDS, wait_until


class PostgreSQL:
    """A server without a port, owned by an account that is not root, as PostgreSQL demands."""

    def __init__(self, folder: Path):
        """`folder` has the server's data, in `data`."""
        _, self._program = _programs()
        self._process: subprocess.Popen | None = None
        self.folder = folder

    @property
    def url(self) -> str:
        """For DATABASE_URL."""
        return f"postgres://postgres@/postgres?host={self.folder}"

    @property
    def settings(self) -> dict[str, str]:
        """For Django's DATABASES."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": "postgres",
            "HOST": str(self.folder),
        }

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(dbname="postgres", user="postgres", host=str(self.folder), autocommit=True)

    def start(self) -> None:
        """Returns when it answers."""
        command = [self._program, "-D", self.folder / "data", "-k", self.folder, "-c", "listen_addresses="]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "-c", "fsync=off"], stdout=log, stderr=log, cwd=self.folder, **_owner()
            )
        wait_until(self._answers, "PostgreSQL answers")

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.folder / "log").read_text()
        with contextlib.suppress(psycopg.OperationalError):
            self.connect().close()
            return True
        return False

    def cpu_seconds(self, running: set[int]) -> float:
        """That the connections took which have ended by now. Waits until no other is left than `running`."""
        wait_until(lambda: self.processes() <= running, "the connections have ended")
        times = psutil.Process(self._process.pid).cpu_times()
        return times.children_user + times.children_system

    def processes(self) -> set[int]:
        """Of the server's own, and one for each connection."""
        return {child.pid for child in psutil.Process(self._process.pid).children()}

    def stop(self) -> None:
        """At once, whoever is connected; what is committed stays."""
        if self._process:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(GIVE_UP_SECONDS)
            self._process = None


def _owner() -> dict:
    """For subprocess: as whom the server runs."""
    if os.getuid():
        return {}
    account = pwd.getpwnam("nobody")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _give_away(folder: Path) -> None:
    if owner := _owner():
        os.chown(folder, owner["user"], owner["group"])


def _programs() -> tuple[str, str]:
    config = shutil.which("pg_config")
    found = subprocess.run([config, "--bindir"], capture_output=True, text=True).stdout.strip() if config else ""
    initdb, postgres = (shutil.which(name, path=found) or name for name in ("initdb", "postgres"))
    return require_program("PostgreSQL", initdb), require_program("PostgreSQL", postgres)


@functools.cache
def _new() -> Path:
    """The folder of a new server with one empty database, to be copied: initdb takes ten times as long as a copy."""
    folder = Path(tempfile.mkdtemp(prefix="gemlive-pg-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _give_away(folder)
    initdb, _ = _programs()
    options = ["-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale", "C", "--wal-segsize=1"]
    subprocess.run([initdb, "-D", folder / "data", *options], check=True, capture_output=True, cwd=folder, **_owner())
    server = PostgreSQL(folder)
    server.start()
    with server.connect() as connection:  # a template that nobody uses is a third of a thousand files
        connection.execute("UPDATE pg_database SET datistemplate = false WHERE datname = 'template0'")
        connection.execute("DROP DATABASE template0")
    server.stop()
    return folder


@contextlib.contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """A server that runs; it is gone afterwards with all its data."""
    with tempfile.TemporaryDirectory(prefix="gemlive-pg-") as name:  # short: a socket's path has 107 characters
        folder = Path(name)
        _give_away(folder)
        subprocess.run(["cp", "-pR", _new() / "data", folder / "data"], check=True, **_owner())
        server = PostgreSQL(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
