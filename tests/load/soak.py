"""`make soak`: many people talk with this server for minutes, while Gemini's connections end in every way.

The emulator says `goAway` on each connection and breaks some of them (1011 at many moments, cut streams); the people
(soak_people.py) type questions, interrupt, and are answered through tools. Nothing may be lost, doubled or left over:
soak_findings.py has the promises. Prints a line every ten seconds and a table at the end, writes var/soak.json, and
leaves database and log in var/soak/. Exits 1 if a promise is broken.
"""

import argparse
import asyncio
import json
import os
import shutil
import ssl
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

import httpx2
import psutil
import uvloop

from tests.server import UVICORN, Server, free_port

from . import soak_findings
from .bench import OTHER_CORE, PROXY_CORE, ROOT, cpu_seconds, process
from .soak_findings import FarEnd, Findings
from .soak_people import Person

FOLDER = ROOT / "var" / "soak"
CHANCES = {  # how likely a connection ends with 1011 at each moment; `input` comes 25 times a second
    "audio": 0.002, "turn": 0.01, "tool_call": 0.02, "tool_response": 0.02, "turn_complete": 0.005, "input": 0.0001,
}  # fmt: skip
CHANCE_OF_ABORT = 0.0005  # at each piece of audio
GOODBYE = 10  # seconds from goAway to the end
GROWTH = 1.15  # what the memory may be at the end, compared with a third of the time
SHORTEST_FOR_MEMORY = 180  # seconds: in less a server only warms up
FIRST_WARMER = 900  # the numbers of those who warm the server up
SPARE = 10  # files, threads and objects of a kind more than before: pools and caches fill slowly


@dataclass
class Sample:
    """The server at a moment."""

    seconds: float
    mb: float
    files: int
    threads: int
    emulator_mb: float


class Soak:
    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.seconds = options.minutes * 60
        self.people = [Person(number, options.seed) for number in range(1, options.people + 1)]
        self.samples: list[Sample] = []
        self.findings = Findings({"people": f"{options.people} for {options.minutes:g} minutes"})

    def faults(self) -> list[str]:
        rarely = {at: chance * self.options.chance for at, chance in CHANCES.items()}
        closes = [f"close,code=1011,at={at},probability={min(1, chance)}" for at, chance in rarely.items()]
        abort = f"abort,at=audio,probability={min(1, CHANCE_OF_ABORT * self.options.chance)}"
        faults = [f"go_away,after={self.options.go_away},seconds={GOODBYE}", *closes, abort]
        return [f"{fault},seed={self.options.seed}" for fault in faults]

    @contextmanager
    def far_end(self) -> Iterator[None]:
        command = [sys.executable, "-m", "sessions_app.emulator", "--ears", "phrases", "--ca-out", f"{FOLDER}/ca.pem"]
        command += ["--script", str(ROOT / "tests/load/soak.toml")]
        for fault in self.faults():
            command += ["--fault", fault]
        with process(command, OTHER_CORE) as running:
            self.gemini_port = int(running.stdout.readline().rsplit(":", 1)[1])
            self.emulator = psutil.Process(running.pid)
            context = ssl.create_default_context(cafile=f"{FOLDER}/ca.pem")
            url = f"https://127.0.0.1:{self.gemini_port}"
            with httpx2.Client(base_url=url, verify=context, timeout=60, trust_env=False) as client:
                self.gemini = FarEnd(client)
                yield

    @contextmanager
    def server(self) -> Iterator[None]:
        environment = {
            "DEBUG": "0", "SECRET_KEY": "soak-" + "x" * 50, "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "ALLOWED_ORIGINS": "http://soak", "SECURE_SSL_REDIRECT": "0", "REDIS_URL": "", "PYTHONWARNINGS": "ignore",
            "CONNECTIONS_PER_ADDRESS": "0", "QUOTA_ADDRESS": "",
            "DATABASE_URL": f"sqlite:///{FOLDER}/db.sqlite3", "DEMO_DATABASE_URL": f"sqlite:///{FOLDER}/shop.sqlite3",
            "GEMINI_API_KEY": "soak", "GEMINI_BASE_URL": f"https://127.0.0.1:{self.gemini_port}",
            "GEMINI_CA_FILE": f"{FOLDER}/ca.pem", "DJANGO_SETTINGS_MODULE": "tests.load.soak_app.settings",
        }  # fmt: skip
        own = "tests.load.soak_app.asgi:application"
        command = [own if part.endswith(".asgi:application") else part for part in UVICORN]
        command += ["--loop", "uvloop", "--no-access-log"]
        server = Server(free_port(), environment, FOLDER / "server.log", command)
        server.manage("prepare")
        server.start()
        self.proxy = psutil.Process(server.process.pid)
        self.proxy.cpu_affinity([PROXY_CORE])
        self.url = f"127.0.0.1:{server.port}"
        try:
            yield
        finally:
            server.stop()

    async def run(self) -> None:
        before = await self.alive()
        # The first conversations load what all share, and fill the pools of threads.
        warmers = [Person(FIRST_WARMER + number) for number in range(min(10, self.options.people))]
        await self.talk(warmers, time.monotonic() + 5)
        await asyncio.sleep(2)
        idle = self.sample(0)
        self.began, self.struck_before = time.monotonic(), self.gemini.struck()
        processes = {"server": self.proxy, "emulator": self.emulator, "people": psutil.Process()}
        used = {name: cpu_seconds(process) for name, process in processes.items()}
        watching = asyncio.create_task(self.watch())
        await self.talk(self.people, self.began + self.seconds)
        watching.cancel()
        elapsed = time.monotonic() - self.began
        shares = {name: (cpu_seconds(process) - used[name]) / elapsed for name, process in processes.items()}
        soak_findings.of_people(self.people, self.findings)
        # Where emulator and people need a whole core together, they measure themselves.
        self.findings.figures["of a core"] = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        await self.left_over(before, idle)

    async def talk(self, people: list[Person], until: float) -> None:
        await asyncio.gather(*(person.talk(f"ws://{self.url}/ws", until) for person in people))

    async def alive(self) -> dict[str, Counter[str]]:
        """The tasks of the server, and the objects of conversations, by name."""
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
            alive = (await client.get(f"http://{self.url}/soak/alive")).json()
        return {what: Counter(names) for what, names in alive.items()}

    def sample(self, seconds: float) -> Sample:
        with self.proxy.oneshot():
            mb, files, threads = self.proxy.memory_info().rss / 2**20, self.proxy.num_fds(), self.proxy.num_threads()
        return Sample(round(seconds), round(mb, 1), files, threads, round(self.emulator.memory_info().rss / 2**20, 1))

    async def watch(self) -> None:
        every = min(10.0, self.seconds / 6)
        for number in range(1, int(self.seconds / every) + 1):
            await asyncio.sleep(max(0.0, self.began + number * every - time.monotonic()))
            sample = self.sample(number * every)
            self.samples.append(sample)
            counts = sum((person.counts for person in self.people), Counter())
            lost = sum(question.lost for person in self.people for question in person.questions.values())
            struck = await asyncio.to_thread(self.gemini.struck) - self.struck_before
            print(
                f"{sample.seconds:4.0f} s: {counts['turns']} turns, {lost} lost, {counts['calls']} calls, "
                f"{counts['barge-ins']} barge-ins, {struck['close']} × 1011, {struck['abort']} cut, "
                f"{counts['resumed'] + counts['begun afresh']} reconnects, {sample.mb:.0f} MB, {sample.files} files, "
                f"{sample.threads} threads",
                flush=True,
            )

    async def left_over(self, before: dict[str, Counter[str]], idle: Sample) -> None:
        """Everybody has gone: so should be what served them."""
        broken = self.findings.broken
        deadline = time.monotonic() + 15
        while True:
            alive, end = await self.alive(), self.sample(self.seconds)
            tasks = alive["tasks"] - before["tasks"]
            more = alive["objects"] - before["objects"]
            objects = {name: count for name, count in more.items() if count > SPARE}
            connections = self.proxy.net_connections("tcp")
            sockets = [found for found in connections if found.raddr and found.raddr.port == self.gemini_port]
            kept = {"files": (idle.files, end.files), "threads": (idle.threads, end.threads)}
            grown = {name: pair for name, pair in kept.items() if pair[1] > pair[0] + SPARE}
            if not (tasks or objects or sockets or grown) or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
        broken["no task is left"] += [f"{count} × {name}" for name, count in tasks.items()]
        broken["no object of a conversation is left"] += [f"{count} × {name}" for name, count in objects.items()]
        broken["no socket to Gemini is left"] += [f"{found.laddr.port}: {found.status}" for found in sockets]
        broken["no file or thread is left"] += [f"{name}: {was} and then {now}" for name, (was, now) in grown.items()]
        self.findings.figures["open files, threads"] = (
            f"idle {idle.files}, {idle.threads}; most {max(sample.files for sample in self.samples)}, "
            f"{max(sample.threads for sample in self.samples)}; at the end {end.files}, {end.threads}"
        )
        self.judge_memory(idle)

    def judge_memory(self, idle: Sample) -> None:
        """The last two thirds: the first one fills caches."""
        late = [sample for sample in self.samples if sample.seconds >= self.seconds / 3]
        slope = statistics.linear_regression([sample.seconds / 60 for sample in late], [sample.mb for sample in late])
        third, end = (statistics.median(sample.mb for sample in part) for part in (late[:3], late[-3:]))
        words = f"{idle.mb:.0f} MB idle, {third:.0f} after a third, {end:.0f} at the end, {slope.slope:+.2f} a minute"
        findings = self.findings
        findings.figures["memory"] = words
        far = (idle.emulator_mb, late[-1].emulator_mb)
        findings.figures["memory of the emulator"] = f"{far[0]:.0f} MB idle, {far[1]:.0f} at the end"
        if self.seconds < SHORTEST_FOR_MEMORY:
            findings.figures["memory"] += " (too short a run to judge)"
            del findings.broken["the memory is flat"]
        elif end > third * GROWTH:
            findings.broken["the memory is flat"].append(words)

    def report(self) -> None:
        """What can be read when all is over; the emulator still answers, the server has stopped."""
        findings = self.findings
        struck = self.gemini.struck() - self.struck_before
        findings.figures["Gemini broke connections"] = f"{struck['close']} with 1011, {struck['abort']} streams cut"
        soak_findings.of_database(f"{FOLDER}/db.sqlite3", self.people, findings)
        self.gemini.find(self.people, findings)
        log = (FOLDER / "server.log").read_text(errors="replace")
        traces = [part.strip().splitlines() for part in log.split("Traceback (most recent call last):")[1:]]
        findings.broken["no traceback in the server's log"] += [
            next((line for line in lines if line and not line.startswith(" ")), "?") for lines in traces
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    option = parser.add_argument
    option("--people", type=int, default=50, help="conversations at once (default: 50)")
    option("--minutes", type=float, default=10, help="how long (default: 10)")
    option("--go-away", type=float, default=30, help="seconds until each connection's goAway (default: 30)")
    option("--chance", type=float, default=1, help="so many times the usual other faults; 0: none (default: 1)")
    option("--seed", type=int, default=1, help="another seed, other faults and questions")
    options = parser.parse_args()
    if not 1 <= options.people < FIRST_WARMER:
        parser.error(f"--people is from 1 to {FIRST_WARMER - 1}")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with suppress(OSError):
        os.sched_setaffinity(0, {OTHER_CORE})
    soak = Soak(options)
    with soak.far_end():
        with soak.server():
            uvloop.run(soak.run())
        soak.report()
    print(f"\n{soak.findings.table()}")
    report = ROOT / "var" / "soak.json"
    samples = [asdict(sample) for sample in soak.samples]
    content = {"options": vars(options), **asdict(soak.findings), "samples": samples}
    report.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    broken = [promise for promise, examples in soak.findings.broken.items() if examples]
    print(f"\nWritten to {report.relative_to(ROOT)}: {len(broken)} promises of {len(soak.findings.broken)} are broken.")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
