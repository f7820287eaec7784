"""What this process has done and does, for Prometheus (`GET /metrics`; docs/operating.md lists the names).

On the way of the audio there are only the plain integers of `received` and `sent`: whatever else stands here is told
at most a few times a turn, or read when somebody asks. Every label has few values: tools are registered ones, models
known ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tools_app.registry import registry as tools
from tools_app.signals import call_ended, writes_ended

from .gemini.models import MODELS
from .live.events import UsageReported
from .live.limits import Totals

disable_created_metrics()  # half of all lines, and nobody asks for them
REGISTRY = CollectorRegistry()
OTHER = "other"
MODALITIES = frozenset({"text", "audio", "image", "video", "document"})


class Traffic:
    """Frames and bytes since the process began; written by the event loop alone."""

    __slots__ = ("bytes", "frames")

    def __init__(self) -> None:
        self.frames = 0
        self.bytes = 0


received, sent = Traffic(), Traffic()
"""From browsers, and to them."""

DIALS = Histogram(
    "gemlive_gemini_dial_seconds",
    "Until Gemini accepted a conversation, or failed to: ok, or the error's code.",
    ["result"],
    registry=REGISTRY,
)
OPENING = Histogram(
    "gemlive_opening_seconds", "From `connect` of the page to the first CONNECTED of a conversation.", registry=REGISTRY
)
FIRST_AUDIO = Histogram(
    "gemlive_time_to_first_audio_seconds",
    "From the end of the user's turn to the first audio of the reply.",
    buckets=(0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10),
    registry=REGISTRY,
)
RECONNECTS = Counter(
    "gemlive_gemini_reconnects", "Connections to Gemini that were lost in mid-conversation.", registry=REGISTRY
)
TURNS = Counter("gemlive_turns", "Turns that ended.", ["interrupted"], registry=REGISTRY)
TOKENS = Counter("gemlive_tokens", "As Gemini counts them.", ["model", "side", "modality"], registry=REGISTRY)
TOOL_CALLS = Histogram(
    "gemlive_tool_call_seconds",
    "A tool's own time, by how the call ended.",
    ["tool", "status"],
    buckets=(0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 20, 60),
    registry=REGISTRY,
)
WRITES = Histogram(
    "gemlive_writer_delay_seconds",
    "From the moment a write is asked for to its commit.",
    buckets=(0.025, 0.05, 0.1, 0.25, 1, 5, 15, 60),
    registry=REGISTRY,
)
LOST_WRITES = Counter("gemlive_writes_lost", "Writes that the database did not take.", registry=REGISTRY)
REFUSED = Counter(
    "gemlive_connections_refused", "Browsers that were not let in, by the error's code.", ["code"], registry=REGISTRY
)
ProcessCollector(registry=REGISTRY)


def exposition() -> bytes:
    """All of it, as Prometheus reads it."""
    return generate_latest(REGISTRY)


@dataclass
class CountedTotals(Totals):
    """A session's tokens, which the process counts too."""

    model: str = ""

    def add(self, usage: UsageReported) -> None:
        super().add(usage)
        model = self.model if self.model in MODELS else OTHER
        for name, count in usage.by_modality.items():
            side, _, modality = name.partition(".")
            TOKENS.labels(model, side, modality if modality in MODALITIES else OTHER).inc(count)


def _call_ended(sender: Any, name: Any, status: str, seconds: float, **kwargs: Any) -> None:
    known = isinstance(name, str) and tools.get(name) is not None
    TOOL_CALLS.labels(name if known else OTHER, status).observe(seconds)


def _writes_ended(sender: Any, saved: list[float], lost: int, **kwargs: Any) -> None:
    for seconds in saved:
        WRITES.observe(seconds)
    LOST_WRITES.inc(lost)


call_ended.connect(_call_ended)
writes_ended.connect(_writes_ended)


class _Now:
    """What is there in the moment in which somebody asks."""

    def collect(self) -> Iterator[Metric]:
        from django.conf import settings

        from tools_app.writer import writer

        from .live.buffers import Uplink
        from .live.journal import SECOND_OF_AUDIO
        from .live_here import here
        from .models import LiveSession

        for name, traffic in (("received", received), ("sent", sent)):
            yield CounterMetricFamily(f"gemlive_frames_{name}", f"WebSocket frames {name}.", value=traffic.frames)
            yield CounterMetricFamily(f"gemlive_bytes_{name}", f"Bytes of them {name}.", value=traffic.bytes)
        yield CounterMetricFamily(
            "gemlive_audio_dropped_seconds",
            "Of what was said, while Gemini was away or slow.",
            value=Uplink.dropped_in_all / SECOND_OF_AUDIO,
        )
        yield GaugeMetricFamily("gemlive_connections", "Browsers that are connected.", value=here.tab_count)
        yield GaugeMetricFamily(
            "gemlive_connections_limit", "SESSIONS_PER_PROCESS.", value=settings.SESSIONS_PER_PROCESS
        )
        yield GaugeMetricFamily("gemlive_draining", "1: the process stops.", value=int(here.draining))
        conversations = here.conversations()
        sessions = GaugeMetricFamily("gemlive_sessions", "Carried by this process, by status.", labels=["status"])
        statuses = [conversation.recorder.status for conversation in conversations]
        for status in LiveSession.Status.values:
            sessions.add_metric([status], statuses.count(status))
        yield sessions
        uplinks = [conversation.bridge.waiting for conversation in conversations if conversation.bridge]
        yield GaugeMetricFamily(
            "gemlive_uplink_waiting_seconds",
            "Audio that waits for Gemini, in all conversations.",
            value=sum(audio for audio, _ in uplinks) / SECOND_OF_AUDIO,
        )
        yield GaugeMetricFamily(
            "gemlive_uplink_waiting_messages", "Other messages that do.", value=sum(messages for _, messages in uplinks)
        )
        yield GaugeMetricFamily("gemlive_writer_waiting", "Writes that wait for the database.", value=writer.waiting)


REGISTRY.register(_Now())  # type: ignore[arg-type]  all that it needs is collect()
