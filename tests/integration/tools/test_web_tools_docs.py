"""What docs/web-tools.md and docs/emulator.md show is so."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tools_app import http_checks
from tools_app.builtin import expert

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs/web-tools.md").read_text(encoding="utf-8")


def test_the_example_of_a_file_of_apis_is_taken_and_told(tmp_path):
    [example] = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "apis.toml").write_text(example)
    [host] = re.findall(r"^TOOLS_PRIVATE_HOSTS=(.*)$", TEXT, re.MULTILINE)
    [hosts] = re.findall(r"^TOOLS_ALLOWED_HOSTS=(.*)$", TEXT, re.MULTILINE)
    environment = {
        "DJANGO_SETTINGS_MODULE": "gemlive_project.settings",
        "EXTERNAL_APIS_FILE": str(tmp_path / "apis.toml"),
        "SHOP_API_TOKEN": "sesame-open-1234",
        "STOCK_API_KEY": "sesame-open-5678",
        "TOOLS_PRIVATE_HOSTS": host,
        "TOOLS_ALLOWED_HOSTS": hosts,
    }
    program = (
        "import django; django.setup()\n"
        "from django.core.management import call_command\n"
        "call_command('check', '--tag', 'tools', fail_level='WARNING')\n"
        "from tools_app.registry import get_tool; print(get_tool('call_external_api').declaration())\n"
        "from tools_app.external_apis import all_apis; print([dict(api.headers) for api in all_apis()])"
    )
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    declaration, headers = result.stdout.splitlines()[-2:]
    assert "api.example.com (GET, POST: Orders and customers of the shop." in declaration
    assert "10.0.0.5:8080 (GET, HEAD); status.example.org (GET, HEAD); api.example.org:8443 (GET, HEAD)" in declaration
    assert "sesame" not in declaration
    assert "'Bearer sesame-open-1234'" in headers
    assert "'sesame-open-5678'" in headers


def test_every_check_is_documented():
    written = {
        found
        for module in (http_checks, expert)
        for found in re.findall(r"gemlive\.[EW]\d+", Path(module.__file__).read_text())
    }
    assert set(re.findall(r"gemlive\.[EW]\d+", TEXT)) == written
