"""What MCP_SERVERS_FILE may hold, what is told of a wrong one, and that docs/mcp.md describes it."""

import importlib.util
import json
import os
import re
import subprocess
import sys

import pytest

from tests.server import ROOT
from tests.waiting import GIVE_UP_SECONDS
from tools_app.mcp_servers.checks import check_mcp_servers
from tools_app.mcp_servers.config import ServerConfig, configured, problems, read_file

DOCUMENT = (ROOT / "docs/mcp.md").read_text()


def read(tmp_path, text: str, **environment: str):
    path = tmp_path / "mcp.json"
    path.write_text(text)
    return read_file(path, environment)


def test_variables_are_filled_in_from_the_environment(tmp_path):
    text = json.dumps({"mcpServers": {"crm": {"url": "${BASE}/mcp", "headers": {"A": "Bearer ${KEY:-none}"}}}})
    servers, wrong = read(tmp_path, text, BASE="https://crm.example.com")
    assert servers == {"crm": {"url": "https://crm.example.com/mcp", "headers": {"A": "Bearer none"}}}
    assert wrong == []
    assert "uses ${BASE}, which the environment does not have" in read(tmp_path, text)[1][0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is no JSON: "),
        ("[]", 'must be like {"mcpServers": '),
        ('{"mcpServers": []}', 'must be like {"mcpServers": '),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path, text, sentence):
    servers, [wrong] = read(tmp_path, text) if text else read_file(tmp_path / "none", {})
    assert servers == {}
    assert sentence in wrong


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({}, "give either 'command' (a program to start) or 'url'"),
        ({"command": "x", "url": "http://x"}, "give either 'command'"),
        ({"command": "x", "headers": {}}, "'headers' does not go with 'command'"),
        ({"url": "ftp://x"}, "'url': String should match pattern"),
        ({"url": "http://x", "type": "stdio"}, "type 'stdio' goes with 'command'"),
        ({"url": "http://x", "type": "sse"}, "'type': Input should be 'stdio', 'http' or 'streamable-http'"),
        ({"command": "x", "args": "-v"}, "'args': Input should be a valid list"),
        ({"command": "x", "arg": []}, "'arg' is not known (the keys are: type, command, args,"),
        ({"command": "x", "timeout": 0}, "'timeout': Input should be greater than 0"),
        ({"command": "x", "permission": "view"}, "'permission': String should match pattern"),
        ("x", "Input should be a valid dictionary or instance of ServerConfig"),
    ],
)
def test_a_wrong_entry_is_told_and_not_used(settings, entry, sentence):
    settings.MCP_SERVERS = {"crm": entry}
    [problem] = [problem for problem in check_mcp_servers(None) if problem.id == "gemlive.E022"]
    assert problem.msg.startswith("MCP server 'crm': ")
    assert sentence in problem.msg
    assert configured(settings.MCP_SERVERS) == {}


def test_a_disabled_server_is_not_used():
    assert configured({"crm": {"command": "x", "disabled": True}}) == {}


def test_without_the_package_the_check_says_how_to_get_it(settings, monkeypatch):
    settings.MCP_SERVERS = {"crm": {"command": "x"}}
    assert check_mcp_servers(None) == []
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mcp" else find(name))
    [problem] = check_mcp_servers(None)
    assert (problem.id, problem.hint) == ("gemlive.E023", "pip install -r requirements-mcp.txt")


def test_a_broken_file_stops_the_start_with_its_reason(tmp_path):
    (tmp_path / "mcp.json").write_text("{")
    environment = os.environ | {"MCP_SERVERS_FILE": str(tmp_path / "mcp.json"), "DEBUG": "1"}
    environment["DJANGO_SETTINGS_MODULE"] = "gemlive_project.settings"
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=GIVE_UP_SECONDS,
    )
    assert done.returncode == 1
    assert "(gemlive.E021) MCP_SERVERS_FILE: " in done.stderr
    assert "Traceback" not in done.stderr


def test_without_servers_neither_thread_nor_package_is_there():
    code = (
        "import sys, threading, django; django.setup()\n"
        "from tools_app.registry import all_tools; all_tools(wait=True)\n"
        "print('mcp' in sys.modules, 'jsonschema' in sys.modules, [thread.name for thread in threading.enumerate()])"
    )
    environment = os.environ | {"MCP_SERVERS_FILE": "", "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=GIVE_UP_SECONDS,
    )
    assert done.stdout == "False False ['MainThread']\n", done.stderr


def test_every_key_is_documented_and_the_examples_are_right(tmp_path):
    assert set(re.findall(r"^\| `(\w+)` \|", DOCUMENT, re.MULTILINE)) == set(ServerConfig.model_fields)
    examples = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    assert examples
    for example in examples:
        servers, wrong = read(tmp_path, example, CRM_TOKEN="x")
        assert wrong == []
        assert [problems(entry) for entry in servers.values()] == [[]] * len(servers)
