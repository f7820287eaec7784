"""docs/protocol.md and the code name the same messages, statuses and errors."""

import re
from pathlib import Path
from typing import get_args

from sessions_app import consumers, exceptions
from sessions_app.browser import commands, events
from sessions_app.gemini.models import problems
from sessions_app.gemini.settings import NAMES, ModelSettings
from sessions_app.live.limits import Over

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL = (ROOT / "docs/protocol.md").read_text()


def types_in(section: str) -> set[str]:
    text = PROTOCOL.split(f"## {section}")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE))


def test_every_command_is_documented():
    assert types_in("Client → server") == set(commands.TYPES)


def test_every_field_of_connect_is_documented():
    [fields] = re.findall(r"^\| `connect` \| optional `\{([^}]+)\}`", PROTOCOL, re.MULTILINE)
    assert set(fields.split(", ")) == set(commands.ConnectData.__struct_encode_fields__)


def test_every_setting_of_a_model_is_documented_with_an_example_of_a_refusal():
    rest = (ROOT / "docs/rest.md").read_text()
    assert set(NAMES) <= set(re.findall(r"^\| `(\w+)` \|", rest, re.MULTILINE))
    [refusal] = problems("gemini-3.8-live", ModelSettings(thinking_level="low"), "v1beta")
    assert f'"fields":{{"{refusal.setting}":["{refusal.message}"]}}' in rest


def test_every_event_is_documented():
    tags = {kind.__struct_config__.tag for kind in events.Event.__subclasses__()}
    assert types_in("Server → client") == tags


def test_every_error_code_is_documented():
    """All of them are written as literals where they are raised."""
    written = {kind.code for kind in exceptions.SessionUnavailable.__subclasses__()}
    written |= {code for code, _, _ in consumers.DISMISSALS.values()} | set(get_args(Over.__annotations__["code"]))
    patterns = (
        r"CommandError\(\s*\"(\w+)\"", r"events\.error\(\s*\"(\w+)\"", r"page\.error\(\s*\"(\w+)\"",
        r"refuse\(\s*\"(\w+)\"", r"_refuse_soon\(\s*\"(\w+)\"", r"fatal\(\s*\"(\w+)\"", r"Remedy\.\w+,\s*\"(\w+)\"",
    )  # fmt: skip
    for path in (ROOT / "sessions_app").rglob("*.py"):
        if "emulator" not in path.parts:
            for pattern in patterns:
                written |= set(re.findall(pattern, path.read_text()))
    documented = set(re.findall(r"`([a-z_]+)`", PROTOCOL.split("## Errors")[1].split("\n## ")[0])) - {"connect"}
    assert written == documented


def test_every_problem_of_the_voice_page_is_documented_with_its_button():
    buttons = {
        "retry": "Try again", "settings": "Settings", "start": "Start", "login": "Log in", "resume": "Turn sound on",
        "": "",
    }  # fmt: skip
    script = (ROOT / "static/js/problems.js").read_text()
    written = {}
    for code, problem in re.findall(r"^  (\w+): \[(.*?)\],$", script, re.MULTILINE | re.DOTALL):
        [action] = re.findall(r'"(\w+)",?\s*$', problem) or [""]
        written[code] = buttons[action]
    section = (ROOT / "docs/voice-page.md").read_text().split("## What can go wrong")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|.*\| ?(.*) \|$", section, re.MULTILINE)
    documented = {code: button for codes, button in rows for code in re.findall(r"`(\w+)`", codes)}
    assert {code: button.partition(" (")[0] for code, button in documented.items()} == written


def test_every_promise_names_tests_that_exist():
    """docs/reliability.md: `test_x.py::test_name`, "…" for the file of the test before it or for the rest of a name."""
    rows = re.findall(r"^\| \d+ \|.*\|(.*)\|$", (ROOT / "docs/reliability.md").read_text(), re.MULTILINE)
    assert len(rows) == 17
    for row in rows:
        file = None
        for path, name in re.findall(r"`(…|[\w/]+\.py)(?:::(\w+)…?)?`", row):
            if path != "…":
                file = ROOT / (path if "/" in path else f"tests/reliability/{path}")
            assert file is not None, row
            assert name is None or f"def {name}" in file.read_text(), f"{path}::{name}"
        assert file is not None, row
