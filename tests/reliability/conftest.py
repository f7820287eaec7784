"""A server process and an emulator that goes wrong on demand."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sessions_app.emulator import Emulator, emulator_in_thread
from tests.processes import running
from tests.server import UVICORN, Server
from tests.waiting import wait_until

SCRIPT = {
    "fallback": {"not_understood": "I did not understand."},
    "slots": {
        "thing": {"open": True, "books": "books"},
        "how": {"sleeping": "sleeping", "spinning": "spinning", "counting": "counting"},
    },
    "intents": [
        {"name": "hello", "phrases": "hello", "reply": "Good morning to you."},
        {"name": "colour", "phrases": "my favourite colour is blue", "reply": "Blue it is."},
        {"name": "recall", "phrases": "what did i say before", "reply": ["You said: {previous}", "Nothing."]},
        {"name": "story", "phrases": "tell me a long story", "reply": "Once upon a time there was a king. " * 8},
        {"name": "silent", "phrases": "say nothing", "silent": True},
        {
            "name": "order",
            "phrases": "order {thing}",
            "tool": "order",
            "args": {"item": "{thing}"},
            "reply": "Order {number} of {item} is made.",
        },
        {
            "name": "wait",
            "phrases": "wait for {thing}",
            "tool": "wait_for",
            "args": {"thing": "{thing}"},
            "reply": "Here is {thing}.",
        },
        {
            "name": "both",
            "phrases": "both at once",
            "calls": [
                {"tool": "wait_for", "args": {"thing": "one"}},
                {"tool": "wait_for", "args": {"thing": "two"}},
            ],
            "reply": "Both are here.",
        },
        {
            "name": "look up",
            "phrases": "look up {thing}",
            "tool": "look_up",
            "args": {"thing": "{thing}"},
            "reply": "I found {thing}.",
        },
        {
            "name": "refund",
            "phrases": "refund {thing}",
            "tool": "refund",
            "args": {"item": "{thing}"},
            "reply": "{item} is refunded.",
        },
        {
            "name": "find",
            "phrases": "find {thing}",
            "tool": "find",
            "args": {"thing": "{thing}"},
            "reply": ["I have found {place}.", "Still looking."],
        },
        {"name": "block", "phrases": "block the loop", "tool": "block_loop", "reply": "It is free again."},
        {"name": "stop", "phrases": "stop", "stops": True, "reply": "Stopped."},
        {"name": "hang", "phrases": "hang {how}", "tool": "hang", "args": {"how": "{how}"}, "reply": "It was {how}."},
    ],
}


@pytest.fixture(scope="session")
def own_emulator() -> Iterator[Emulator]:
    with emulator_in_thread(speed=0, script=SCRIPT, record_audio=True, bad_keys=["bad"]) as emulator:
        yield emulator


@pytest.fixture
def emulator(own_emulator: Emulator) -> Iterator[Emulator]:
    """Nothing goes wrong at the beginning, nor after the test, and nobody of an earlier test is connected."""
    own_emulator.faults.clear()
    wait_until(lambda: not own_emulator.sessions, "the connections of earlier tests are closed")
    yield own_emulator
    own_emulator.faults.clear()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reliability")


@pytest.fixture(scope="session")
def server_environment(folder: Path, own_emulator: Emulator) -> dict[str, str]:
    """Settings under which nothing happens by itself within a test: who tests a limit sets it."""
    return {
        "DJANGO_SETTINGS_MODULE": "tests.reliability.settings",
        "DEBUG": "1",
        "PORT": "3001",
        "GEMINI_API_KEY": "test",
        "GEMINI_BASE_URL": own_emulator.url,
        "GEMINI_CA_FILE": str(own_emulator.ca_file),
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "DEMO_DATABASE_URL": f"sqlite:///{folder / 'shop.sqlite3'}",
        "REDIS_URL": "",
        "SECRET_KEY": "",
        "ALLOWED_HOSTS": "",
        "ALLOWED_ORIGINS": "http://localhost:3000",
        "QUOTA_ADDRESS": "",
        "API_RATE_ANONYMOUS": "",
        "API_RATE_SESSIONS": "",
        "TOOLS_TIMEOUT": "300",
        "RELIABILITY_TRACE": str(folder / "now" / "trace"),
    }


@pytest.fixture
def command() -> list[str]:
    """What a test runs on that is not `on_each_server`."""
    return UVICORN


@pytest.fixture(scope="session")
def servers(server_environment: dict[str, str], folder: Path) -> Iterator[Callable[[list[str]], Server]]:
    started: dict[str, Server] = {}
    with contextlib.ExitStack() as stack:

        def server(command: list[str]) -> Server:
            name = command[0]
            if name not in started:
                database = {"DATABASE_URL": f"sqlite:///{folder / name}.sqlite3"}
                started[name] = stack.enter_context(running(server_environment | database, command, folder / name))
            return started[name]

        yield server


@pytest.fixture
def server(servers: Callable[[list[str]], Server], command: list[str], emulator: Emulator) -> Server:
    """One of each kind for all tests that do not stop it: each has its own session."""
    return servers(command)


@pytest.fixture
def start(server_environment: dict[str, str], command: list[str], tmp_path: Path, emulator: Emulator):
    """Servers of the test's own, on one database, with other settings."""

    @contextlib.contextmanager
    def start(database: str = f"sqlite:///{tmp_path / 'db.sqlite3'}", **environment: str) -> Iterator[Server]:
        settings = server_environment | {"DATABASE_URL": database} | environment
        with running(settings, command, tmp_path / "log") as server:
            yield server

    return start


@pytest.fixture
def trace(folder: Path, tmp_path: Path) -> Iterator["Trace"]:
    """A tool that an earlier test has left behind writes to the trace of that test."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "now").symlink_to(tmp_path / "tools")
    (tmp_path / "now").rename(folder / "now")
    trace = Trace(tmp_path / "tools" / "trace")
    yield trace
    trace.release("over")


class Trace:
    """What the tools of `app` did."""

    def __init__(self, path: Path):
        self.path = path

    @property
    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    def release(self, thing: str) -> None:
        """Let the tool return that waits for `thing`."""
        Path(f"{self.path}.{thing}").touch()
