"""Databases of server processes that know a user, and a token of hers."""

import functools
import tempfile
from pathlib import Path

from tests.processes import migrate
from tests.server import Server

MAKE = """
from django.contrib.auth.models import User
from knox.models import AuthToken
_, token = AuthToken.objects.create(User.objects.create_superuser("ada", "ada@example.com", "enter"))
print(token)
"""


def with_ada(environment: dict[str, str]) -> dict[str, str]:
    """Make the database of a server that is to start, in which ada is a user; returns the header that stands for her.

    Her password is "enter".
    """
    data, token = _with_ada()
    Path(environment["DATABASE_URL"].removeprefix("sqlite:///")).write_bytes(data)
    return {"Authorization": f"Token {token}"}


@functools.cache
def _with_ada() -> tuple[bytes, str]:
    """The file, and the token: made once, because a command takes as long as the start of a server."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "db.sqlite3"
        environment = {"DATABASE_URL": f"sqlite:///{file}", "DEBUG": "1", "REDIS_URL": "", "GEMINI_API_KEY": "test"}
        server = Server(0, environment, file.with_suffix(".log"), forked=True)
        migrate(server)
        token = server.manage("shell", "--verbosity=0", "-c", MAKE).splitlines()[-1]
        return file.read_bytes(), token
