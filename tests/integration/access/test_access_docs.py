"""docs/access.md: its commands and its program run, and answer what is written there."""

import json
import os
import re
import subprocess
import sys

from sessions_app.checks import check_access, check_production
from tests.processes import running
from tests.server import ROOT, UVICORN, Server
from tests.waiting import GIVE_UP_SECONDS

from .accounts import with_ada

TEXT = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")
RUN = re.findall(r"<!-- tests/\S+/test_access_docs\.py runs this -->\n```(\w+)\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [
    (command, json.loads(re.sub(r"^# ?", "", answer, flags=re.MULTILINE)))
    for language, block in RUN
    if language == "bash"
    for command, answer in re.findall(r"(curl (?:.*\\\n)*.*)\n((?:#.*\n?)+)", block)
]


def shell(command: str, server: Server, **variables: str) -> dict:
    command = command.replace("localhost:3001", f"localhost:{server.port}")
    done = subprocess.run(
        ["bash", "-c", command],
        env=os.environ | variables,
        check=True,
        capture_output=True,
        text=True,
        timeout=GIVE_UP_SECONDS,
    )
    return json.loads(done.stdout)


def test_what_the_documentation_shows_is_what_happens(environment, tmp_path):
    environment["GEMLIVE_ACCESS"] = "login"
    with_ada(environment)
    with running(environment, UVICORN, tmp_path / "log") as server:
        token = server.manage("tokens", "create", "ada", "--days", "30").strip()
        session = ""
        for command, documented in COMMANDS:
            answer = shell(command, server, TOKEN=token, SESSION=session)
            session = answer.get("sessionId", session)
            assert answer.keys() == documented.keys(), command
            for name in ("detail", "code", "model", "apiVersion"):
                assert answer.get(name) == documented.get(name), command
        (program,) = [block for language, block in RUN if language == "python"]
        said = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"SERVER": server.url, "TOKEN": token}, capture_output=True, text=True,
            timeout=GIVE_UP_SECONDS,
        )  # fmt: skip
        assert '"CONNECTED"' in said.stdout, said.stderr
        _, listed = server.manage("tokens", "list").splitlines()  # the second is the newer
        server.manage("tokens", "revoke", listed.split()[0])
        refused = shell(COMMANDS[0][0], server, TOKEN=token)
        assert refused["code"] == "token_invalid"
    assert len(COMMANDS) == 5


def test_every_refusal_at_start_up_is_documented(settings):
    settings.DEBUG = False
    settings.SECRET_KEY = settings.INSECURE_SECRET_KEY
    settings.ALLOWED_HOSTS, settings.ALLOWED_ORIGINS = [], []
    settings.TOKEN_DAYS = 0
    found = set()
    for settings.GEMLIVE_ACCESS in ("open", "nonsense"):
        found |= {problem.id for problem in [*check_access(None), *check_production(None)]}
    assert found == set(re.findall(r"^\| `(gemlive\.E\d+)`", TEXT, re.MULTILINE))
