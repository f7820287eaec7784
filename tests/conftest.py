"""What most tests share: the emulator of Gemini Live, and settings that dial it."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis

from sessions_app.emulator import Emulator, emulator_in_thread
from tests.processes import environment_of
from tests.programs import require_program
from tests.progress import Progress
from tests.server import free_port
from tests.waiting import GIVE_UP_SECONDS, wait_until
from tools_app.writer import writer

SLOW_FOLDERS = ["e2e", "reliability", "integration/tools/mcp", "contract", "integration"]


@pytest.hookimpl(trylast=True)  # when the terminal's reporter is there
def pytest_configure(config: pytest.Config) -> None:
    _configure_hypothesis(is_short=config.option.markexpr == "not long")
    hands_out_tests = config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput")
    if hands_out_tests and not config.option.verbose:
        config.pluginmanager.register(Progress(config))


def _configure_hypothesis(*, is_short: bool) -> None:
    """It draws the same in every run of the short forms, and by chance in the long ones.

    It has no time-outs of its own, which a busy machine would exceed.
    """
    profile = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
    hypothesis.register_profile("ours", derandomize=is_short, **profile, **({"database": None} if is_short else {}))
    hypothesis.load_profile("ours")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: tests of servers and browsers wait more than they compute."""
    return min(8, 2 * (os.cpu_count() or 1))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folders whose files take long come first, so that no process is left with one of them at the end."""
    folders = [Path(__file__).parent / name for name in SLOW_FOLDERS]

    def place(item: pytest.Item) -> int:
        return next((i for i, folder in enumerate(folders) if item.path.is_relative_to(folder)), len(folders))

    items.sort(key=place)  # and otherwise as they were


@pytest.fixture(scope="session")
def shared_emulator():
    """One for the whole run, on a thread and event loop of its own; it speaks as fast as it can."""
    with emulator_in_thread(speed=0, record_audio=True, bad_keys=["bad"]) as running:
        yield running


@pytest.fixture(autouse=True)
def _all_is_written(request) -> Iterator[None]:
    """Before its database goes away, what a conversation of the test still wrote at its end."""
    for database in {"db", "transactional_db"}.intersection(request.fixturenames):
        request.getfixturevalue(database)  # what is set up first is taken down last
    yield
    writer.stop(timeout=GIVE_UP_SECONDS)  # the next write starts it again


@pytest.fixture
def gemini(shared_emulator, settings) -> Emulator:
    """The server under test dials the emulator, as it would dial Google with a key."""
    dial(settings, shared_emulator)
    return shared_emulator


def dial(settings, emulator: Emulator) -> None:
    settings.GEMINI_EMULATED = True
    settings.GEMINI_API_KEY = "test"
    settings.GEMINI_BASE_URL = emulator.url
    settings.GEMINI_CA_FILE = str(emulator.ca_file)


@pytest.fixture
def environment(tmp_path, shared_emulator) -> dict[str, str]:
    """Of a server process with a database of its own, which dials the shared emulator."""
    return environment_of(tmp_path, shared_emulator)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def redis(tmp_path) -> Iterator[str]:
    program = require_program("Redis (redis-server)", "redis-server")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listens(port), "Redis listens")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(GIVE_UP_SECONDS)
