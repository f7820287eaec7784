"""One emulator, one Open-Meteo, one server and a few Chromiums for all browser tests of a worker.

Every test has a browser context of its own. All run in one event loop, because Playwright's objects belong to theirs.
"""

import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from sessions_app.emulator import emulator_in_thread
from tests.open_meteo import OpenMeteo, open_meteo
from tests.server import ROOT, Server, free_port

from .browser import browsers
from .far_end import FarEnd
from .looks import Looks
from .sound import MICROPHONE_RATE, write_wave
from .static_server import serve

FOLDER = Path(__file__).parent
CLASSIC_CLIENT = FOLDER / "classic_client"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(FOLDER) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session", autouse=True)
async def _browsers() -> AsyncIterator[None]:
    yield
    await browsers.close()


@pytest.fixture(scope="session", autouse=True)
def _pictures(pytestconfig: pytest.Config) -> None:
    Looks.takes_all_pictures = pytestconfig.option.markexpr != "not long"


@pytest.fixture(scope="session", autouse=True)
def no_proxy() -> Iterator[None]:
    """Everything that these tests reach is on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.lower() in {"http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy"}:
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def emulator() -> Iterator:
    with emulator_in_thread(record_audio=True) as emulator:
        yield emulator


@pytest.fixture
def far_end(emulator) -> FarEnd:
    return FarEnd(emulator)


@pytest.fixture(scope="session")
def weather_service() -> Iterator[OpenMeteo]:
    with open_meteo() as service:
        yield service


@pytest.fixture(scope="session")
def allowed_origin() -> Iterator[str]:
    with serve(CLASSIC_CLIENT) as origin:
        yield origin


@pytest.fixture(scope="session")
def strange_origin() -> Iterator[str]:
    with serve(CLASSIC_CLIENT) as origin:
        yield origin


@pytest.fixture(scope="session")
def make_server(emulator, weather_service, allowed_origin, tmp_path_factory) -> Iterator[Callable[..., Server]]:
    """Builds a started server with a fresh database; keyword arguments are further environment variables."""
    servers: list[Server] = []
    # One folder with the databases as they are before anybody speaks. E2E_DATABASES names one that outlives the run.
    kept = os.environ.get("E2E_DATABASES")
    prepared = [Path(kept)] if kept and Path(kept).exists() else []
    # Without a key the server looks for the emulator's certificate authority here.
    ca_file = ROOT / "var" / f"emulator-ca-{emulator.port}.pem"
    ca_file.parent.mkdir(exist_ok=True)
    if Path(emulator.ca_file) != ca_file:
        shutil.copyfile(emulator.ca_file, ca_file)

    def make(**environment: str) -> Server:
        folder = tmp_path_factory.mktemp("server")
        port = int(environment.get("PORT") or free_port())
        server = Server(
            port,
            {
                "DEBUG": "1",
                "PORT": str(port),
                "GEMINI_API_KEY": "",
                "GEMINI_BASE_URL": "",
                "GEMINI_CA_FILE": "",
                "EMULATOR_PORT": str(emulator.port),
                "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
                "DEMO_DATABASE_URL": f"sqlite:///{folder / 'shop.sqlite3'}",
                "REDIS_URL": "",
                "SECRET_KEY": "",
                "ALLOWED_HOSTS": "",
                "ALLOWED_ORIGINS": allowed_origin,
                "TOOLS_ALLOWED_HOSTS": "",
                "TOOLS_PRIVATE_HOSTS": weather_service.host,
                **weather_service.environment,
                **environment,
            },
            folder / "server.log",
            forked=True,
        )
        if prepared:
            shutil.copytree(prepared[0], folder, dirs_exist_ok=True)
        else:
            server.manage("migrate", "--verbosity=0")
            server.manage("load_demo", "--verbosity=0")
            keep = Path(kept) if kept else tmp_path_factory.mktemp("prepared")
            prepared.append(shutil.copytree(folder, keep, dirs_exist_ok=True))
        servers.append(server)
        server.start()
        return server

    try:
        yield make
    finally:
        for server in servers:
            server.stop()
        ca_file.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def server(make_server) -> Server:
    """The one that all tests share: none of them stops it."""
    return make_server()


@pytest.fixture(scope="session")
def quiet_room(tmp_path_factory) -> Path:
    """A microphone that works, and hears nobody."""
    noise = np.random.default_rng(1).normal(0, 60, 120 * MICROPHONE_RATE)
    return write_wave(tmp_path_factory.mktemp("room") / "room.wav", noise.astype("<i2").tobytes())
