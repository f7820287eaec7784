"""Real MCP server processes, and a registry that has their tools."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.programs import require_package
from tests.server import ROOT, free_port
from tests.waiting import GIVE_UP_SECONDS, wait_until
from tools_app.mcp_servers import source as source_module
from tools_app.mcp_servers.config import ServerConfig
from tools_app.mcp_servers.source import McpTools
from tools_app.registry import registry, temporary_tools

PROGRAM = ["-m", "tests.mcp_server"]


@pytest.fixture(autouse=True)
def _package() -> None:
    require_package("mcp", "requirements-mcp.txt")


@pytest.fixture
def notes(tmp_path: Path) -> Callable[[], list[str]]:
    """What the server programs have noted, so far."""
    path = tmp_path / "notes"
    path.touch()
    return lambda: path.read_text().splitlines()


@pytest.fixture
def stdio(notes, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`stdio("hang", prefix="x_")`: the entry of a server that we start, and that behaves so."""

    return lambda *ways, **keys: stdio_entry(tmp_path / "notes", *ways) | keys


def stdio_entry(notes: Path, *ways: str) -> dict[str, Any]:
    command = {"command": sys.executable, "args": [*PROGRAM, "stdio", *ways], "cwd": str(ROOT)}
    return command | {"env": {"MCP_NOTES": str(notes)}}


@dataclass
class HttpServer:
    """A process that listens; it can be killed, and started again on the same port."""

    notes: Path
    ways: tuple[str, ...]
    port: int = field(default_factory=free_port)

    def entry(self, **keys: Any) -> dict[str, Any]:
        return {"url": f"http://127.0.0.1:{self.port}/mcp", **keys}

    def start(self) -> None:
        command = [sys.executable, *PROGRAM, "http", str(self.port), *self.ways]
        self.process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"MCP_NOTES": str(self.notes)})
        wait_until(self._listens, "the MCP server listens")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _listens(self) -> bool:
        assert self.process.poll() is None
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def http(tmp_path: Path) -> Iterator[Callable[..., HttpServer]]:
    """`http("json")`: a server process that listens on a free port, and behaves so."""
    started = []

    def start(*ways: str) -> HttpServer:
        server = HttpServer(tmp_path / "notes", ways)
        started.append(server)
        server.start()
        return server

    (tmp_path / "notes").touch()
    yield start
    for server in started:
        server.kill()


def be_patient(patch: pytest.MonkeyPatch) -> None:
    """A busy machine starts servers slowly; and what is between two attempts is no matter of these tests."""
    patch.setattr(source_module, "FIRST_ANSWER_SECONDS", GIVE_UP_SECONDS)
    patch.setattr("tools_app.mcp_servers.server.CONNECT_SECONDS", GIVE_UP_SECONDS)
    patch.setattr("tools_app.mcp_servers.server.LIST_SECONDS", GIVE_UP_SECONDS)
    patch.setattr("tools_app.mcp_servers.server.WAIT_SECONDS", GIVE_UP_SECONDS)
    patch.setattr("tools_app.mcp_servers.server.FIRST_DELAY", 0.02)
    patch.setattr("tools_app.mcp_servers.server.RELIST_PAUSE", 0.05)


@pytest.fixture
def use(monkeypatch, settings) -> Iterator[Callable[..., McpTools]]:
    """`use(crm=entry)`: the registry has the tools of these servers; none of them outlives the test."""
    be_patient(monkeypatch)
    settings.TOOLS_TIMEOUT = GIVE_UP_SECONDS
    sources = []

    def use(**entries: dict[str, Any]) -> McpTools:
        source = McpTools({name: ServerConfig.model_validate(entry) for name, entry in entries.items()})
        sources.append(source)
        registry.add_source(source)
        source.tools(wait=True)
        return source

    with temporary_tools():
        yield use
    for source in sources:
        source.close()


WAYS = ["stdio", "stdio old", "http", "http old"]


@pytest.fixture(params=WAYS)
def entry(request, stdio, http) -> dict[str, Any]:
    """The same server, however it is reached and whichever protocol it speaks."""
    way, *ways = request.param.split()
    return stdio(*ways) if way == "stdio" else http(*ways).entry()


@pytest.fixture(scope="module", params=WAYS)
def lasting(request, tmp_path_factory) -> Iterator[tuple[McpTools, Path]]:
    """The tools of such a server, which lasts for a whole module; and the file with its notes."""
    way, *ways = request.param.split()
    notes = tmp_path_factory.mktemp("mcp") / "notes"
    notes.touch()
    server = HttpServer(notes, tuple(ways))
    if way == "http":
        server.start()
    entry = server.entry() if way == "http" else stdio_entry(notes, *ways)
    source = McpTools({"crm": ServerConfig.model_validate(entry)})
    try:
        with pytest.MonkeyPatch.context() as patch:
            be_patient(patch)
            source.tools(wait=True)
        yield source, notes
    finally:
        source.close()
        if way == "http":
            server.kill()


@pytest.fixture
def shared(lasting, settings) -> Iterator[Callable[[], list[str]]]:
    """The registry has the tools of a server "crm" that no test may change; what it has noted since the test began."""
    source, notes = lasting
    notes.write_text("")
    settings.TOOLS_TIMEOUT = GIVE_UP_SECONDS
    with temporary_tools():
        registry.add_source(source)
        yield lambda: notes.read_text().splitlines()


def names(source: McpTools) -> list[str]:
    return [tool.name for tool in source.tools(wait=False)]
