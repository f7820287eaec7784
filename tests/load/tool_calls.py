"""The second part of `make bench`: what a tool call costs, and what tools cost the voices.

All voices of the bench talk in real time, through this project on uvicorn, to the emulator, which sends each chunk
back. Each also asks every second for a tool that does nothing, timed by the server itself from Gemini's `toolCall` to
the answer sent. Then twenty of them ask for tools that block: asleep,
in the database, or spinning. Prints a table; writes var/bench-tools.json.

python -m tests.load.tool_calls                                        the bench
python -m tests.load.tool_calls callers URL SESSIONS SECONDS PHRASE HOW_MANY EVERY    its voices
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import uvloop
from websockets.asyncio.client import ClientConnection

from . import callers
from .bench import OTHER_CORE, ROOT, Bench, process, wait_for

BLOCKING = 20
SERVER = (
    "uvicorn tests.load.soak_app.asgi:application --port {port} --loop uvloop --ws websockets-sansio "
    "--ws-per-message-deflate false --no-access-log --log-level warning"
)
# What the voices ask for: (title, phrase, how many of them ask, every so many seconds; 0: once)
PHASES = (
    ("no tools", "", 0, 0.0),
    ("an async tool each second, each", "please do nothing", 10_000, 1.0),
    ("a plain tool each second, each", "please do nothing plainly", 10_000, 1.0),
    (f"{BLOCKING} tools sleep", "please block by sleeping", BLOCKING, 0.0),
    (f"{BLOCKING} tools count in the database", "please block by counting", BLOCKING, 0.0),
    ("1 tool spins", "please block by spinning", 1, 0.0),
    (f"{BLOCKING} tools spin", "please block by spinning", BLOCKING, 0.0),
)
SCRIPT = """
[slots.how]
sleeping = "sleeping"
counting = "counting"
spinning = "spinning"
[[intents]]
name = "nothing"
phrases = "please do nothing"
tool = "do_nothing"
[[intents]]
name = "nothing plainly"
phrases = "please do nothing plainly"
tool = "do_nothing_plainly"
[[intents]]
name = "block"
phrases = "please block by {how}"
tool = "block"
args = { how = "{how}" }
"""


class AskingPage(callers.Page):
    """A browser whose person also types, `every` so many seconds or once."""

    def __init__(self, phrase: str, how_many: int, every: float):
        super().__init__()
        self.phrase, self.how_many, self.every = phrase, how_many, every

    async def meanwhile(self, socket: ClientConnection, number: int) -> None:
        if number >= self.how_many:
            return
        await asyncio.sleep(number * 0.618 % 1 * self.every)  # they do not ask in step
        while True:
            await socket.send(json.dumps({"type": "text", "data": {"text": self.phrase}}))
            if not self.every:
                return
            await asyncio.sleep(self.every)


class ToolBench(Bench):
    def environment(self) -> dict[str, str]:
        return super().environment() | {
            "DJANGO_SETTINGS_MODULE": "tests.load.soak_app.settings",
            "LOG_LEVEL": "WARNING",
        }

    def phase(self, title: str, phrase: str, how_many: int, every: float) -> dict[str, float | str]:
        (script := Path(self.folder) / "script.toml").write_text(SCRIPT)
        far_end = ["-m", "sessions_app.emulator", "--echo", "--ears", "phrases", "--ca-out", self.ca_file]
        far_end += ["--script", str(script), "--speed", "0"]
        with process([sys.executable, *far_end], OTHER_CORE) as emulator:
            self.upstream_port = int(emulator.stdout.readline().rsplit(":", 1)[1])
            with self.server(SERVER) as (running, port):
                wait_for(port, running)
                url = f"ws://127.0.0.1:{port}/ws"
                options = [url, str(self.sessions), str(self.seconds), phrase, str(how_many), str(every)]
                command = [sys.executable, "-m", "tests.load.tool_calls", "callers", *options]
                with process(command, OTHER_CORE) as voices:
                    if voices.stdout.readline().strip() != "connected":
                        raise SystemExit("The callers could not connect; see above.")
                    measured = json.loads(voices.stdout.readline())
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/soak/tool_times") as answer:
                    answered = sorted(json.load(answer))
        return {
            "title": title,
            "audio_p50_ms": measured["p50_ms"],
            "audio_p99_ms": measured["p99_ms"],
            "calls": len(answered),
            "tool_p50_ms": _share(answered, 0.5),
            "tool_p99_ms": _share(answered, 0.99),
        }


def _share(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=50, help="voices at once (default: 50)")
    parser.add_argument("--seconds", type=float, default=10, help="how long they speak in each run (default: 10)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gemlive-bench-") as folder:
        bench = ToolBench(folder, arguments.sessions, arguments.seconds)
        bench.upstream_port = 1  # nobody is dialled by what follows
        subprocess.run(
            [sys.executable, "manage.py", "prepare"],
            cwd=ROOT, env=os.environ | bench.environment(), check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        results = []
        print(f"{arguments.sessions} voices, while".ljust(36) + "audio p50 / p99 ms    tool calls   p50 / p99 ms")
        for phase in PHASES:
            result = bench.phase(*phase)
            results.append(result)
            # A tool that blocks takes as long as it takes: what it costs the voices is the question.
            trivial = phase[3] > 0
            tool = f"{result['tool_p50_ms']:.2f} / {result['tool_p99_ms']:.2f}" if trivial else "–"
            print(
                f"{result['title']:36}{result['audio_p50_ms']:.1f} / {result['audio_p99_ms']:.1f}".ljust(58)
                + f"{result['calls']:10}   {tool}",
                flush=True,
            )
    report = ROOT / "var" / "bench-tools.json"
    report.write_text(json.dumps(results, indent=2) + "\n")
    print(f"Written to {report.relative_to(ROOT)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["callers"]:
        url, sessions, seconds, phrase, how_many, every = sys.argv[2:]
        page = AskingPage(phrase, int(how_many), float(every))
        uvloop.run(callers.main(page, url, int(sessions), float(seconds)))
    else:
        main()
