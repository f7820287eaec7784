"""What the page costs its machine: CPU and memory of Chromium's processes.

Playwright's DevTools connection is told of every frame of the WebSocket, and has its share in these figures.
"""

import re
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil
from playwright.async_api import CDPSession

MB = 2**20
# As their command lines name them; what is left is the browser process itself.
KINDS = re.compile(r"--type=([\w-]+)|--utility-sub-type=(\w+)")


@dataclass
class Cost:
    """CPU seconds of each process between two moments (time.monotonic)."""

    began: float
    ended: float
    cpu: dict[psutil.Process, float]


@dataclass
class Memory:
    """After a forced collection, in MB: JavaScript's heap, its buffers, and the renderer's resident set."""

    minutes: float
    heap: float
    buffers: float
    rss: float
    nodes: int


class Chromium:
    """The one that this process has started. `cost` is from one call, or `begin`, to the next."""

    def __init__(self, devtools: CDPSession):
        self._devtools = devtools
        self._kinds: dict[psutil.Process, str] = {}
        self._main: psutil.Process | None = None
        self._since, self._used = 0.0, {}

    async def find(self) -> None:
        """Its processes, of which some come late: that of the audio with the first sound."""
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if process not in self._kinds and "chrom" in process.name():
                    self._kinds[process] = _kind(process)
        metrics = (await self._devtools.send("Performance.getMetrics"))["metrics"]
        used = next(metric["value"] for metric in metrics if metric["name"] == "ProcessTime")
        # There are other renderers, for pages that are not open; the more it has worked, the surer it is known by that.
        renderers = [process for process, kind in self._kinds.items() if kind == "renderer"]
        self._main = min(renderers, key=lambda process: abs(_seconds(process) - used))
        self.begin()

    def begin(self) -> None:
        self._since, self._used = time.monotonic(), {process: _seconds(process) for process in self._kinds}

    def cost(self) -> Cost:
        began, before = self._since, self._used
        self.begin()
        return Cost(
            began, self._since, {process: max(0.0, self._used[process] - was) for process, was in before.items()}
        )

    def percent(self, costs: list[Cost]) -> dict[str, float]:
        """Percent of a core by kind of process, and of the `page`: all renderers and utilities, such as the audio's."""
        seconds = sum(cost.ended - cost.began for cost in costs)
        if not seconds:
            return {}
        used: dict[str, float] = {"page": 0.0}
        for cost in costs:
            for process, cpu in cost.cpu.items():
                kind = "main renderer" if process == self._main else self._kinds[process]
                used[kind] = used.get(kind, 0.0) + cpu
                used["page"] += cpu if kind not in ("browser", "gpu-process", "zygote") else 0.0
        shares = {kind: round(100 * cpu / seconds, 1) for kind, cpu in sorted(used.items())}
        return {"seconds": round(seconds, 1), **shares}

    async def memory(self, minutes: float) -> Memory:
        await self._devtools.send("HeapProfiler.collectGarbage")
        heap = await self._devtools.send("Runtime.getHeapUsage")
        counters = await self._devtools.send("Memory.getDOMCounters")
        return Memory(
            round(minutes, 2), round(heap["usedSize"] / MB, 3), round(heap.get("backingStorageSize", 0) / MB, 3),
            round(self._main.memory_info().rss / MB, 1), counters["nodes"],
        )  # fmt: skip


def _kind(process: psutil.Process) -> str:
    names = [kind or sub for kind, sub in KINDS.findall(" ".join(process.cmdline()))]
    return names[-1] if names else "browser"


def _seconds(process: psutil.Process) -> float:
    try:
        return sum(process.cpu_times()[:2])
    except psutil.NoSuchProcess:
        return 0.0
