"""`make bench-page` measures: the shortest run of it finds every figure, whatever it is."""

import asyncio
import json
import sys

from tests.server import ROOT

from .browser import chromium


async def test_page_bench_measures_every_figure(tmp_path):
    chromium()
    report = tmp_path / "report.json"
    shortest = ["--minutes", "0", "--turns", "1", "--barge-ins", "1", "--busy", "1", "--idle", "1", "--report"]
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.load.page", *shortest, str(report),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = await running.communicate()
    finally:
        if running.returncode is None:
            running.terminate()
            await running.wait()
    assert running.returncode == 0, said.decode()
    found = json.loads(report.read_text())
    quiet, busy, cpu = found["quiet"], found["busy"], found["cpu"]
    # Three clocks agree: what is sent arrives later, and is played later still.
    assert quiet["sent_to_played_ms"]["max"] > quiet["arrived_to_played_ms"]["max"] > 0
    assert quiet["silence_ms"]["n"] >= 1
    assert busy["compared_s"] > 0
    assert cpu["plays a reply"]["main renderer"] > cpu["idle page"]["main renderer"]
    first, *_, last = found["memory"]
    assert last["heap"] > 0
    assert last["minutes"] >= first["minutes"]
    assert last["rss"] > last["heap"]
    assert "goal: p95 ≤ 120" in said.decode()
