"""What the README shows works when it is copied out of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

ASK = """
import asyncio, json, django
django.setup()
from django.test import Client
from tools_app.executor import ToolExecutor

tools = {tool["name"]: tool for tool in Client(headers={"host": "localhost"}).get("/api/tools").json()["tools"]}
executor = ToolExecutor(session_id=None, user_id=None, allowed=None)

async def call(name, args):
    outcome = await executor.call("1", name, args)
    return {"status": outcome.status, "response": outcome.response}

async def main():
    return {
        "find_order": await call("find_order", {"number": 7}),
        "wrong": await call("find_order", {"number": 0}),
        "my_custom_tool": await call("my_custom_tool", {"param1": "x"}),
    }

print(json.dumps({"declared": {name: tools[name] for name in ("find_order", "my_custom_tool")}, **asyncio.run(main())}))
"""


def test_the_readmes_tools_are_found_declared_and_run(tmp_path):
    blocks = re.findall(r"<!-- shop/tools\.py.*?-->\n```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "tools.py").write_text("\n".join(blocks))
    (tmp_path / "shop_settings.py").write_text(
        "from tests.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, 'shop']\n"
        f"DATABASES['default']['NAME'] = {str(tmp_path / 'db.sqlite3')!r}\n"
    )
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "DJANGO_SETTINGS_MODULE": "shop_settings",
    }

    def python(*arguments: str) -> str:
        result = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    python("manage.py", "migrate", "--verbosity", "0")
    said = json.loads(python("-W", "ignore", "-c", ASK).splitlines()[-1])
    assert said["find_order"]["response"] == {"number": 7, "status": "on its way", "arrives": "tomorrow"}
    assert said["wrong"]["status"] == "error"
    assert said["my_custom_tool"]["response"] == {"result": "success", "param1": "x"}
    declared = said["declared"]["find_order"]
    assert declared["description"].startswith("Look up an order of the shop")
    assert declared["parameters"]["properties"]["number"]["type"] == "integer"
    assert declared["parameters"]["properties"]["number"]["description"] == "The order's number."
