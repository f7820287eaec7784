"""A real PostgreSQL, in a temporary folder and on a Unix socket, that tests may stop and start."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from tests.programs import require_program


class PostgreSQL:
    """A server without a port, owned by an account that is not root, as PostgreSQL demands."""

    def __init__(self, folder: Path):
        config = shutil.which("pg_config")
        found = subprocess.run([config, "--bindir"], capture_output=True, text=True).stdout.strip() if config else ""
        initdb = require_program("PostgreSQL", shutil.which("initdb", path=found) or "initdb")
        self._program = require_program("PostgreSQL", shutil.which("postgres", path=found) or "postgres")
        account = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        self._own = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
        self._process: subprocess.Popen | None = None
        self.folder = folder
        os.chown(folder, account.pw_uid, account.pw_gid)
        subprocess.run(
            [initdb, "-D", folder / "data", "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale", "C"],
            check=True, capture_output=True, cwd=folder, **self._own,
        )  # fmt: skip

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
                [*command, "-c", "fsync=off"], stdout=log, stderr=log, cwd=self.folder, **self._own
            )
        deadline = time.monotonic() + 20
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        """At once, whoever is connected; what is committed stays."""
        if self._process:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(20)
            self._process = None


@contextlib.contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """A server that runs; it is gone afterwards with all its data."""
    with tempfile.TemporaryDirectory(prefix="gemlive-pg-") as folder:  # short: a socket's path has 107 characters
        server = PostgreSQL(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()
