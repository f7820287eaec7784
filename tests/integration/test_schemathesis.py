"""schemathesis, a program that none of us wrote, asks a real server what the schema allows, and what it does not."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forms import in_long_form
from tests.processes import environment_of, running
from tests.server import UVICORN, Server

# More by hand: SCHEMATHESIS_EXAMPLES=200 pytest -o timeout=3000 tests/integration/test_schemathesis.py
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "6")
CSRF = "c" * 32
# What depends on more than one field, such as a setting that this model does not take, no schema can say.
LEFT_OUT = "positive_data_acceptance"

POPULATE = """
import json
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone
from sessions_app.models import LiveSession, TranscriptEntry
from tools_app.models import ToolCall

made = {}
for name in ("anonymous", "user", "staff"):
    user = None
    if name != "anonymous":
        user = User.objects.create_user(name, is_staff=name == "staff", is_superuser=name == "staff")
    ids = []
    for number in range(4):
        session = LiveSession.objects.create(user=user, title=f"{name} {number}", metadata={"n": number})
        now = timezone.now()
        TranscriptEntry.objects.create(
            session=session, sequence=1, role="user", text="What is the weather?", started_at=now, ended_at=now
        )
        ToolCall.objects.create(session=session, name="get_weather", arguments={"location": "Rome"}, result=[1, None])
        ids.append(str(session.pk))
    key = None
    if user:
        store = SessionStore()
        store["_auth_user_id"] = str(user.pk)
        store["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
        store["_auth_user_hash"] = user.get_session_auth_hash()
        store.create()
        key = store.session_key
    made[name] = {"sessions": ids, "key": key}
print(json.dumps(made))
"""


@pytest.fixture(scope="module")
def server(shared_emulator, tmp_path_factory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    environment = environment_of(folder, shared_emulator) | {
        "TOOLS_ALLOWED_HOSTS": "", "HOUSEKEEPING_SECONDS": "0", "API_RATE_USER": "", "API_RATE_ANONYMOUS": "",
        "API_RATE_SESSIONS": "",
    }  # fmt: skip
    with running(environment, UVICORN, folder / "log") as server:
        server.manage("load_demo")
        yield server


@pytest.fixture(scope="module")
def callers(server) -> dict[str, dict]:
    """Of each caller: sessions of his, and the key of the one in which he is logged in."""
    return json.loads(server.manage("shell", "--verbosity=0", "-c", POPULATE).splitlines()[-1])


@pytest.mark.parametrize("caller", ["user", *in_long_form(["anonymous", "staff"])])
def test_it_finds_nothing(server, callers, caller, tmp_path):
    kept, *deleted = callers[caller]["sessions"]
    (tmp_path / "schemathesis.toml").write_text(f"""
        parameters = {{ "path.session_id" = "{kept}" }}

        [[operations]]
        include-name = "DELETE /api/sessions/{{session_id}}"
        parameters = {{ "path.session_id" = {json.dumps(deleted)} }}

        [[operations]]
        include-name = "POST /api/tools/{{name}}/call"
        parameters = {{ "path.name" = ["search_knowledge_base", "execute_sql_query", "get_analytics", "no_such"] }}
    """)
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(tmp_path / "schemathesis.toml"), "run",
        f"{server.url}/api/schema", "--seed", "7", "--max-examples", EXAMPLES, "--exclude-checks", LEFT_OUT,
        "--generation-database", "none", "--no-color", "--continue-on-failure", "--warnings", "off",
    ]  # fmt: skip
    if key := callers[caller]["key"]:
        command += ["--header", f"Cookie: sessionid={key}; csrftoken={CSRF}", "--header", f"X-CSRFToken: {CSRF}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240 + 10 * int(EXAMPLES)
    )
    assert result.returncode == 0, result.stdout + result.stderr
    [tested] = re.findall(r"(\d+) generated", result.stdout)
    assert int(tested) > 100
    log = server.log.read_text()
    assert "Traceback" not in log, log[-5000:]
