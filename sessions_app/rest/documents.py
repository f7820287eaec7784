"""A whole session as a document, piece by piece: in JSON for programs, in Markdown for people."""

import heapq
import json
import re
from collections.abc import Iterator
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.utils import timezone
from rest_framework.utils.encoders import JSONEncoder

from tools_app.models import ToolCall

from ..models import LiveSession, TranscriptEntry
from .serializers import ExportedSessionSerializer, ToolCallSerializer, TranscriptEntrySerializer

ENTRIES, CALLS = 500, 50  # in memory at once; the arguments and the result of one call may take 256 KB


def entries_of(session: LiveSession) -> Iterator[TranscriptEntry]:
    return _in_batches(session.transcript.order_by("sequence"), ("sequence",), ENTRIES)


def calls_of(session: LiveSession) -> Iterator[ToolCall]:
    return _in_batches(session.tool_calls.order_by("started_at", "pk"), ("started_at", "pk"), CALLS)


def _in_batches(rows: QuerySet, keys: tuple[str, ...], size: int) -> Iterator[Any]:
    """Each batch is a query of its own, from where the last one ended: no connection is held by a slow reader."""
    batch: list[Model] = list(rows[:size])
    while batch:
        yield from batch
        if len(batch) < size:
            return
        first, *rest = ((key, getattr(batch[-1], key)) for key in keys)
        beyond = Q((f"{first[0]}__gt", first[1]))
        for key, value in rest:
            beyond |= Q(first, (f"{key}__gt", value))
        batch = list(rows.filter(beyond)[:size])


# --- JSON ---------------------------------------------------------------------------------------------------------


def as_json(session: LiveSession) -> Iterator[str]:
    """The session as REST has it, with all of `transcript` and `toolCalls`."""
    yield _dump(ExportedSessionSerializer(session).data)[:-1]
    for name, rows, serializer in (
        ("transcript", entries_of(session), TranscriptEntrySerializer),
        ("toolCalls", calls_of(session), ToolCallSerializer),
    ):
        yield f',\n"{name}":['
        for number, row in enumerate(rows):
            yield (",\n" if number else "\n") + _dump(serializer(row).data)
        yield "]"
    yield "}\n"


def _dump(value: Any) -> str:
    return json.dumps(value, cls=JSONEncoder, ensure_ascii=False, separators=(",", ":"))


# --- Markdown -----------------------------------------------------------------------------------------------------


def as_markdown(session: LiveSession) -> Iterator[str]:
    """What was said and called, in the order in which it began. Nothing that was said is taken for markup."""
    speaker = session.speaker or "User"
    yield f"# {plain(session.title or f'Conversation with {speaker}')}\n\n"
    facts = {
        "Speaker": session.speaker,
        "Session": str(session.pk),
        "Created": _moment(session.created_at),
        "Ended": _moment(session.ended_at),
        "Reason": session.end_reason,
        "Model": session.model,
        "Voice": session.voice,
        "Tokens": str(session.total_tokens) if session.total_tokens else None,
    }
    for name, value in facts.items():
        if value:
            yield f"- {name}: {plain(value)}\n"
    happened = heapq.merge(entries_of(session), calls_of(session), key=lambda row: row.started_at)
    for row in happened:
        yield from _call(row) if isinstance(row, ToolCall) else _entry(row, speaker)


def _entry(entry: TranscriptEntry, speaker: str) -> Iterator[str]:
    who = speaker if entry.role == TranscriptEntry.Role.USER else "Gemini"
    marks = [_clock(entry.started_at)]
    if entry.interrupted:
        marks.append("interrupted")
    if entry.interrupted and entry.heard_ms is not None:
        marks.append(f"heard {entry.heard_ms / 1000:.1f} s")
    yield f"\n**{plain(who)}** ({', '.join(marks)})\n\n{plain(entry.text) or '–'}\n"


def _call(call: ToolCall) -> Iterator[str]:
    marks = [_clock(call.started_at), call.get_status_display()]
    if call.duration_ms is not None:
        marks.append(f"{call.duration_ms} ms")
    if call.delivered is False:
        marks.append("came too late")
    yield f"\n**Tool {plain(call.name)}** ({', '.join(marks)})\n\n{_code(call.arguments)}"
    yield f"\n{plain(call.error)}\n" if call.error else f"\n{_code(call.result)}"


def _code(value: Any) -> str:
    """Every line of JSON has a quote, a bracket or a bare word, so none can be the fence that ends it."""
    return f"```json\n{json.dumps(value, ensure_ascii=False, indent=2)}\n```\n"


def plain(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no links, no code."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return "\\\n".join(_escaped(line) for line in lines if line)


def _escaped(line: str) -> str:
    line = re.sub(r"([\\`*_{}\[\]<>#|~&!$@:^=])", r"\\\1", line)
    line = re.sub(r"(?i)\b(www)\.", r"\1\\.", line)
    return re.sub(r"^([-+]|\d+(?=[.)]))", lambda found: _at_start(found[0]), line)


def _at_start(mark: str) -> str:
    """What would begin a list: "-", or the "7" of "7."."""
    return f"\\{mark}" if mark in "-+" else f"{mark}\\"


def _moment(moment: Any) -> str | None:
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S %Z") if moment else None


def _clock(moment: Any) -> str:
    return timezone.localtime(moment).strftime("%H:%M:%S")
