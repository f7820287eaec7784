"""Wrong setups fail at start-up, whatever starts: a server, or a command."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from django.conf import settings as current
from django.core.management import call_command
from django.core.management.base import SystemCheckError

import gemlive_project.settings
from tests.processes import on_each_server
from tests.server import free_port
from tests.waiting import GIVE_UP_SECONDS

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "DJANGO_SETTINGS_MODULE": "gemlive_project.settings",
    "DEBUG": "0",
    "SECRET_KEY": "k" * 25 + "0123456789abcdefghijklmnopqrst",
    "ALLOWED_HOSTS": "voice.example.com",
    "ALLOWED_ORIGINS": "https://voice.example.com",
    "GEMINI_API_KEY": "a-key",
    "GEMINI_BASE_URL": "",
    "GEMINI_CA_FILE": "",
    "GEMLIVE_ACCESS": "",
}


def start(*command: str, **changes: str) -> subprocess.CompletedProcess:
    """A process of its own, as a deployment would see it."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT, env=os.environ | GOOD | changes, capture_output=True, text=True, timeout=GIVE_UP_SECONDS,
    )  # fmt: skip


@on_each_server
def test_a_server_that_runs_no_checks_of_its_own_fails_at_start_up_too(command):
    result = start("-m", *[part.format(port=free_port()) for part in command], GEMINI_API_KEY="")
    assert result.returncode != 0
    assert "gemlive.E001" in result.stderr
    assert "GEMINI_API_KEY" in result.stderr


def test_a_command_starts_with_a_production_setup():
    result = start("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert result.returncode == 0, result.stderr


@pytest.mark.long
def test_a_command_fails_with_a_wrong_setup():
    result = start("manage.py", "check", GEMINI_API_KEY="")
    assert result.returncode == 1
    assert "gemlive.E001" in result.stderr


@pytest.fixture
def check(monkeypatch, settings):
    """`manage.py check --deploy` in this process, with the project's settings read anew from an environment."""

    def run(**changes: str) -> None:
        for name, value in (GOOD | changes).items():
            monkeypatch.setenv(name, value)
        for name, value in vars(read_settings()).items():
            if name.isupper() and name not in ("DATABASES", "LOGGING") and getattr(current, name, None) != value:
                setattr(settings, name, value)
        call_command("check", deploy=True, fail_level="WARNING")

    return run


def read_settings() -> ModuleType:
    """The settings module and its parts, imported again beside those that Django has."""
    package = "gemlive_project.settings"
    kept = {name: module for name, module in sys.modules.items() if f"{name}.".startswith(f"{package}.")}
    for name in kept:
        del sys.modules[name]
    try:
        return importlib.import_module(package)
    finally:
        sys.modules.update(kept)
        gemlive_project.settings = kept[package]


def test_a_production_setup_has_nothing_to_complain_about(check):
    check()


@pytest.mark.parametrize(
    ("changes", "check_id", "names"),
    [
        ({"GEMINI_API_KEY": ""}, "gemlive.E001", "GEMINI_API_KEY"),
        ({"SECRET_KEY": ""}, "gemlive.E002", "SECRET_KEY"),
        ({"ALLOWED_HOSTS": "*"}, "gemlive.E003", "ALLOWED_HOSTS"),
        ({"ALLOWED_HOSTS": ""}, "gemlive.E003", "ALLOWED_HOSTS"),
        ({"GEMINI_CA_FILE": "/no/such/file.pem"}, "gemlive.E004", "GEMINI_CA_FILE"),
        ({"ALLOWED_ORIGINS": "*"}, "gemlive.E005", "ALLOWED_ORIGINS"),
        ({"ALLOWED_ORIGINS": ""}, "gemlive.E005", "ALLOWED_ORIGINS"),
        ({"ALLOWED_ORIGINS": "https://voice.example.com,null"}, "gemlive.E005", "ALLOWED_ORIGINS"),
        ({"GEMLIVE_ACCESS": "opne"}, "gemlive.E006", "GEMLIVE_ACCESS"),
        ({"GEMLIVE_ACCESS": "open"}, "gemlive.E007", "GEMLIVE_ACCESS"),
        ({"HOUSEKEEPING_SECONDS": "0"}, "gemlive.E009", "HOUSEKEEPING_SECONDS"),
        ({"TICKET_SECONDS": "0"}, "gemlive.E008", "TICKET_SECONDS"),
        ({"API_RATE_USER": "600"}, "gemlive.E051", "API_RATE_USER"),
        ({"API_RATE_SESSIONS": "many/m"}, "gemlive.E051", "API_RATE_SESSIONS"),
        ({"TRANSCRIPT_REDACTOR": "no.such.function"}, "gemlive.E070", "TRANSCRIPT_REDACTOR"),
        ({"TRANSCRIPT_REDACTOR": "tools_app.privacy.NOT_KEPT"}, "gemlive.E070", "TRANSCRIPT_REDACTOR"),
    ],
)
def test_a_wrong_setup_names_the_variable(check, changes, check_id, names):
    with pytest.raises(SystemCheckError) as caught:
        check(**changes)
    assert check_id in str(caught.value)
    assert names in str(caught.value)


def test_a_default_model_that_needs_a_setting_is_told(check):
    with pytest.raises(SystemCheckError, match="thinkingLevel") as caught:
        check(GEMINI_MODEL="gemini-3.8-live-extended-thinking")
    assert "gemlive.W001" in str(caught.value)
