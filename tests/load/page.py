"""`make bench-page`: how fast the voice page plays, falls silent, and what it costs its machine.

A real Chromium, whose microphone speaks questions round and round, talks through a real server with the emulator. A
tap beside the loudspeaker (page_tap.js) hears what is played; DevTools tell when it arrived. First the page is idle,
then it converses, then it goes on while a process on each core does nothing but compute. Prints figures beside their
goals and writes var/bench_page.json; the exit status is 0 whatever they are.
"""

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.e2e.browser import FAKE_MICROPHONE, browsers, chromium, open_page, wait_for_state
from tests.e2e.sound import MICROPHONE_RATE, silence, speak, write_wave
from tests.open_meteo import open_meteo
from tests.server import UVICORN, Server, free_port

from .bench import CORES, OTHER_CORE, ROOT, process
from .page_chromium import Chromium, Cost, Memory
from .page_figures import RATE, Reply, holes, recording_of, replies, times
from .page_report import print_report, slopes_of
from .page_tap import Arrivals, Tap

# Seconds of silence, then what the person says. The second question interrupts the answer to the first.
QUESTIONS = (
    (3.0, "Tell me a long story"),
    (5.0, "What's the weather in London?"),
    (9.0, "Thank you very much"),
    (1.0, ""),
)
TICK = 0.5  # seconds
TICKS_A_LINE = 20
SENT = "/bench/sent"  # page_app.py
PATIENCE = 90.0  # seconds without a reply: the page does not work


class PageBench:
    def __init__(self, folder: Path, options: argparse.Namespace):
        self.folder, self.options = folder, options
        self.costs: list[Cost] = []
        self.memory: list[Memory] = []

    @contextmanager
    def server(self) -> Iterator[Server]:
        ca_file = str(self.folder / "ca.pem")
        command = [sys.executable, "-m", "sessions_app.emulator", "--ears", "phrases", "--ca-out", ca_file]
        with process(command, OTHER_CORE) as emulator, open_meteo() as weather:
            upstream_port = int(emulator.stdout.readline().rsplit(":", 1)[1])
            port = free_port()
            environment = {
                "DEBUG": "1", "PORT": str(port), "SECRET_KEY": "", "ALLOWED_HOSTS": "", "REDIS_URL": "",
                "QUOTA_ADDRESS": "", "GEMINI_API_KEY": "bench", "GEMINI_BASE_URL": f"https://127.0.0.1:{upstream_port}",
                "GEMINI_CA_FILE": ca_file, "DATABASE_URL": f"sqlite:///{self.folder}/db.sqlite3",
                "DEMO_DATABASE_URL": f"sqlite:///{self.folder}/shop.sqlite3", "TOOLS_PRIVATE_HOSTS": weather.host,
                "PYTHONWARNINGS": "ignore", **weather.environment,
            }  # fmt: skip
            own = "tests.load.page_app:application"
            command = [own if part.endswith(".asgi:application") else part for part in UVICORN]
            command += ["--loop", "uvloop", "--no-access-log"]
            server = Server(port, environment, self.folder / "server.log", command)
            server.manage("prepare")
            server.start()
            try:
                yield server
            finally:
                server.stop()

    async def run(self, url: str) -> dict:
        try:
            return await self._run(url)
        finally:
            await browsers.close()

    async def _run(self, url: str) -> dict:
        pieces = [part for pause, words in QUESTIONS for part in (silence(pause), words and speak(words))]
        wave = write_wave(self.folder / "questions.wav", *filter(None, pieces))
        self.round = wave.stat().st_size / 2 / MICROPHONE_RATE
        switches = [*FAKE_MICROPHONE, f"--use-file-for-fake-audio-capture={wave}"]
        async with open_page(*switches, tap=False) as page:
            devtools = await page.context.new_cdp_session(page)
            self.tap = Tap(page, devtools)
            await self.tap.install()
            await page.goto(url)
            self.arrivals = Arrivals(devtools)
            await self.arrivals.listen()
            self.chromium = Chromium(devtools)
            await asyncio.sleep(2)  # what loading leaves to do
            idle = await self.idle()
            await page.click("#start")
            await wait_for_state(page, "listening")
            conversed = await self.converse()
            output = await self.tap.output()
            busy = await self.while_busy()
            after = await self.tap.output()
            await page.click("#end")
            await wait_for_state(page, "idle")
        async with httpx2.AsyncClient(trust_env=False) as client:
            self.arrivals.were_sent((await client.get(url + SENT)).json())
        return {
            "options": {name: value for name, value in vars(self.options).items() if name != "report"},
            "cpu": {"idle page": self.chromium.percent([idle]), **self.cpu(conversed)},
            "memory": [asdict(memory) for memory in self.memory],
            "growth_kb_a_minute": slopes_of([asdict(memory) for memory in self.memory]),
            "output": output,
            "quiet": times(conversed),
            "busy": times(busy) | self.underruns(busy) | {"dropouts": _grown(output["stats"], after["stats"])},
        }

    async def idle(self) -> Cost:
        print(f"The idle page for {self.options.idle:g} s …", flush=True)
        await self.chromium.find()
        await asyncio.sleep(self.options.idle)
        return self.chromium.cost()

    async def converse(self) -> list[Reply]:
        """For the minutes after a warm-up, and until there are enough replies and barge-ins."""
        minutes, began = self.options.minutes, time.monotonic()
        warm = min(self.round, minutes * 60)
        print(f"A conversation for {minutes:g} minutes, after {warm:.0f} s to warm up …", flush=True)

        def over() -> bool:
            if time.monotonic() - began < minutes * 60:
                return False
            heard = self.heard(0)
            barge_ins = sum(reply.overran is not None for reply in heard)
            return len(heard) >= self.options.turns and barge_ins >= self.options.barge_ins

        await self.talk(0, lambda: time.monotonic() - began >= warm and self.heard(0))
        began = time.monotonic()
        await self.remember(0)
        for minute in itertools.count(1):
            due = began + 60 * minute
            await self.talk(0, lambda due=due: over() or time.monotonic() >= due)
            await self.remember((time.monotonic() - began) / 60)
            if over():
                return self.heard(0)

    async def while_busy(self) -> list[Reply]:
        first = len(self.arrivals.turns)
        print(f"The conversation beside {len(CORES)} busy processes, for {self.options.busy:g} s …", flush=True)
        await self.tap.record(True)
        with ExitStack() as stack:
            for core in CORES:
                stack.enter_context(process([sys.executable, "-c", "while True: pass"], core))
            began = time.monotonic()
            await self.talk(first, lambda: time.monotonic() - began >= self.options.busy and self.heard(first))
        await self.tap.record(False)
        await self.tap.take()
        return self.heard(first)

    def underruns(self, heard: list[Reply]) -> dict:
        """The recording of the replies beside what was sent."""
        compared = [(reply.turn.samples, recording_of(reply, self.tap.recorded)) for reply in heard]
        return {
            "compared_s": round(sum(min(len(sent), len(played)) for sent, played in compared) / RATE, 1),
            "holes_ms": [round(1000 * length / RATE, 1) for pair in compared for _, length in holes(*pair)],
        }

    async def talk(self, first: int, enough: Callable[[], bool]) -> None:
        """The conversation goes on until it is `enough`, with a line now and then; turns count from the `first`."""
        self.chromium.begin()
        ticks, answered = 0, (time.monotonic(), len(self.arrivals.turns))
        while not enough():
            await asyncio.sleep(TICK)
            self.costs.append(self.chromium.cost())
            ticks += 1
            if ticks % 4 == 0:
                await self.tap.take()
            if ticks % TICKS_A_LINE == 0:
                print(self.line(first), flush=True)
            if len(self.arrivals.turns) > answered[1]:
                answered = time.monotonic(), len(self.arrivals.turns)
            if time.monotonic() - answered[0] > PATIENCE:
                raise SystemExit("The page has had no reply for long; what it says stands above.")
        await self.tap.take()

    async def remember(self, minutes: float) -> None:
        self.memory.append(await self.chromium.memory(minutes))
        await self.chromium.find()
        print(
            f"  after {minutes:.1f} min: heap {self.memory[-1].heap:.2f} MB, RSS {self.memory[-1].rss:.0f} MB",
            flush=True,
        )

    def heard(self, first: int) -> list[Reply]:
        return replies(self.arrivals.turns[first:], self.tap.sounds)

    def line(self, first: int) -> str:
        figures = times(self.heard(first))
        waited, overran = figures["arrived_to_played_ms"], figures["silence_ms"]
        cpu = self.chromium.percent(self.costs[-TICKS_A_LINE:])["page"]
        return (
            f"  {waited['n']} replies, p50 {waited.get('p50', '–')} ms; {overran['n']} barge-ins, "
            f"p50 {overran.get('p50', '–')} ms; the page takes {cpu:.0f} % of a core"
        )

    def cpu(self, heard: list[Reply]) -> dict[str, dict[str, float]]:
        """By what the page did meanwhile: a tick that lies across two of them counts for neither."""
        spoke = [(reply.sounds[0].began, reply.sounds[-1].ended) for reply in heard]
        last = max(ended for _, ended in spoke)
        plays, listens = [], []
        for cost in self.costs:
            began, ended = (self.arrivals.milliseconds(at) for at in (cost.began, cost.ended))
            if ended > last:
                break  # with busy cores it says nothing
            if any(first <= began and ended <= last for first, last in spoke):
                plays.append(cost)
            elif not any(began < last and first < ended for first, last in spoke):
                listens.append(cost)
        return {"listens": self.chromium.percent(listens), "plays a reply": self.chromium.percent(plays)}


def _grown(before: dict | None, after: dict | None) -> dict | None:
    """What the browser says of the output's own dropouts: how many, and their seconds. None if it does not."""
    if not before or not after:
        return None
    return {key: round(after[key] - before[key], 3) for key in ("underrunEvents", "underrunDuration")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    option = parser.add_argument
    option("--minutes", type=float, default=10, help="how long the conversation lasts at least (default: 10)")
    option("--turns", type=int, default=20, help="replies that it has at least (default: 20)")
    option("--barge-ins", type=int, default=10, help="interruptions that it has at least (default: 10)")
    option("--busy", type=float, default=60, help="seconds with all cores busy (default: 60)")
    option("--report", type=Path, default=ROOT / "var" / "bench_page.json", help="where it goes (default: %(default)s)")
    option("--idle", type=float, default=10, help="seconds of the idle page (default: 10)")
    options = parser.parse_args()
    try:
        chromium()
    except (pytest.skip.Exception, pytest.fail.Exception) as missing:
        raise SystemExit(missing.msg) from None
    with tempfile.TemporaryDirectory(prefix="gemlive-bench-") as folder:
        bench = PageBench(Path(folder), options)
        with bench.server() as server:
            report = asyncio.run(bench.run(server.url))
    report["machine"] = {"cores": len(CORES), "load": [round(load, 1) for load in psutil.getloadavg()]}
    print_report(report)
    options.report.parent.mkdir(exist_ok=True)
    options.report.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    print(f"\nWritten to {options.report}")


if __name__ == "__main__":
    main()
