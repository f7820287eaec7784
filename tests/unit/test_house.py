"""What the project says about itself is so."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def requirements(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def variables_read_in_settings() -> set[str]:
    text = "".join(path.read_text() for path in (ROOT / "gemlive_project/settings").glob("*.py"))
    return set(re.findall(r'(?:env\.\w+|database)\(\s*"([A-Z_]+)"', text))


def test_production_requirements_are_the_runtime_section():
    runtime = (ROOT / "requirements.txt").read_text().split("# --- emulator")[0]
    assert requirements(runtime) == requirements((ROOT / "requirements-prod.txt").read_text())


def test_every_requirement_has_a_tested_version():
    def name(line: str) -> str:
        return re.split(r"[\[~=<>]", line)[0].lower().replace("_", "-")

    pinned = {name(line) for line in requirements((ROOT / "constraints.txt").read_text())}
    assert {name(line) for line in requirements((ROOT / "requirements.txt").read_text())} <= pinned


def test_the_environment_is_read_in_settings_only():
    reads = re.compile(r"os\.environ(?!\.setdefault\(\"DJANGO_SETTINGS_MODULE\")|getenv|environ\.Env")
    allowed = {
        "gemlive_project/settings/environment.py",
        "gemlive_project/settings/tools.py",  # the names in EXTERNAL_APIS_FILE
        "sessions_app/management/commands/runserver.py",  # its reloader's mark
    }
    readers = {
        str(path.relative_to(ROOT))
        for room in ("gemlive_project", "sessions_app", "tools_app")
        for path in (ROOT / room).rglob("*.py")
        if reads.search(path.read_text())
    }
    assert readers <= allowed


@pytest.mark.parametrize("document", [".env.example", "README.md"])
def test_every_variable_is_documented_and_no_other(document):
    text = (ROOT / document).read_text()
    pattern = r"^([A-Z_]+)=" if document == ".env.example" else r"^\| `([A-Z_]+)` \|"
    assert set(re.findall(pattern, text, re.MULTILINE)) == variables_read_in_settings()
