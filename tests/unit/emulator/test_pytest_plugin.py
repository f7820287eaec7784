"""The fixture `gemini_emulator`, as another project's tests use it: in a pytest of its own, outside this repository.

One run has all their modules; each test here looks at what became of one of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.waiting import GIVE_UP_SECONDS

ROOT = Path(__file__).resolve().parents[3]
HEAD = '''
import asyncio, os, socket, sys, time
import pytest
from google import genai
from google.genai import errors
from sessions_app.emulator import Emulator

CONFIG = {"output_audio_transcription": {}}

async def ask(text):
    """What the model says; the client knows nothing but the variables."""
    async with genai.Client(api_key="x").aio.live.connect(model="gemini-3.8-live", config=CONFIG) as session:
        await session.send_realtime_input(text=text)
        messages = [message.server_content async for message in session.receive()]
        return "".join(m.output_transcription.text for m in messages if m and m.output_transcription)
'''
# What surrounds the run: the fixture must put it aside, and put it back.
AROUND = {"SSL_CERT_FILE": "theirs.pem", "HTTPS_PROXY": "http://proxy.invalid:1"}
THEIRS = {
    "test_answers": """
        def test_it(gemini_emulator):
            assert isinstance(gemini_emulator, Emulator)
            assert gemini_emulator.url == f"https://127.0.0.1:{gemini_emulator.port}"
            socket.create_connection(("127.0.0.1", gemini_emulator.port)).close()
            assert asyncio.run(ask("hello")) == "Hello! How can I help you?"
            assert "django" not in sys.modules and "channels" not in sys.modules
    """,
    "test_variables": """
        NAMES = ("GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL", "SSL_CERT_FILE",
                 "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
        def variables():
            return {name: os.environ[name] for name in NAMES if name in os.environ}

        def test_before():
            assert variables() == {"SSL_CERT_FILE": "theirs.pem", "HTTPS_PROXY": "http://proxy.invalid:1"}

        def test_with(gemini_emulator):
            assert variables() == gemini_emulator.environment
            assert variables()["GOOGLE_GEMINI_BASE_URL"] == gemini_emulator.url
            assert os.path.isfile(variables()["SSL_CERT_FILE"])

        test_after = test_before
    """,
    "test_marks": """
        OPEN = {"intents": [{"name": "door", "phrases": ["open the door"], "reply": "It is open."}]}

        @pytest.mark.gemini_emulator(script=OPEN)
        def test_script(gemini_emulator):
            assert asyncio.run(ask("Open the door")) == "It is open."

        @pytest.mark.gemini_emulator(faults=["close,at=turn,code=1011,reason=Not today."])
        def test_fault(gemini_emulator):
            with pytest.raises(errors.APIError, match="Not today.") as caught:
                asyncio.run(ask("hello"))
            assert caught.value.code == 1011

        @pytest.mark.gemini_emulator(bad_keys=["x"])
        def test_bad_keys(gemini_emulator):
            with pytest.raises(errors.APIError, match="API key not valid"):
                asyncio.run(ask("hello"))

        @pytest.mark.gemini_emulator(speed=4)
        def test_speed(gemini_emulator):
            asyncio.run(ask("hello"))
            times = [f.seconds for f in gemini_emulator.all_sessions[0].frames if "modelTurn" in f.kind]
            assert times[-1] - times[0] > 0.1

        def test_without_a_mark_it_speaks_at_once(gemini_emulator):
            assert gemini_emulator.pace.speed == 0

        def test_the_mark_is_explained(pytestconfig):
            explained = "gemini_emulator(**options): options of the fixture's Emulator"
            assert explained in pytestconfig.getini("markers")
    """,
    "test_unknown_option": """
        @pytest.mark.gemini_emulator(volume=11)
        def test_it(gemini_emulator):
            pass
    """,
    "test_frames": """
        def test_afterwards(gemini_emulator):
            before = time.monotonic()
            asyncio.run(ask("hello"))
            (session,) = gemini_emulator.all_sessions
            # A frame is noted when it has left: the client may have it before.
            asyncio.run(gemini_emulator.until(lambda: "turnComplete" in session.frames[-1].kind and not session.open))
            took = time.monotonic() - before
            assert session.messages("realtimeInput") == [{"text": "hello"}]
            assert session.messages("toolResponse") == []
            assert session.received == {"setup": 1, "realtimeInput.text": 1}
            frames = session.frames
            kinds = [frame.kind for frame in frames]
            assert kinds[:3] == ["setup", "setupComplete", "realtimeInput.text"]
            assert kinds[-2:] == ["serverContent.generationComplete", "serverContent.turnComplete+usageMetadata"]
            assert [frame.sent for frame in frames] == [False, True, False] + [True] * (len(frames) - 3)
            times = [frame.seconds for frame in frames]
            assert times == sorted(times)
            assert 0 <= times[0] < times[-1] < took
            assert all(frame.size > 20 for frame in frames)

        def test_while_it_is_open(gemini_emulator):
            async def talk():
                async with genai.Client(api_key="x").aio.live.connect(model="gemini-3.8-live", config=CONFIG):
                    return [session.setup["model"] for session in gemini_emulator.sessions]
            assert asyncio.run(talk()) == ["models/gemini-3.8-live"]
    """,
    "test_fresh": """
        seen = []

        @pytest.mark.parametrize("number", [1, 2])
        def test_it(gemini_emulator, number):
            assert not gemini_emulator.all_sessions and gemini_emulator.dials == 0
            assert gemini_emulator.faults.describe() == []
            assert gemini_emulator not in seen
            assert len(gemini_emulator.environment.items() & (seen[0].environment.items() if seen else set())) == 0
            for old in seen:
                assert not old.ca_file.exists()
                with pytest.raises(OSError):
                    socket.create_connection(("127.0.0.1", old.port)).close()
            seen.append(gemini_emulator)
            gemini_emulator.faults.add("close", at="input")
            with pytest.raises(errors.APIError):
                asyncio.run(ask("hello"))
            assert len(gemini_emulator.all_sessions) == 1
    """,
    "test_failing": """
        import threading

        def test_fails_with_an_open_session(gemini_emulator):
            async def talk():
                async with genai.Client(api_key="x").aio.live.connect(model="gemini-3.8-live", config=CONFIG):
                    raise ArithmeticError
            asyncio.run(talk())

        def test_nothing_is_left():
            assert [thread.name for thread in threading.enumerate() if "emulator" in thread.name] == []
            assert "GOOGLE_GEMINI_BASE_URL" not in os.environ
    """,
}


def pytest_elsewhere(folder: Path, theirs: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run these tests as a project would that has only our emulator on its path: no Django, none of our plugins."""
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    # In a test module it would come too late for --strict-markers, which reads the marks while it imports the module.
    (folder / "conftest.py").write_text('pytest_plugins = ["sessions_app.emulator.pytest_plugin"]\n')
    for name, tests in theirs.items():
        (folder / f"{name}.py").write_text(HEAD + textwrap.dedent(tests))
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GOOGLE_", "GEMINI_", "PYTEST", "DJANGO")) and name not in AROUND
    }
    plugins = [f"-pno:{name}" for name in ("django", "asyncio", "randomly", "cacheprovider")]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-v", *plugins, *arguments], cwd=folder, timeout=GIVE_UP_SECONDS,
        env=ours | {"PYTHONPATH": str(ROOT)} | AROUND, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Module and test → "passed", or what its report says."""
    folder = tmp_path_factory.mktemp("elsewhere")
    done = pytest_elsewhere(folder, THEIRS, "--junitxml=result.xml")
    assert done.returncode == 1, done.stdout + done.stderr  # tests failed, as two of them shall
    found: dict[str, dict[str, str]] = {name: {} for name in THEIRS}
    for case in ET.parse(folder / "result.xml").iter("testcase"):
        told = "".join(f"{child.tag}: {child.get('message')} {child.text}" for child in case)
        found[case.get("classname", "")][case.get("name", "")] = told or "passed"
    return found


@pytest.mark.parametrize(
    ("module", "count"),
    [("test_answers", 1), ("test_variables", 3), ("test_marks", 6), ("test_frames", 2), ("test_fresh", 2)],
)
def test_what_others_expect_of_it(results: dict[str, dict[str, str]], module: str, count: int):
    assert list(results[module].values()) == ["passed"] * count


def test_an_option_that_does_not_exist_fails_the_test(results: dict[str, dict[str, str]]):
    told = results["test_unknown_option"]["test_it"]
    assert told.startswith("error: ")
    assert "volume" in told


def test_it_does_not_outlive_a_test_that_fails(results: dict[str, dict[str, str]]):
    failed, after = (
        results["test_failing"][name] for name in ("test_fails_with_an_open_session", "test_nothing_is_left")
    )
    assert failed.startswith("failure: ")
    assert "ArithmeticError" in failed
    assert after == "passed"


@pytest.mark.long
def test_how_long_it_takes(tmp_path: Path):
    """Printed, not asserted (pytest -s): what the fixture adds to a test that does nothing."""
    tests = """
        @pytest.mark.parametrize("number", range(10))
        def test_it(gemini_emulator, number):
            pass
    """
    done = pytest_elsewhere(tmp_path, {"test_nothing": tests}, "--durations=0", "-vv")
    assert done.returncode == 0, done.stdout + done.stderr
    for phase in ("setup", "teardown"):
        times = sorted(float(line.split("s ")[0]) for line in done.stdout.splitlines() if f"s {phase} " in line)
        assert len(times) == 10, done.stdout
        print(f"The fixture's {phase}: {times[5]:.3f} s as a rule, {times[-1]:.3f} s at most")
