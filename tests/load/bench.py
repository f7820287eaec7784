"""`make bench`: what a voice costs on this machine, beside the limit of what Python can do.

The plain `websockets` pass-through (limit.py), the least on uvicorn (bare.py), this project on uvicorn and this
project on Daphne carry the same voices to the same far end, in turns within one run, each alone on one pinned core.
The far end is the emulator, which sends each chunk straight back; at last it carries 200 voices by itself.
Microseconds belong to this machine and this hour; the ratios are what to compare. Prints a table and writes
var/bench.json.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from .limit import PATH

ROOT = Path(__file__).resolve().parents[2]
CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE, OTHER_CORE = CORES[0], CORES[-1]
UVICORN = "--loop uvloop --ws websockets-sansio --ws-per-message-deflate false --no-access-log --log-level warning"
SERVERS = {
    "bare": "uvicorn tests.load.bare:application --lifespan off --port {port} " + UVICORN,
    "uvicorn": "uvicorn gemlive_project.asgi:application --port {port} " + UVICORN,
    "daphne": "daphne --verbosity 0 --no-server-name -b 127.0.0.1 -p {port} gemlive_project.asgi:application",
}


@contextmanager
def process(command: list[str], core: int, **environment: str) -> Iterator[subprocess.Popen]:
    environment = os.environ | {"PYTHONWARNINGS": "ignore"} | environment
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment)
    psutil.Process(running.pid).cpu_affinity([core])
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()


def cpu_seconds(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int, running: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and running.poll() is None:
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
            return
        time.sleep(0.1)
    raise SystemExit("A server of the benchmark did not start; its own words stand above.")


class Bench:
    def __init__(self, folder: str, sessions: int, seconds: float):
        self.folder, self.sessions, self.seconds = folder, sessions, seconds
        self.ca_file = f"{folder}/ca.pem"
        self.results: dict[str, list[dict[str, float]]] = {}

    def environment(self) -> dict[str, str]:
        return {
            "DEBUG": "0", "SECRET_KEY": "bench-" + "x" * 50, "ALLOWED_HOSTS": "127.0.0.1", "ALLOWED_ORIGINS": "http://bench",
            "SECURE_SSL_REDIRECT": "0", "CONNECTIONS_PER_ADDRESS": "0", "QUOTA_ADDRESS": "",
            "DATABASE_URL": f"sqlite:///{self.folder}/bench.sqlite3", "REDIS_URL": "",
            "GEMINI_API_KEY": "bench", "GEMINI_BASE_URL": f"https://127.0.0.1:{self.upstream_port}",
            "GEMINI_CA_FILE": self.ca_file, "DEMO_DATABASE_URL": f"sqlite:///{self.folder}/shop.sqlite3",
            "DJANGO_SETTINGS_MODULE": "tests.open_settings",
        }  # fmt: skip

    @contextmanager
    def far_end(self) -> Iterator[None]:
        command = [
            sys.executable,
            "-m",
            "sessions_app.emulator",
            "--echo",
            "--ears",
            "phrases",
            "--ca-out",
            self.ca_file,
        ]
        with process(command, OTHER_CORE) as emulator:
            self.upstream_port = int(emulator.stdout.readline().rsplit(":", 1)[1])
            self.emulator = psutil.Process(emulator.pid)
            yield

    @contextmanager
    def limit(self) -> Iterator[tuple[subprocess.Popen, int]]:
        command = [sys.executable, "-m", "tests.load.limit", str(self.upstream_port), self.ca_file]
        with process(command, PROXY_CORE) as running:
            yield running, int(running.stdout.readline())

    @contextmanager
    def server(self, command: str) -> Iterator[tuple[subprocess.Popen, int]]:
        port = free_port()
        words = [sys.executable, "-m", *command.format(port=port).split()]
        with process(words, PROXY_CORE, **self.environment()) as running:
            wait_for(port, running)
            yield running, port

    def measure(self, name: str, start: Callable) -> None:
        with start() as (running, port):
            proxy = psutil.Process(running.pid)
            idle = proxy.memory_info().rss
            command = [sys.executable, "-m", "tests.load.callers", f"ws://127.0.0.1:{port}/ws"]
            # The first voice loads what all share: it belongs to no session.
            subprocess.run([*command, "1", "0.2"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            warm = proxy.memory_info().rss
            with process([*command, str(self.sessions), str(self.seconds)], OTHER_CORE) as callers:
                if callers.stdout.readline().strip() != "connected":
                    raise SystemExit(f"The callers could not connect to {name}; see above.")
                time.sleep(0.5)  # the first frames pay for what is done once
                begin, cpu, far_cpu = time.monotonic(), cpu_seconds(proxy), cpu_seconds(self.emulator)
                time.sleep(max(0.5, self.seconds - 1.5))
                cpu, far_cpu = cpu_seconds(proxy) - cpu, cpu_seconds(self.emulator) - far_cpu
                elapsed = time.monotonic() - begin
                rss = proxy.memory_info().rss
                measured = json.loads(callers.stdout.readline())
        trips_a_second = self.sessions / 0.04
        measured |= {
            "us_a_round_trip": cpu / elapsed / trips_a_second * 1e6,
            "emulator_us": far_cpu / elapsed / trips_a_second * 1e6,
            "cpu_percent_a_session": cpu / elapsed / self.sessions * 100,
            "idle_mb": idle / 2**20,
            "rss_kb_per_session": (rss - warm) / 1024 / self.sessions,
        }
        self.results.setdefault(name, []).append(measured)
        print(f"  {name:8} {measured['us_a_round_trip']:4.0f} µs a round trip", flush=True)

    def measure_emulator(self, voices: int, *options: str) -> dict[str, float]:
        """The emulator alone on one core, and its callers on the other."""
        command = [
            sys.executable,
            "-m",
            "sessions_app.emulator",
            "--ears",
            "phrases",
            "--ca-out",
            self.ca_file,
            *options,
        ]
        with process(command, OTHER_CORE) as running:
            port = int(running.stdout.readline().rsplit(":", 1)[1])
            emulator = psutil.Process(running.pid)
            callers_command = [sys.executable, "-m", "tests.load.callers", f"wss://127.0.0.1:{port}{PATH}"]
            with process([*callers_command, str(voices), str(self.seconds), self.ca_file], PROXY_CORE) as callers:
                if callers.stdout.readline().strip() != "connected":
                    raise SystemExit("The callers could not connect to the emulator; see above.")
                time.sleep(0.5)
                begin, cpu = time.monotonic(), cpu_seconds(emulator)
                time.sleep(max(0.5, self.seconds - 1.5))
                cpu, elapsed = cpu_seconds(emulator) - cpu, time.monotonic() - begin
                measured = json.loads(callers.stdout.readline())
            return measured | {
                "us_a_chunk": cpu / elapsed / (voices / 0.04) * 1e6,
                "cpu_percent": cpu / elapsed * 100,
                "mb": emulator.memory_info().rss / 2**20,
            }

    def summary(self) -> dict[str, dict[str, float]]:
        median = {
            name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            for name, runs in self.results.items()
        }
        for name, runs in self.results.items():
            # Each run against its neighbour of the same round: what disturbed one disturbed the other.
            ratios = [
                run["us_a_round_trip"] / limit["us_a_round_trip"]
                for run, limit in zip(runs, self.results["limit"], strict=True)
            ]
            median[name]["ratio_to_limit"] = statistics.median(ratios)
        return median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=50, help="voices at once (default: 50)")
    parser.add_argument("--seconds", type=float, default=8, help="how long they speak in each run (default: 8)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each server (default: 5)")
    parser.add_argument("--servers", nargs="+", default=list(SERVERS), help="which of: %(default)s")
    parser.add_argument("--emulated", type=int, default=200, help="voices for the emulator alone (default: 200)")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gemlive-bench-"))
        bench = Bench(folder, arguments.sessions, arguments.seconds)
        stack.enter_context(bench.far_end())
        subprocess.run(
            [sys.executable, "manage.py", "prepare"],
            cwd=ROOT, env=os.environ | bench.environment(), check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        for number in range(arguments.rounds):
            print(f"Round {number + 1} of {arguments.rounds}: {bench.sessions} voices …", flush=True)
            bench.measure("limit", bench.limit)
            for name in arguments.servers:
                bench.measure(name, lambda name=name: bench.server(SERVERS[name]))
        print(f"The emulator alone: {arguments.emulated} voices, echoed and then listened to …", flush=True)
        alone = {
            "echoes": bench.measure_emulator(arguments.emulated, "--echo"),
            "listens": bench.measure_emulator(arguments.emulated),
        }
    summary = bench.summary()
    columns = {
        "µs a round trip": "us_a_round_trip", "× limit": "ratio_to_limit", "p50 ms": "p50_ms", "p99 ms": "p99_ms",
        "max ms": "max_ms", "connect ms": "connect_ms", "CPU % a session": "cpu_percent_a_session",
        "KB a session": "rss_kb_per_session", "idle MB": "idle_mb", "emulator µs": "emulator_us",
    }  # fmt: skip
    print("\n" + " | ".join(["server".ljust(8), *columns]))
    for name, figures in summary.items():
        cells = [f"{figures[key]:.2f}".rjust(len(title)) for title, key in columns.items()]
        print(" | ".join([name.ljust(8), *cells]))
    for does, figures in alone.items():
        print(
            f"\nThe emulator {does}, {arguments.emulated} voices: {figures['us_a_chunk']:.0f} µs a chunk of 40 ms, "
            f"{figures['cpu_percent']:.0f} % of a core, p50 {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.1f} "
            f"ms, {figures['mb']:.0f} MB"
        )
        summary[f"emulator {does}"] = figures
    report = ROOT / "var" / "bench.json"
    report.parent.mkdir(exist_ok=True)
    report.write_text(json.dumps(summary, indent=2) + "\n")
    print(f"\nWritten to {report.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
