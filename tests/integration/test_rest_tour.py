"""docs/rest-tour.md and docs/examples/client.py do what they say, at a real server."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import environment_of, migrate, running
from tests.programs import require_program
from tests.server import ROOT, UVICORN, Server
from tests.waiting import GIVE_UP_SECONDS

LOGIN = """
from django.contrib.auth.models import User
from django.test import Client
client = Client()
client.force_login(User.objects.create_superuser("admin", password="admin"))
print(client.cookies["sessionid"].value)
"""
CSRF = "c" * 32


@pytest.fixture(scope="module")
def database(shared_emulator, tmp_path_factory) -> tuple[bytes, str]:
    """An SQLite file, and the key of a session in it in which admin, whose password is admin, is logged in."""
    folder = tmp_path_factory.mktemp("database")
    server = Server(0, environment_of(folder, shared_emulator), folder / "log", forked=True)
    migrate(server)
    key = server.manage("shell", "--verbosity=0", "-c", LOGIN).splitlines()[-1]
    return (folder / "db.sqlite3").read_bytes(), key


@pytest.fixture
def server(environment, database, tmp_path):
    (tmp_path / "db.sqlite3").write_bytes(database[0])
    with running(environment, UVICORN, tmp_path / "log") as server:
        yield server


@pytest.fixture
def key(database) -> str:
    return database[1]


def test_the_tour_shows_what_it_says(server, key, tmp_path):
    require_program("jq", "jq")
    text = (ROOT / "docs/rest-tour.md").read_text()
    blocks = re.findall(r"```(bash|text)\n(.*?)```\n", text, re.DOTALL)
    steps, shown = [], []
    for kind, block in blocks:
        if kind == "bash":
            steps.append(block)
            shown.append("")
        else:
            shown[-1] = block
    script = "set -euo pipefail\n" + "\nprintf '\\0'\n".join(steps)
    result = subprocess.run(
        [require_program("bash", "bash"), "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={"PATH": "/usr/bin:/bin", "server": server.url, "no_proxy": "*"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    said = result.stdout.split("\0")
    assert len(said) == len(shown) > 8
    for step, expected, output in zip(steps, shown, said, strict=True):
        pattern = re.escape(expected.strip()).replace("…", ".*")
        assert re.fullmatch(pattern, output.strip()), f"{step}\nshould show\n{expected}\nand shows\n{output}"


def run_client(server, folder: Path, *arguments: str) -> str:
    command = [
        sys.executable, "docs/examples/client.py", "--server", server.url, "--origin", "http://localhost:3000",
        "--folder", str(folder), *arguments,
    ]  # fmt: skip
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=GIVE_UP_SECONDS)
    return result.stdout if result.returncode == 0 else result.stderr


def test_the_client_asks_lists_and_keeps(server, key, tmp_path):
    headers = ["--header", f"Cookie: sessionid={key}; csrftoken={CSRF}", "--header", f"X-CSRFToken: {CSRF}"]
    said = run_client(server, tmp_path, *headers, "Who are you?").splitlines()
    answer, row, kept = said
    assert answer
    assert re.fullmatch(r"\S+T\S+  (ended|paused) +2 messages  Who are you\?", row.replace("live    ", "paused  "))
    markdown = Path(kept.removeprefix("Kept in ")).read_text()
    assert markdown.startswith("# Who are you?")
    assert "**example client**" in markdown
    assert markdown.count("Who are you?") == 2


def test_the_client_without_an_account_has_no_list_and_tells_errors_in_the_servers_words(server, tmp_path):
    assert len(run_client(server, tmp_path, "Who are you?").splitlines()) == 2
    refused = run_client(server, tmp_path, "--header", "X-User-Id: x", "--origin", server.url, "Who are you?")
    assert "403" in refused  # in the handshake: this origin is not allowed
