"""`python -m sessions_app.emulator`, as others start it."""

from __future__ import annotations

import base64
import json
import signal
import socket
import ssl
import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from sessions_app.emulator.__main__ import main
from tests.forms import in_long_form, long_form
from tests.waiting import GIVE_UP_SECONDS, wait_until

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=k"
ROOT = Path(__file__).parents[3]


@contextmanager
def program(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "sessions_app.emulator", *arguments],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


def ready_port(process: subprocess.Popen[str]) -> int:
    line = process.stdout.readline()
    assert line.startswith("Gemini Live emulator ready on https://127.0.0.1:"), line
    return int(line.rsplit(":", 1)[1])


def test_can_be_trusted_when_it_is_ready(tmp_path: Path):
    authority = tmp_path / "new folder" / "ca.pem"
    with program("--ca-out", str(authority)) as process:
        port = ready_port(process)
        context = ssl.create_default_context(cafile=authority)
        with socket.create_connection(("127.0.0.1", port), GIVE_UP_SECONDS) as plain:
            context.wrap_socket(plain, server_hostname="127.0.0.1").close()
        assert process.stdout.readline() == f"GOOGLE_GEMINI_BASE_URL=https://127.0.0.1:{port}\n"
        assert process.stdout.readline() == f"GOOGLE_VERTEX_BASE_URL=https://127.0.0.1:{port}\n"
        assert process.stdout.readline() == f"SSL_CERT_FILE={authority}\n"


@pytest.mark.parametrize("name", [signal.SIGTERM, long_form(signal.SIGINT)])
def test_a_signal_ends_it_cleanly(name: signal.Signals):
    with program() as process:
        ready_port(process)
        process.send_signal(name)
        _, errors = process.communicate(timeout=GIVE_UP_SECONDS)
    assert (process.returncode, errors) == (0, "")


def test_ends_with_its_standard_input():
    with program("--stop-with-stdin") as process:
        ready_port(process)
        process.stdin.close()
        assert process.wait(timeout=GIVE_UP_SECONDS) == 0


def test_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with program("--port", str(port)) as process:
            _, errors = process.communicate(timeout=GIVE_UP_SECONDS)
    assert process.returncode == 2
    assert errors == f"Port {port} on 127.0.0.1 is in use: choose another with --port (0 takes a free one).\n"


WRONG = [
    (["--script", "/nowhere.toml"], "The script /nowhere.toml cannot be read: No such file or directory.\n"),
    (["--port", "70000"], "The port 70000 does not exist: choose one from 0 to 65535.\n"),
    (["--speed", "-1"], "Speed, burst and playback gap must not be negative, and jitter is from 0 to 1.\n"),
    (["--fault", "explode"], "There is no fault 'explode': choose one of refuse_upgrade, close, abort, "),
    (["--fault", "close,at=noon"], "There is no moment 'noon': choose one of upgrade, setup, ready, "),
    (["--record", __file__], f"Recordings cannot be written to {__file__}: File exists."),
    (["--chunk", "0"], "A chunk of audio is from 0.01 to 10 seconds long."),
    (["--jitter", "2"], "Speed, burst and playback gap must not be negative, and jitter is from 0 to 1."),
]


@pytest.mark.parametrize(("arguments", "sentence"), WRONG)
def test_wrong_options(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]):
    """What the program does with them; its process is another test's."""
    interval = sys.getswitchinterval()
    try:
        assert main(arguments) == 2
    finally:
        sys.setswitchinterval(interval)
    errors = capsys.readouterr().err
    assert errors.startswith(sentence)
    assert errors.count("\n") == 1


@pytest.mark.parametrize(("arguments", "sentence"), [WRONG[0], *in_long_form(WRONG[1:])])
def test_wrong_options_end_the_process(arguments: list[str], sentence: str):
    with program(*arguments) as process:
        _, errors = process.communicate(timeout=GIVE_UP_SECONDS)
    assert process.returncode == 2
    assert errors.startswith(sentence)


def test_faults_and_recordings_by_flags(tmp_path: Path):
    authority = tmp_path / "ca.pem"
    flags = ["--fault", "refuse_upgrade,times=1", "--fault", "close,at=turn_complete,code=4000,reason=enough"]
    with program("--ca-out", str(authority), "--speed", "0", "--record", str(tmp_path / "all"), *flags) as process:
        url = f"wss://127.0.0.1:{ready_port(process)}{PATH}"
        context = ssl.create_default_context(cafile=authority)
        with pytest.raises(InvalidStatus) as refused:
            connect(url, ssl=context, proxy=None)
        assert refused.value.response.status_code == 429
        with connect(url, ssl=context, proxy=None) as socket:
            socket.send('{"setup": {"model": "models/gemini-3.8-live"}}')
            socket.send('{"realtimeInput": {"text": "hello"}}')
            with suppress(ConnectionClosed):
                while True:
                    socket.recv(timeout=GIVE_UP_SECONDS)
            assert (socket.close_code, socket.close_reason) == (4000, "enough")
        process.terminate()
        process.wait(timeout=GIVE_UP_SECONDS)
    [folder] = (tmp_path / "all").iterdir()
    last = json.loads((folder / "frames.jsonl").read_text().splitlines()[-1])
    assert last["message"]["serverContent"] == {"turnComplete": True}
    assert (folder / "spoken.wav").stat().st_size > 10_000


def test_a_killed_emulator_leaves_what_it_had(tmp_path: Path):
    authority = tmp_path / "ca.pem"
    with program("--ca-out", str(authority), "--speed", "0", "--record", str(tmp_path / "all")) as process:
        url = f"wss://127.0.0.1:{ready_port(process)}{PATH}"
        with connect(url, ssl=ssl.create_default_context(cafile=authority), proxy=None) as socket:
            socket.send('{"setup": {"model": "models/gemini-3.8-live"}}')
            socket.send('{"realtimeInput": {"text": "hello"}}')
            frames = []
            while "turnComplete" not in str(frames[-1:]):
                frames.append(json.loads(socket.recv(timeout=GIVE_UP_SECONDS)))
            [folder] = (tmp_path / "all").iterdir()
            # A frame is noted when it has left: the last one may be on its way to the file.
            wait_until(lambda: "turnComplete" in (folder / "frames.jsonl").read_text(), "the last frame is noted")
            process.kill()
            process.wait(timeout=GIVE_UP_SECONDS)
    sent = [line for line in map(json.loads, (folder / "frames.jsonl").read_text().splitlines()) if line["sent"]]
    assert [list(line["message"]) for line in sent] == [list(frame) for frame in frames]
    parts = [part for frame in frames for part in frame.get("serverContent", {}).get("modelTurn", {}).get("parts", [])]
    with wave.open(str(folder / "spoken.wav")) as file:
        spoken = file.readframes(file.getnframes())
    assert spoken == b"".join(base64.b64decode(part["inlineData"]["data"]) for part in parts)


def test_needs_nothing_of_the_project_and_no_django():
    code = (
        "import sys, sessions_app.emulator.__main__ as m; "
        "bad = [n for n in sys.modules if n.split('.')[0] in ('django', 'channels', 'tools_app') "
        "or n.startswith('sessions_app.') and not n.startswith('sessions_app.emulator')]; print(bad)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
