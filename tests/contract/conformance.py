"""`make conformance`: the contract tests that apply, against Google's own servers, and how the frames differ.

    GEMINI_API_KEY=… make conformance

Runs the tests that are marked `conformance` twice, against the emulator and against the real API, records what the
client sent and got in `var/conformance/`, and prints which fields only one of them sends. It costs a few cents.
`GEMINI_BASE_URL` and `GEMINI_CA_FILE` name another server than Google's.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from sessions_app.emulator.recording import without_bytes

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "var" / "conformance"
NAMES = ("emulator", "google")


@dataclass(frozen=True)
class Google:
    """The real thing, in the emulator's place. It has no `sessions`, `faults` or anything else to look into."""

    key: str
    url: str = "https://generativelanguage.googleapis.com"
    ca_file: str = ""

    def ssl_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file or None)


def target_of_this_run() -> Google | None:
    """None: the emulator. The variables are ours: conftest removes the SDK's from the tests' environment."""
    if os.environ.get("CONFORMANCE_TARGET") != "google":
        return None
    url = os.environ.get("CONFORMANCE_URL") or Google.url
    return Google(os.environ["CONFORMANCE_KEY"], url, os.environ.get("CONFORMANCE_CA_FILE", ""))


def record_client_frames(test: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write every frame of this test's client connections, without media, if this run records."""
    if not (folder := os.environ.get("CONFORMANCE_RECORD")):
        return
    file = Path(folder) / (re.sub(r"[^\w.-]+", "-", test.rpartition("/")[2])[:120] + ".jsonl")
    file.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    send, receive = ClientConnection.send, ClientConnection.recv

    def note(sent: bool, frame: Any) -> None:
        try:
            message = without_bytes(json.loads(frame))
        except (ValueError, TypeError, RecursionError):
            message = {"unreadable": len(frame)}
        line = {"seconds": round(time.monotonic() - began, 3), "sent": sent, "message": message}
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line, ensure_ascii=False) + "\n")

    async def noting_send(self: ClientConnection, message: Any, *args: Any, **options: Any) -> None:
        note(True, message)
        await send(self, message, *args, **options)

    async def noting_receive(self: ClientConnection, *args: Any, **options: Any) -> Any:
        frame = await receive(self, *args, **options)
        note(False, frame)
        return frame

    monkeypatch.setattr(ClientConnection, "send", noting_send)
    monkeypatch.setattr(ClientConnection, "recv", noting_receive)


def fields(value: Any, path: str = "") -> Iterator[str]:
    """The fields of a message with their types: `serverContent.turnComplete: bool`."""
    if isinstance(value, dict) and set(value) != {"bytes"}:
        for key, item in value.items():
            yield from fields(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from fields(item, path + "[]")
    else:
        yield f"{path}: {'bytes' if isinstance(value, dict) else type(value).__name__}"


def received_fields(folder: Path) -> dict[str, set[str]]:
    """Field → the tests in which the server sent it. What tools were called with is not the server's own."""
    found = defaultdict(set)
    for file in folder.glob("*.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if not record["sent"]:
                for field in fields(record["message"]):
                    if ".args" not in field:
                        found[field].add(file.stem)
    return found


def report() -> str:
    """What only one of the two sends, as text."""
    seen = {name: received_fields(FOLDER / name) for name in NAMES}
    lines = []
    for name, other in (NAMES, NAMES[::-1]):
        only = sorted(set(seen[name]) - set(seen[other]))
        lines.append(f"Sent by {name} only: {len(only)} of {len(seen[name])} fields")
        lines += [f"  {field}   (in {min(seen[name][field])})" for field in only]
    return "\n".join(lines) + "\n"


def main() -> int:
    key = os.environ.get("GEMINI_API_KEY", "")
    if not key:
        sys.stderr.write(
            "make conformance talks to Google's servers, and needs a key: GEMINI_API_KEY=… make conformance "
            "(keys are made in Google AI Studio). Nothing was run.\n"
        )
        return 2
    status = 0
    for name in NAMES:
        folder = FOLDER / name
        for old in folder.glob("*.jsonl"):
            old.unlink()
        print(f"The contract tests against {name}:", flush=True)
        environment = os.environ | {
            "CONFORMANCE_TARGET": name, "CONFORMANCE_RECORD": str(folder), "CONFORMANCE_KEY": key,
            "CONFORMANCE_URL": os.environ.get("GEMINI_BASE_URL", ""),
            "CONFORMANCE_CA_FILE": os.environ.get("GEMINI_CA_FILE", ""),
        }  # fmt: skip
        command = [sys.executable, "-m", "pytest", "-m", "conformance", "tests/contract", "-p", "no:randomly", "-q"]
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode or status
    text = report()
    (FOLDER / "report.txt").write_text(text, encoding="utf-8")
    print(f"\n{text}\nFrames and this report are in {FOLDER.relative_to(ROOT)}/.")
    return status


if __name__ == "__main__":
    sys.exit(main())
