"""A pytest fixture for programs that talk to Gemini Live.

In the root `conftest.py`: `pytest_plugins = ["sessions_app.emulator.pytest_plugin"]`, then

    @pytest.mark.gemini_emulator(script={...}, faults=["close,at=turn"])
    def test_it(gemini_emulator): ...

The fixture is an `Emulator` on a thread of its own, fresh for each test, that speaks as fast as it can, unless the mark
says otherwise; while it runs, the variables of its `environment` are set, so that google-genai finds it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .server import Emulator
from .threaded import emulator_in_thread


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gemini_emulator(**options): options of the fixture's Emulator")


@pytest.fixture
def gemini_emulator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    mark = request.node.get_closest_marker("gemini_emulator")
    with emulator_in_thread(**{"speed": 0, **(mark.kwargs if mark else {})}) as emulator:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)  # the SDK honours them even for 127.0.0.1
        yield emulator
