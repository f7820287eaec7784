"""Wrong setups fail at start-up, in a process of its own as a deployment would see it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import on_each_server
from tests.server import free_port

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


def check(**changes: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | GOOD | changes, capture_output=True, text=True, timeout=60
    )


@on_each_server
def test_a_server_that_runs_no_checks_of_its_own_fails_at_start_up_too(command):
    command = [sys.executable, "-m", *[part.format(port=free_port()) for part in command]]
    environment = os.environ | GOOD | {"GEMINI_API_KEY": ""}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode != 0
    assert "gemlive.E001" in result.stderr
    assert "GEMINI_API_KEY" in result.stderr


def test_a_production_setup_has_nothing_to_complain_about():
    result = check()
    assert result.returncode == 0, result.stderr


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
def test_a_wrong_setup_names_the_variable(changes, check_id, names):
    result = check(**changes)
    assert result.returncode != 0
    assert check_id in result.stderr
    assert names in result.stderr


def test_a_default_model_that_needs_a_setting_is_told():
    answer = check(GEMINI_MODEL="gemini-3.8-live-extended-thinking")
    assert answer.returncode == 1
    assert "gemlive.W001" in answer.stderr
    assert "thinkingLevel" in answer.stderr
