"""What most tests share: the emulator of Gemini Live, and settings that dial it."""

import pytest

from sessions_app.emulator import Emulator, emulator_in_thread


@pytest.fixture(scope="session")
def shared_emulator():
    """One for the whole run, on a thread and event loop of its own; it speaks as fast as it can."""
    with emulator_in_thread(speed=0, record_audio=True, bad_keys=["bad"]) as running:
        yield running


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
