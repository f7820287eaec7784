"""Programs that none of us wrote talk to the emulator: google-genai's documented examples, and its own live tests.

Both are taken out of the installed SDK when the tests run. An example is run as it stands, in a process of its own,
with what a reader has to add: an `async def main`, a key, the name of a model, the helpers that the docs leave open,
files. The process is a fork of a Python that has imported the SDK and nothing of ours.
Where the documentation itself has a slip, `SLIPS` says which, and another test proves that the slip is there.
"""

from __future__ import annotations

import base64
import datetime
import importlib.util
import inspect
import json
import os
import re
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import ANY

import pytest
import pytest_asyncio
from google import genai
from google.genai import live, tokens, types

from sessions_app.emulator import Emulator, Session, emulator_in_thread
from sessions_app.emulator.speech import synthesise
from tests.waiting import GIVE_UP_SECONDS

MODEL = "gemini-live-2.5-flash-preview"
SCRIPT = {
    "intents": [
        {"name": "hello", "phrases": ["hello [world]", "say hello"], "reply": "Hello! How can I help you?"},
        {"name": "story", "phrases": ["tell me a long story"], "reply": "Once upon a time."},
        {"name": "lights", "phrases": ["turn on the lights"], "tool": "turn_on_the_lights", "reply": "They are on."},
        {"name": "note", "phrases": ["remember the number 42"], "reply": "I will."},
        {"name": "recall", "phrases": ["what number did i ask you to remember"], "reply": "It was 42."},
    ],
    "spelling": {"42": "forty two"},
}
INSTRUCTION = {"role": "user", "parts": [{"text": "You are an LLM called Gemini."}]}
# The smallest JPEG: one grey pixel.
IMAGE = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP///////////////////////////////////////////////////////////////////////////////"
    "///////wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAA//EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AN//Z"
)
# What is used of Pillow, which is no requirement of ours: a picture that is saved as the bytes that it was read from.
PILLOW = """
from pathlib import Path

class Image:
    format, mode = "JPEG", "RGB"
    def __init__(self, filename): self.filename = filename
    def save(self, file, format, **_): file.write(Path(self.filename).read_bytes())

open = Image
"""

# What a reader adds in front of every example, and in front of some.
PRELUDE = """
import asyncio, os, time
from pathlib import Path
from google import genai
from google.genai import types
API_KEY = os.environ["GOOGLE_API_KEY"]
"""
TOKEN_CLIENT = "client = genai.Client(http_options=types.HttpOptions(api_version='v1alpha'))\n"
BEFORE = {
    "AsyncSession.start_stream": """
played = b""
def play_audio_chunk(data):
    global played
    played += data or b""
def read_audio():  # a microphone in a room where somebody speaks, and then listens to the answer
    speech = Path("audio.pcm").read_bytes()
    while not played:
        piece, speech = speech[:1280], speech[1280:]
        yield piece or bytes(1280)
        time.sleep(0.005)
""",
    "AsyncSession.send_context_update": "def my_func(city: str) -> str:\n    '''The weather in a city.'''\n",
    **{f"Tokens.create {case}": TOKEN_CLIENT for case in range(1, 5)},
}
# Around the example, where it takes an open session for granted.
SESSION = {"AsyncSession.send_context_update"}
# What a reader does with a result.
AFTER = {
    "AsyncSession.start_stream": "print(f'{len(played)} bytes played')\n",
    "AsyncTokens.create": "print(auth_token.name)\n",
    **{f"Tokens.create {case}": "print(auth_token.name)\n" for case in range(1, 5)},
}
# Slips of the documentation, which work against no server: what is written, what is meant, and how it fails.
RENAMED = [
    ("live_constrained_parameters", "live_connect_constraints"),
    ("LiveEphemeralParameters", "LiveConnectConstraints"),
]
NO_SUCH_NAME = "module 'google.genai.types' has no attribute 'LiveEphemeralParameters'"
SLIPS: dict[str, tuple[list[tuple[str, str]], str]] = {
    "AsyncSession.start_stream": ([("  for audio in", "  async for audio in")], "'async_generator' object is not"),
    "Tokens.create 1": ([("2025-05-01T00:00:00Z", "{soon}")], "expire_time must be in the future"),
    **{f"Tokens.create {case}": (RENAMED, NO_SUCH_NAME) for case in (2, 3, 4)},
    "AsyncTokens.create": ([("client.aio.tokens.", "client.aio.auth_tokens."), *RENAMED], "no attribute 'tokens'"),
}  # fmt: skip
EXCLUDED: dict[str, str] = {}  # name → why it can work against no server, not even with a slip mended


def blocks(module: ModuleType) -> Iterator[tuple[str, str]]:
    """The `code-block`s in the docstrings of a module: "Class.method", and the code."""
    for class_name, owner in inspect.getmembers(module, inspect.isclass):
        if owner.__module__ != module.__name__:
            continue
        for name, member in [("", owner), *vars(owner).items()]:
            lines = (inspect.getdoc(member) or "").splitlines() if inspect.isroutine(member) or not name else []
            for number, line in enumerate(lines):
                if line.strip() == ".. code-block:: python":
                    margin = len(line) - len(line.lstrip())
                    body = []
                    for following in lines[number + 1 :]:
                        if following.strip() and len(following) - len(following.lstrip()) <= margin:
                            break
                        body.append(following)
                    yield f"{class_name}.{name}".rstrip("."), textwrap.dedent("\n".join(body)).strip() + "\n"


def examples() -> dict[str, str]:
    """All examples of the Live API and of tokens by name; numbered where a method has several."""
    found = defaultdict(list)
    for module in (live, tokens):
        for name, code in blocks(module):
            found[name].append(code)
    return {
        name if len(codes) == 1 else f"{name} {number}": code
        for name, codes in found.items()
        for number, code in enumerate(codes, 1)
    }


EXAMPLES = examples()


def program(name: str, code: str) -> str:
    """The example, as a reader would have it in a file."""
    code = re.sub(r"model='\.\.\.'", f"model={MODEL!r}", code)
    if name in SESSION:
        around = f"async with genai.Client().aio.live.connect(model={MODEL!r}) as session:\n"
        code = around + textwrap.indent(code, "  ")
    main = "async def main():\n" + textwrap.indent(code + AFTER.get(name, ""), "  ") + "asyncio.run(main())\n"
    return PRELUDE + BEFORE.get(name, "") + main


def mended(name: str) -> str:
    code = EXAMPLES[name]
    for written, meant in SLIPS.get(name, ([], ""))[0]:
        assert written in code, f"The documentation of {name} has been mended: take it out of SLIPS"
        code = code.replace(written, meant.format(soon=time_soon()))
    return code


def time_soon() -> str:
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def _google() -> Iterator[Emulator]:
    with emulator_in_thread(speed=0, script=SCRIPT, ears="phrases") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def google(_google: Emulator) -> Emulator:
    """The emulator, on a thread of its own."""
    await _google.start_afresh()
    return _google


# To import the SDK takes ten times as long as an example: a Python does it once, and each example runs in a fork of it.
# A line on standard input is a program, the answer its exit status.
PYTHON = """
import json, os, signal, sys, traceback
from google import genai
for line in sys.stdin:
    job = json.loads(line)
    child = os.fork()
    if not child:
        signal.alarm(job["seconds"])
        os.chdir(job["folder"])
        os.environ.clear()
        os.environ.update(job["environment"])
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        status = 0
        try:
            exec(compile(job["code"], "<string>", "exec"), {"__name__": "__main__"})
        except BaseException:
            traceback.print_exc()
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
Run = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def python(pillow: Path) -> Iterator[subprocess.Popen[str]]:
    """In a folder outside this repository, whose modules could be imported otherwise."""
    with subprocess.Popen(
        [sys.executable, "-c", PYTHON], cwd=pillow, env=os.environ | {"PYTHONPATH": str(pillow)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        yield process
        process.stdin.close()


@pytest.fixture
def run(python: subprocess.Popen[str], environment: dict[str, str], tmp_path: Path) -> Run:
    """Run a program in a folder that has what `environment` put there."""

    def run(code: str) -> subprocess.CompletedProcess[str]:
        job = {"code": code, "environment": environment, "folder": str(tmp_path), "seconds": int(GIVE_UP_SECONDS)}
        python.stdin.write(json.dumps(job) + "\n")
        python.stdin.flush()
        status = int(python.stdout.readline())
        printed, errors = ((tmp_path / name).read_text() for name in ("stdout", "stderr"))
        return subprocess.CompletedProcess(python.args, status, printed, errors)

    return run


@pytest.fixture(scope="module")
def pillow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to import from: with what stands in for Pillow, where that is not installed."""
    folder = tmp_path_factory.mktemp("pillow")
    if importlib.util.find_spec("PIL") is None:
        (folder / "PIL").mkdir()
        (folder / "PIL" / "__init__.py").touch()
        (folder / "PIL" / "Image.py").write_text(PILLOW)
    return folder


@pytest.fixture
def environment(google: Emulator, pillow: Path, tmp_path: Path) -> dict[str, str]:
    """What the examples find: the variables, Pillow, `image.jpg` and `audio.pcm`."""
    (tmp_path / "image.jpg").write_bytes(IMAGE)
    speech = synthesise("Tell me a long story.", rate=16_000)
    (tmp_path / "audio.pcm").write_bytes(bytes(16_000) + speech + bytes(32_000))
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "GEMINI_", "PYTEST"))}
    return ours | google.environment | {"GOOGLE_API_KEY": "key", "PYTHONPATH": str(pillow)}


async def served(emulator: Emulator, messages: dict[str, int]) -> Session:
    """The one session that there was, once it has ended: it got all that was sent, and refused nothing."""
    (session,) = emulator.all_sessions
    await emulator.until(lambda: not emulator.sessions)
    await emulator.until(lambda: {kind: session.received[kind] for kind in messages} == messages)
    assert session.received == {"setup": 1, **messages}
    assert session.describe()["closeCode"] == 1000
    return session


def texts(session: Session) -> str:
    """What was answered in text."""
    contents = [frame.message.get("serverContent", {}) for frame in session.frames if frame.sent]
    return "".join(
        part.get("text", "") for content in contents for part in content.get("modelTurn", {}).get("parts", [])
    )


class Checks:
    """What the emulator must have received, and the program printed. One method for each example."""

    def __init__(self, emulator: Emulator, printed: str):
        self.emulator = emulator
        self.printed = printed

    async def said(self, text: str) -> Session:
        """A text was sent and answered; the program printed all messages, audio among them."""
        session = await served(self.emulator, {"clientContent": 1})
        (content,) = session.messages("clientContent")
        assert content == {"turns": [{"role": "user", "parts": [{"text": text}]}], "turnComplete": True}
        assert session.setup["model"] == f"models/{MODEL}"
        return session

    async def printed_messages(self, text: str) -> None:
        await self.said(text)
        assert "inline_data=Blob(" in self.printed
        assert "audio/pcm;rate=24000" in self.printed
        assert "turn_complete=True" in self.printed

    async def connect(self) -> None:
        await self.printed_messages("hello!")

    async def send(self) -> None:
        await self.printed_messages("Hello world!")

    receive = send

    async def send_client_content(self) -> None:
        session = await self.said("Hello world!")
        assert session.setup["generationConfig"] == {"responseModalities": ["TEXT"]}
        assert texts(session) == "Hello! How can I help you?"
        assert self.printed.split() == texts(session).split()

    async def send_realtime_input(self) -> None:
        session = await served(self.emulator, {"realtimeInput.mediaChunks": 2})
        image, audio = (message["mediaChunks"][0] for message in session.messages("realtimeInput"))
        assert image["mimeType"] == "image/jpeg"
        assert session.images == {"count": 1, "bytes": image["data"]["bytes"], "kilobytes": ANY, "type": "jpeg"}
        assert audio == {"mimeType": "audio/pcm;rate=16000", "data": {"bytes": session.audio_received}}
        assert session.audio_received > 48_000
        assert texts(session) == "Once upon a time."
        assert self.printed.split() == texts(session).split()

    async def send_tool_response(self) -> None:
        session = await served(self.emulator, {"clientContent": 1, "toolResponse": 1})
        ((answer,),) = (message["functionResponses"] for message in session.messages("toolResponse"))
        assert answer == {"id": answer["id"], "name": "turn_on_the_lights", "response": {"result": "ok"}}
        assert f"id='{answer['id']}'" in self.printed
        assert "They are on." in " ".join(self.printed.split())

    async def send_context_update(self) -> None:
        session = await served(self.emulator, {"contextUpdate": 3})
        instruction, tool, none = session.messages("contextUpdate")
        assert instruction["systemInstruction"]["parts"][0]["text"].startswith("You are now a technical expert.")
        ((function,),) = (item["functionDeclarations"] for item in tool["tools"]["tools"])
        assert (function["name"], list(function["parametersJsonSchema"]["properties"])) == ("my_func", ["city"])
        assert none == {"tools": {"tools": []}}

    async def start_stream(self) -> None:
        session = self.emulator.all_sessions[0]
        await self.emulator.until(lambda: not session.open)
        assert set(session.received) == {"setup", "realtimeInput.mediaChunks"}
        assert session.messages("realtimeInput")[0]["mediaChunks"][0]["mimeType"] == "audio/pcm"
        assert session.audio_received > 16_000
        assert int(self.printed.split()[0]) > 1_000

    async def token(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The setup of a session that is begun with the token that was printed."""
        options = types.HttpOptions(api_version="v1alpha", async_client_args={"ssl": self.emulator.ssl_context()})
        options.base_url = self.emulator.url
        client = genai.Client(api_key=self.printed.strip(), http_options=options)
        with pytest.warns(match="ephemeral token support is experimental"):
            async with client.aio.live.connect(model=MODEL, config=asked):
                return self.emulator.all_sessions[-1].setup

    async def create(self, case: int = 2) -> None:
        assert re.fullmatch(r"auth_tokens/\w+\n", self.printed)
        setup = await self.token({"system_instruction": "Shout.", "temperature": 0.5, "max_output_tokens": 9})
        said = setup["systemInstruction"]["parts"][0]["text"]
        generation = {name: setup.get("generationConfig", {}).get(name) for name in ("temperature", "maxOutputTokens")}
        free = {"temperature": 0.5, "maxOutputTokens": 9}
        assert said == ("Shout." if case == 1 else "You are an LLM called Gemini.")
        assert generation == {1: free, 2: dict.fromkeys(free), 3: free, 4: free | {"temperature": None}}[case]


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - EXCLUDED))
async def test_example(name: str, google: Emulator, run: Run):
    done = run(program(name, mended(name)))
    assert done.returncode == 0, done.stderr
    method, _, number = name.partition(".")[2].partition(" ")
    check = getattr(Checks(google, done.stdout), method, None)
    assert check, f"The documentation has a new example, {name}: say in Checks what it should send"
    await check(*[int(number)] if number else [])


@pytest.mark.parametrize("name", sorted(SLIPS))
def test_slip_is_in_the_documentation(name: str, google: Emulator, run: Run):
    done = run(program(name, EXAMPLES[name]))
    assert done.returncode == 1
    assert SLIPS[name][1] in done.stderr
    assert all(set(session.received) == {"setup"} for session in google.all_sessions)


def test_examples_are_found():
    """13 in google-genai 3.4.0. A release whose documentation is elsewhere must not pass unseen."""
    assert len(EXAMPLES) >= 13
    assert {*SLIPS, *BEFORE, *AFTER, *SESSION, *EXCLUDED} <= EXAMPLES.keys()
    for name, code in EXAMPLES.items():
        assert "client" in code or name in SESSION, name
        compile(program(name, code), name, "exec")


# The SDK's own live tests, which Google runs against its servers: `google/genai/tests/live_api`. What their conftest
# makes for the real thing, a client and an option, is made here from the variables; and Vertex AI gets a token.
SUITE = "google.genai.tests.live_api.test_live_session"
SUITE_CONFTEST = """
import google.auth.credentials, pytest
from google import genai

class Bearer(google.auth.credentials.Credentials):
    def refresh(self, request): self.token = "token"

def pytest_addoption(parser):
    parser.addoption("--mode")

@pytest.fixture
def client(use_vertex):
    if not use_vertex:
        return genai.Client()
    return genai.Client(vertexai=True, project="p", location="us-central1", credentials=Bearer())
"""


def test_the_sdks_own_live_tests(google: Emulator, environment: dict[str, str], tmp_path: Path):
    assert importlib.util.find_spec(SUITE), "The SDK comes without its live tests: take this test out"
    (tmp_path / "conftest.py").write_text(SUITE_CONFTEST)
    (tmp_path / "test_suite.py").write_text(f"from {SUITE} import *\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    arguments = ["--mode=api", "-q", "-p", "no:randomly", "-p", "no:django", "--junitxml=result.xml"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, "test_suite.py"], cwd=tmp_path, env=environment,
        capture_output=True, text=True, timeout=GIVE_UP_SECONDS, check=False,
    )  # fmt: skip
    cases = ET.parse(tmp_path / "result.xml").iter("testcase")
    results = {case.get("name"): (case[0].tag if len(case) else "passed") for case in cases}
    assert len(results) >= 7, done.stdout
    assert set(results.values()) == {"passed"}, done.stdout
