"""What the page measures, and the drawer that shows it."""

import re
from pathlib import Path

import pytest
import pytest_asyncio
from django.template.loader import render_to_string

from .blank import open_blank

TEMPLATE = Path(__file__).parents[2] / "templates" / "voice" / "metrics.html"

MEASURE = """
async (steps) => {
  const { Metrics } = await import("/js/metrics.js");
  const metrics = new Metrics();
  for (const [name, ...values] of steps) metrics[name](...values);
  return metrics.summary();
}
"""
SHOW = """
async (steps) => {
  const { Metrics } = await import("/js/metrics.js");
  const { MetricsDrawer } = await import("/js/metrics_drawer.js");
  const root = document.getElementById("metrics");
  root.hidden = false;
  const metrics = new Metrics();
  window.drawer = new MetricsDrawer(root);
  for (const [name, ...values] of steps) metrics[name](...values);
  window.drawer.show(metrics.summary());
}
"""
FIGURES = """
() => Object.fromEntries([...document.querySelectorAll("#metrics dd")].map((dd) => [dd.dataset.metric, dd.textContent]))
"""
BARS = """
() => [...document.querySelectorAll("#metrics rect")].map((bar) => [
  ...["x", "y", "width", "height"].map((name) => Number(bar.getAttribute(name))), bar.getAttribute("class")])
"""
EMPTY = {
    "responseTime": {"last": None, "p50": None, "p95": None, "count": 0, "all": []},
    "roundTrip": {"last": None, "median": None, "p50": None, "p95": None},
    "queue": {"now": None, "max": None},
    "underruns": 0,
    "droppedFrames": 0,
    "clipped": 0,
    "tokens": {"prompt": None, "response": None, "total": None},
}
CONVERSATION = [
    *(["responseTime", ms] for ms in (640, 480, 1310, 720, 390, 2240, 560, 610)),
    *(["roundTrip", ms] for ms in (18, 22, 17, 140)),
    ["queue", 2400], ["queue", 820], ["underrun"], ["droppedFrame"], ["droppedFrame"], ["clipped", 1234],
    ["usage", {"promptTokens": 12345, "responseTokens": 678, "totalTokens": 13023}],
]  # fmt: skip


@pytest_asyncio.fixture(loop_scope="session")
async def page():
    async with open_blank() as page:
        yield page


@pytest_asyncio.fixture(loop_scope="session")
async def drawer():
    async with open_drawer() as page:
        yield page


def open_drawer(**options):
    names = ("voice", "voice_stage", "voice_sizes", "voice_metrics")
    sheets = "".join(f'<link rel="stylesheet" href="/css/{name}.css">' for name in names)
    page = "<body data-state=idle><header><h1>Gemini Live</h1></header><main></main>%s<footer class=dock>…</footer>"
    return open_blank(body=sheets + page % render_to_string("voice/metrics.html"), **options)


async def test_nothing_measured_is_null(page):
    assert await page.evaluate(MEASURE, []) == EMPTY
    assert await page.evaluate(MEASURE, [*CONVERSATION, ["reset"]]) == EMPTY


async def test_percentiles_are_the_nearest_rank(page):
    # The example of the textbooks: five values, and p50 is the third, p95 the fifth.
    summary = await page.evaluate(MEASURE, [["responseTime", ms] for ms in (40, 15, 50, 20, 35)])
    assert summary["responseTime"] == {"last": 35, "p50": 35, "p95": 50, "count": 5, "all": [40, 15, 50, 20, 35]}
    summary = await page.evaluate(MEASURE, [["roundTrip", ms] for ms in range(100, 0, -1)])
    assert summary["roundTrip"] == {"last": 1, "median": 3, "p50": 50, "p95": 95}
    summary = await page.evaluate(MEASURE, [["responseTime", 7]])
    assert (summary["responseTime"]["p50"], summary["responseTime"]["p95"]) == (7, 7)


async def test_round_trip_is_the_median_of_the_last_five(page):
    summary = await page.evaluate(MEASURE, [["roundTrip", ms] for ms in (900, 900, 900, 10, 500, 20, 30, 40)])
    assert summary["roundTrip"]["median"] == 30
    assert summary["roundTrip"]["p50"] == 40


async def test_counts_queue_and_tokens(page):
    summary = await page.evaluate(MEASURE, [
        ["queue", 100], ["queue", 900], ["queue", 300], ["underrun"], ["underrun"], ["droppedFrame"],
        ["clipped", 3], ["clipped", 4],
        ["usage", {"promptTokens": 10, "responseTokens": 5, "totalTokens": 15}],
        ["usage", {"promptTokens": 30, "responseTokens": 9, "totalTokens": 39}],
    ])  # fmt: skip
    assert summary["queue"] == {"now": 300, "max": 900}
    assert (summary["underruns"], summary["droppedFrames"], summary["clipped"]) == (2, 1, 7)
    assert summary["tokens"] == {"prompt": 30, "response": 9, "total": 39}  # usage counts the whole session


async def test_only_the_newest_are_kept(page):
    summary = await page.evaluate(MEASURE, [["responseTime", ms] for ms in range(1, 1001)])
    assert summary["responseTime"]["all"] == list(range(971, 1001))
    assert summary["responseTime"]["count"] == 1000
    assert (summary["responseTime"]["p50"], summary["responseTime"]["p95"]) == (900, 990)  # of 801 … 1000


async def test_drawer_shows_figures(drawer):
    await drawer.evaluate(SHOW, [])
    assert set((await drawer.evaluate(FIGURES)).values()) == {"–", "0"}
    assert not await drawer.locator(".metrics-chart").is_visible()
    await drawer.evaluate(SHOW, CONVERSATION)
    assert await drawer.evaluate(FIGURES) == {
        "response-time": "610 ms / 2.24 s",
        "round-trip": "18 ms / 140 ms",
        "queue": "820 ms / 2.40 s",
        "underruns": "1",
        "dropped-frames": "2",
        "clipped": "1,234",
        "tokens": "13,023 (12,345 + 678)",
    }


async def test_drawer_draws_the_answers_against_the_goal(drawer):
    await drawer.evaluate(SHOW, [["responseTime", ms] for ms in (2000, 500, 1000)])
    bars = await drawer.evaluate(BARS)
    assert [bar[3] for bar in bars] == [64, 16, 32]  # the slowest fills the chart
    assert all(y + height == 64 for _x, y, _width, height, _class in bars)
    assert [bar[4] for bar in bars] == ["metrics-slow", "metrics-fast", "metrics-fast"]
    assert bars[-1][0] + bars[-1][2] == pytest.approx(299)  # the newest is at the right
    line = drawer.locator(".metrics-goal")
    assert [await line.get_attribute("y1"), await line.get_attribute("y2")] == ["32", "32"]
    said = await drawer.locator("#metrics svg > title").text_content()
    assert said == "Time to first audio of the last 3 answers: from 500 ms to 2.00 s, last 1.00 s"
    assert await drawer.evaluate("() => document.querySelectorAll('#metrics [style]').length") == 0
    await drawer.evaluate(SHOW, [["responseTime", 100]] * 40)
    bars = await drawer.evaluate(BARS)
    assert len(bars) == 30
    assert bars[0][0] >= 0


async def test_drawer_fits_over_the_conversation(drawer):
    await drawer.evaluate(SHOW, CONVERSATION)
    for width, height in ((320, 568), (390, 844), (740, 360), (1280, 800)):
        await drawer.set_viewport_size({"width": width, "height": height})
        aside, header, dock = [await drawer.locator(part).bounding_box() for part in ("#metrics", "header", "footer")]
        assert aside["y"] >= header["y"] + header["height"]
        assert aside["y"] + aside["height"] <= dock["y"]
        assert aside["x"] >= 0
        assert aside["x"] + aside["width"] == width
        assert header["width"] == dock["width"] == width  # it takes no room from the page
        overflow = "({ scrollWidth, clientWidth }) => scrollWidth - clientWidth"
        assert await drawer.locator("#metrics").evaluate(overflow) == 0


async def test_bars_have_colours_of_their_own_in_both_schemes(drawer):
    await drawer.evaluate(SHOW, CONVERSATION)
    colours = set()
    for scheme in ("light", "dark"):
        await drawer.emulate_media(color_scheme=scheme)
        for bar in ("fast", "slow"):
            colours.add(await drawer.locator(f".metrics-{bar}").first.evaluate("(bar) => getComputedStyle(bar).fill"))
    assert len(colours) == 4


def test_every_word_of_the_drawer_can_be_translated():
    outside_tags = re.sub(r"{%.*?%}|<[^>]*>", " ", TEMPLATE.read_text())
    assert set(re.findall(r"\w+", outside_tags)) == {"p50", "p95", "0"}
