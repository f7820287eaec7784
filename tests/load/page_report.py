"""The report of `make bench-page` in words: each figure beside its goal."""

import statistics

FIGURES = {  # key in the report → what it is, and its goal
    "sent_to_played_ms": ("first audio sent by the server → first sample played, ms", "p95 ≤ 120"),
    "arrived_to_played_ms": ("    of that, from its arrival in the page on, ms", ""),
    "silence_ms": ("barge-in arrives → last sample played, ms", "max ≤ 20"),
}
WIDTH = 72
BARS = 40  # characters


def print_report(report: dict) -> None:
    print()
    for figure, (title, goal) in FIGURES.items():
        print(f"{title:{WIDTH}} {_spread(report['quiet'][figure])}" + (f"   goal: {goal}" if goal else ""))
    for figure, (title, _) in FIGURES.items():
        print(f"{'busy cores: ' + title.strip():{WIDTH}} {_spread(report['busy'][figure])}")
    busy = report["busy"]
    holes = busy["holes_ms"]
    longest = f", the longest {max(holes):.0f} ms" if holes else ""
    found = f"{len(holes)} in {busy['compared_s']:.0f} s of replies{longest}"
    print(f"{'busy cores: underruns':{WIDTH}} {found}   goal: 0")
    print(f"{'':{WIDTH}} {_dropouts(busy['dropouts'])}")
    output = report["output"]
    print(
        f"{'the device comes on top of these':{WIDTH}} outputLatency "
        f"{1000 * output['outputLatency']:.0f} ms (baseLatency {1000 * output['baseLatency']:.0f} ms)"
    )
    for when, cpu in report["cpu"].items():
        print(f"{'CPU, % of a core: ' + when:{WIDTH}} {_cpu(cpu)}")
    print_memory(report["memory"], report["growth_kb_a_minute"])


def print_memory(memory: list[dict], growth: dict[str, float]) -> None:
    """A table with a bar for the heap, and the slopes."""
    print("\nMemory after a forced collection (MB)\n  min     heap  buffers     RSS    nodes")
    most = max(moment["heap"] for moment in memory)
    for moment in memory:
        bar = "█" * round(BARS * moment["heap"] / most)
        print(
            f"{moment['minutes']:5.1f} {moment['heap']:8.2f} {moment['buffers']:8.2f} {moment['rss']:7.1f} "
            f"{moment['nodes']:8} {bar}"
        )
    if growth:
        print("growth, KB/min: " + ", ".join(f"{what} {slope:+.1f}" for what, slope in growth.items()) + "   goal: 0")


def slopes_of(memory: list[dict]) -> dict[str, float]:
    """KB a minute; none of less than two moments."""
    minutes = [moment["minutes"] for moment in memory]
    if len(set(minutes)) < 2:
        return {}
    return {
        what: round(1024 * statistics.linear_regression(minutes, [moment[what] for moment in memory]).slope, 1)
        for what in ("heap", "buffers", "rss")
    }


def _spread(values: dict[str, float]) -> str:
    if not values["n"]:
        return "none"
    return f"p50 {values['p50']:.0f}  p95 {values['p95']:.0f}  max {values['max']:.0f}  n {values['n']}"


def _dropouts(dropouts: dict | None) -> str:
    if dropouts is None:
        return "the browser tells nothing of dropouts of its own"
    return f"{dropouts['underrunEvents']} dropouts of the output itself, {1000 * dropouts['underrunDuration']:.0f} ms"


def _cpu(cpu: dict[str, float]) -> str:
    if not cpu:
        return "not measured"
    others = {kind: cpu.get(kind, 0) for kind in ("audio", "network", "gpu-process", "browser")}
    parts = ", ".join(f"{kind} {used:.1f}" for kind, used in others.items())
    return f"page {cpu['page']:.1f} (its renderer {cpu['main renderer']:.1f}, {parts})"
