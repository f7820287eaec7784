"""Calls as pictures for the admin: SVG without scripts, coloured by static/css/admin.css."""

from collections import Counter
from collections.abc import Callable

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from .models import ToolCall
from .statistics import Period, Statistics

HEIGHT = 24
LONGEST = 36
"""Parts of a period that fit into a picture; of more the latest are shown."""


def bars(period: Period, statistics: Statistics, url: Callable[[str], str] | None = None) -> SafeString:
    """A bar for each part of the period, as high as it had calls, in the colours of how they ended.

    `url` gives the address that a part's bar leads to.
    """
    names = list(period.names(min(statistics.by_part, default="9999-12")[:7]))[-LONGEST:]
    parts = [(name, statistics.by_part.get(name, Counter())) for name in names]
    highest = max((statuses.total() for _, statuses in parts), default=0)
    columns = []
    for number, (name, statuses) in enumerate(parts):
        pieces, top = [], HEIGHT
        for status, count in _in_order(statuses):
            # At least one pixel: a single error among thousands of calls shall be seen.
            height = max(1.0, count / highest * (HEIGHT - 4))
            top -= height
            pieces.append({"status": status, "y": f"{top:.1f}", "height": f"{height:.1f}"})
        title = f"{name}: {_words(statuses)}"
        columns.append({"x": number * 4, "title": title, "pieces": pieces, "url": url(name) if url else ""})
    context = {"columns": columns, "width": len(parts) * 4, "height": HEIGHT, "summary": _words(statistics.by_status)}
    return render_to_string("admin/tools_app/bars.html", context)


def shares(statistics: Statistics) -> SafeString:
    """One line of a hundred units, divided by how calls ended."""
    pieces, x = [], 0.0
    for status, count in _in_order(statistics.by_status):
        width = count / statistics.calls * 100
        pieces.append({"status": status, "x": f"{x:.2f}", "width": f"{width:.2f}"})
        x += width
    return render_to_string("admin/tools_app/shares.html", {"pieces": pieces, "summary": _words(statistics.by_status)})


def _in_order(statuses: Counter[str]) -> list[tuple[str, int]]:
    """What went well first."""
    known = sorted(ToolCall.Status.values, key=lambda status: status != ToolCall.Status.OK)
    return [(status, statuses[status]) for status in known if statuses[status]]


def _words(statuses: Counter[str]) -> str:
    labels = dict(ToolCall.Status.choices)
    return ", ".join(f"{count} {labels[status].lower()}" for status, count in _in_order(statuses)) or "no calls"
