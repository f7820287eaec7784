"""A server process and an emulator that goes wrong on demand."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sessions_app.emulator import Emulator, emulator_in_thread
from tests.processes import running
from tests.server import UVICORN, Server

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


@pytest.fixture(scope="module")
def own_emulator() -> Iterator[Emulator]:
    with emulator_in_thread(speed=0, script=SCRIPT, record_audio=True, bad_keys=["bad"]) as emulator:
        yield emulator


@pytest.fixture
def emulator(own_emulator: Emulator) -> Iterator[Emulator]:
    """Nothing goes wrong at the beginning, nor after the test."""
    own_emulator.faults.clear()
    yield own_emulator
    own_emulator.faults.clear()


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reliability")


@pytest.fixture(scope="module")
def module_environment(module_folder: Path, own_emulator: Emulator) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "tests.reliability.settings",
        "DEBUG": "1",
        "PORT": "3001",
        "GEMINI_API_KEY": "test",
        "GEMINI_BASE_URL": own_emulator.url,
        "GEMINI_CA_FILE": str(own_emulator.ca_file),
        "GEMINI_SILENCE_TIMEOUT": "2",
        "DATABASE_URL": f"sqlite:///{module_folder / 'db.sqlite3'}",
        "DEMO_DATABASE_URL": f"sqlite:///{module_folder / 'shop.sqlite3'}",
        "REDIS_URL": "",
        "SECRET_KEY": "",
        "ALLOWED_HOSTS": "",
        "ALLOWED_ORIGINS": "http://localhost:3000",
        "HOUSEKEEPING_SECONDS": "0.5",
        "RELIABILITY_TRACE": str(module_folder / "trace"),
    }


@pytest.fixture
def command() -> list[str]:
    """What a test runs on that is not `on_each_server`."""
    return UVICORN


@pytest.fixture(scope="module")
def servers(module_environment: dict[str, str], module_folder: Path) -> Iterator[Callable[[list[str]], Server]]:
    started: dict[str, Server] = {}
    with contextlib.ExitStack() as stack:

        def server(command: list[str]) -> Server:
            name = command[0]
            if name not in started:
                log = module_folder / f"{name}.log"
                started[name] = stack.enter_context(running(module_environment, command, log))
            return started[name]

        yield server


@pytest.fixture
def server(servers: Callable[[list[str]], Server], command: list[str]) -> Server:
    """One of each kind for the tests of a module: each has its own session."""
    return servers(command)


@pytest.fixture
def trace(module_environment: dict[str, str]) -> Iterator["Trace"]:
    trace = Trace(Path(module_environment["RELIABILITY_TRACE"]))
    yield trace
    for file in trace.path.parent.glob(f"{trace.path.name}*"):
        file.unlink()


class Trace:
    """What the tools of `app` did."""

    def __init__(self, path: Path):
        self.path = path

    @property
    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    def release(self, thing: str) -> None:
        """Let `wait_for(thing)` return."""
        Path(f"{self.path}.{thing}").touch()
