"""The fixture `gemini_emulator`, as another project's tests use it: in a pytest of its own, outside this repository."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

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


def pytest_elsewhere(folder: Path, tests: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run these tests as a project would that has only our emulator on its path: no Django, none of our plugins."""
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    # In a test module it would come too late for --strict-markers, which reads the marks while it imports the module.
    (folder / "conftest.py").write_text('pytest_plugins = ["sessions_app.emulator.pytest_plugin"]\n')
    (folder / "test_theirs.py").write_text(HEAD + textwrap.dedent(tests))
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GOOGLE_", "GEMINI_", "PYTEST", "DJANGO")) and name != "SSL_CERT_FILE"
    }
    plugins = [f"-pno:{name}" for name in ("django", "asyncio", "randomly", "cacheprovider")]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-v", *plugins, *arguments], cwd=folder, timeout=50,
        env=ours | {"PYTHONPATH": str(ROOT)} | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def passes(folder: Path, tests: str, count: int, *arguments: str, **environment: str) -> str:
    done = pytest_elsewhere(folder, tests, *arguments, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f" {count} passed" in done.stdout
    return done.stdout


def test_it_answers_on_a_free_port_without_django(tmp_path: Path):
    tests = """
        def test_it(gemini_emulator):
            assert isinstance(gemini_emulator, Emulator)
            assert gemini_emulator.url == f"https://127.0.0.1:{gemini_emulator.port}"
            socket.create_connection(("127.0.0.1", gemini_emulator.port), 5).close()
            assert asyncio.run(ask("hello")) == "Hello! How can I help you?"
            assert "django" not in sys.modules and "channels" not in sys.modules
    """
    passes(tmp_path, tests, 1)


def test_variables_are_set_while_it_runs(tmp_path: Path):
    tests = """
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
    """
    passes(tmp_path, tests, 3, SSL_CERT_FILE="theirs.pem", HTTPS_PROXY="http://proxy.invalid:1")


def test_the_marks_options_reach_it(tmp_path: Path):
    tests = """
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
    """
    passes(tmp_path, tests, 5)


def test_an_option_that_does_not_exist_fails_the_test(tmp_path: Path):
    tests = """
        @pytest.mark.gemini_emulator(volume=11)
        def test_it(gemini_emulator):
            pass
    """
    done = pytest_elsewhere(tmp_path, tests)
    assert done.returncode == 1
    assert "volume" in done.stdout
    assert " 1 error" in done.stdout


def test_frames_are_there_afterwards(tmp_path: Path):
    tests = """
        def test_it(gemini_emulator):
            before = time.monotonic()
            asyncio.run(ask("hello"))
            took = time.monotonic() - before
            asyncio.run(gemini_emulator.until(lambda: not gemini_emulator.sessions))
            (session,) = gemini_emulator.all_sessions
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
    """
    passes(tmp_path, tests, 2)


def test_each_test_gets_a_fresh_one(tmp_path: Path):
    tests = """
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
                    socket.create_connection(("127.0.0.1", old.port), 5).close()
            seen.append(gemini_emulator)
            gemini_emulator.faults.add("close", at="input")
            with pytest.raises(errors.APIError):
                asyncio.run(ask("hello"))
            assert len(gemini_emulator.all_sessions) == 1
    """
    passes(tmp_path, tests, 2)


def test_it_does_not_outlive_a_test_that_fails(tmp_path: Path):
    tests = """
        import threading

        def test_fails_with_an_open_session(gemini_emulator):
            async def talk():
                async with genai.Client(api_key="x").aio.live.connect(model="gemini-3.8-live", config=CONFIG):
                    raise ArithmeticError
            asyncio.run(talk())

        def test_nothing_is_left():
            assert [thread.name for thread in threading.enumerate() if "emulator" in thread.name] == []
            assert "GOOGLE_GEMINI_BASE_URL" not in os.environ
    """
    done = pytest_elsewhere(tmp_path, tests)
    assert " 1 failed, 1 passed" in done.stdout, done.stdout
    assert "ArithmeticError" in done.stdout


def test_the_mark_is_explained(tmp_path: Path):
    done = pytest_elsewhere(tmp_path, "", "--markers")
    assert "@pytest.mark.gemini_emulator(**options): options of the fixture's Emulator" in done.stdout


def test_how_long_it_takes(tmp_path: Path):
    """Printed, not asserted (pytest -s): what the fixture adds to a test that does nothing."""
    tests = """
        @pytest.mark.parametrize("number", range(10))
        def test_it(gemini_emulator, number):
            pass
    """
    output = passes(tmp_path, tests, 10, "--durations=0", "-vv")
    for phase in ("setup", "teardown"):
        times = sorted(float(line.split("s ")[0]) for line in output.splitlines() if f"s {phase} " in line)
        assert len(times) == 10, output
        print(f"The fixture's {phase}: {times[5]:.3f} s as a rule, {times[-1]:.3f} s at most")
