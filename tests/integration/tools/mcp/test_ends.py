"""A server of ours that names MCP servers: it lists their tools, and their processes end with it."""

import json
import os
import signal
from pathlib import Path

import httpx2
import pytest

from tests.forms import in_long_form
from tests.processes import running
from tests.server import DAPHNE, UVICORN, Server
from tests.waiting import GIVE_UP_SECONDS, wait_until


def alive(pid: int) -> bool:
    """A zombie is not: nobody may be there to reap it in a container."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def listed(server: Server) -> set[str]:
    answer = httpx2.get(f"{server.url}/api/tools", timeout=GIVE_UP_SECONDS).json()
    return {tool["name"] for tool in answer["tools"]}


@pytest.mark.parametrize(
    ("command", "how"),
    [(UVICORN, signal.SIGKILL), (DAPHNE, signal.SIGTERM), *in_long_form([(UVICORN, signal.SIGTERM)])],
    ids=["uvicorn-SIGKILL", "daphne-SIGTERM", "uvicorn-SIGTERM"],
)
def test_the_processes_end_with_the_server(environment, stdio, notes, tmp_path, command, how):
    """Even one that closes its ears, and a child of one; however the server ends."""
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"deaf": stdio("stubborn"), "crm": stdio("grandchild")}}))
    log = tmp_path / "log"
    with running(environment | {"MCP_SERVERS_FILE": str(path)}, command, log) as server:
        wait_until(lambda: {"deaf_add", "crm_add", "get_weather"} <= listed(server), "all are listed")
        pids = [int(line) for line in notes() if line.isdigit()]
        assert len(pids) == 2
        assert all(alive(pid) for pid in pids)
        try:
            server.stop(how)
            wait_until(lambda: not any(alive(pid) for pid in pids), "the processes have ended")
        finally:
            for pid in filter(alive, pids):
                os.kill(pid, signal.SIGKILL)
    assert "Traceback" not in log.read_text()
