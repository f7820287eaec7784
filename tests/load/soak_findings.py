"""What a soak has shown: the people's notes, the database, and for each lost turn where it was lost."""

import json
import re
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import chain

import httpx2

from .soak_people import MARKER, Person, Question, ending

PROMISES = (
    "no turn is lost",
    "every call is answered",
    "no question is answered twice",
    "no audio after an interruption",
    "no answer stands at another's question",
    "no answer is without a voice",
    "no conversation breaks",
    "every question is in the database once",
    "every question has an answer after it",
    "sequences have no gap and no double",
    "every session has ended",
    "no socket to Gemini is left",
    "no task is left",
    "no object of a conversation is left",
    "no file or thread is left",
    "the memory is flat",
    "no traceback in the server's log",
)
SHOWN = 3
LEFT = 1000  # the code with which our server closes
LOOKED_AT = 60  # lost turns whose way is looked up


@dataclass
class Findings:
    figures: dict[str, str] = field(default_factory=dict)
    broken: dict[str, list[str]] = field(default_factory=lambda: {promise: [] for promise in PROMISES})

    def table(self) -> str:
        width = max(map(len, (*self.figures, *PROMISES)))
        lines = [f"{name.ljust(width)} | {value}" for name, value in self.figures.items()]
        lines.append("-" * width + "-+-" + "-" * 20)
        for promise, examples in self.broken.items():
            lines.append(f"{promise.ljust(width)} | {f'BROKEN {len(examples)} times' if examples else 'kept'}")
        for promise, examples in self.broken.items():
            if examples:
                lines.append(f"\n{promise}: broken {len(examples)} times")
                lines += [f"  · {example}" for example in examples[:SHOWN]]
        return "\n".join(lines)


def of_people(people: list[Person], findings: Findings) -> None:
    counts = sum((person.counts for person in people), Counter())
    questions = list(chain.from_iterable(person.questions.values() for person in people))
    waited = sorted(question.waited for question in questions if question.waited)
    away = sorted(chain.from_iterable(person.reconnecting for person in people))
    kinds = Counter(question.kind for question in questions)
    findings.figures |= {
        "questions": f"{len(questions)} ({', '.join(f'{kind}: {count}' for kind, count in kinds.items())})",
        "turns ended": str(counts["turns"]),
        "from question to whole answer": _spread(waited),
        "barge-ins": f"{counts['barge-ins']}, interruptions told {counts['interruptions']}",
        "tool calls": f"{counts['calls']} ({_list(counts, 'calls ')})",
        "RECONNECTING → CONNECTED": f"{_spread(away)}; {counts['resumed']} resumed, {counts['begun afresh']} afresh",
        "errors told": _list(counts, "error ") or "none",
    }
    for person in people:
        for promise, examples in person.wrong.items():
            findings.broken[promise] += examples


def of_database(path: str, people: list[Person], findings: Findings) -> None:
    broken = findings.broken
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    entries = defaultdict(list)
    for session, *entry in database.execute(
        "SELECT session_id, sequence, role, text FROM sessions_app_transcriptentry ORDER BY session_id, sequence"
    ):
        entries[session].append(entry)
    ended = dict(database.execute("SELECT id, status FROM sessions_app_livesession"))
    for person in people:
        session = person.session_id.replace("-", "")
        said = entries[session]
        if [sequence for sequence, _, _ in said] != list(range(1, len(said) + 1)):
            broken["sequences have no gap and no double"].append(f"{person.name}: {[entry[0] for entry in said]}")
        if ended.get(session) != "ended":
            broken["every session has ended"].append(f"{person.name}: {ended.get(session, 'no session')}")
        asked, answered = defaultdict(list), defaultdict(list)
        for sequence, role, text in said:
            for marker in set(MARKER.findall(text)):
                (asked if role == "user" else answered)[marker].append(sequence)
        for marker, question in person.questions.items():
            if len(asked[marker]) != 1:
                told = "though it was told final" if question.final else "never told final"
                broken["every question is in the database once"].append(
                    f"{marker} ({question.kind}): {len(asked[marker])} times, {told}"
                )
            elif not any(sequence > asked[marker][0] for sequence in answered[marker]):
                broken["every question has an answer after it"].append(
                    f"{marker} ({question.kind}), entry {asked[marker][0]}: answered in {answered[marker] or 'none'}"
                )
    calls = Counter(status for (status,) in database.execute("SELECT status FROM tools_app_toolcall"))
    findings.figures["calls in the database"] = _list(calls)
    if running := calls["running"]:
        broken["every call is answered"] += ["a ToolCall is still running"] * running
    database.close()


class FarEnd:
    """What the emulator has seen, by its HTTP."""

    def __init__(self, client: httpx2.Client):
        self._client = client

    def struck(self) -> Counter[str]:
        """How often each kind of fault has struck; those of go_away have at least been armed."""
        struck: Counter[str] = Counter()
        for fault in self._client.get("/_emulator/faults").json()["faults"]:
            struck[fault["kind"]] += fault["struck"]
        return struck

    def find(self, people: list[Person], findings: Findings) -> None:
        """Say of each lost turn where it was lost."""
        kept = self._client.get("/_emulator/sessions").json()["sessions"]
        findings.figures["connections to Gemini"] = str(kept[-1]["session"]) if kept else "none"
        of_person = defaultdict(list)
        for connection in kept:
            if name := re.search(r"You talk with (p\d+)", json.dumps(connection["setup"])):
                of_person[name[1]].append(connection["session"])
            if connection["pendingCalls"] and connection["closeCode"] == LEFT:
                findings.broken["every call is answered"].append(
                    f"the server left connection {connection['session']} with {connection['pendingCalls']} unanswered"
                )
        where: Counter[str] = Counter()
        lost = [(person, question) for person in people for question in person.questions.values() if question.lost]
        for number, (person, question) in enumerate(lost):
            found = self._lost(of_person[person.name], question) if number < LOOKED_AT else "not looked up"
            where[re.sub(r" \([^)]*\)", "", found)] += 1
            late = f"answered after {question.waited:.0f} s" if question.waited else "never answered"
            seen = "".join(f"\n      {line}" for line in question.saw)
            findings.broken["no turn is lost"].append(f"{question.marker} ({question.kind}), {late}: {found}{seen}")
        for found, count in where.items():
            findings.figures[f"lost: {found}"] = str(count)

    def _lost(self, connections: list[int], question: Question) -> str:
        reached = [(number, at) for number in connections if (at := self._after(number, question.marker)) is not None]
        if not reached:
            return "never passed on to Gemini (or the emulator has forgotten it)"
        number, frames = reached[-1]
        words = "".join(_output(frame) for frame in frames if frame["sent"])
        calls = any("toolCall" in frame["message"] for frame in frames)
        results = any("toolResponse" in frame["message"] for frame in frames)
        if ending(question.marker) in words and any(_complete(frame) for frame in frames):
            return f"answered by Gemini, not passed on whole (connection {number})"
        code = self._client.get(f"/_emulator/sessions/{number}").json()["closeCode"]
        if code is not None and number != connections[-1]:
            when = "in the answer" if words else "during the call" if calls else "before the answer"
            return f"connection ended {when}, not asked again (connection {number}, {code})"
        if calls and not results:
            return f"the tool's result never came to Gemini (connection {number})"
        return f"THE EMULATOR did not answer (connection {number})"

    def _after(self, number: int, marker: str) -> list[dict] | None:
        """What went over this connection from the moment on at which the question came."""
        frames = self._client.get(f"/_emulator/sessions/{number}").json()["frames"]
        for index, frame in enumerate(frames):
            if not frame["sent"] and "setup" not in frame["message"] and marker in json.dumps(frame["message"]):
                return frames[index:]
        return None


def _complete(frame: dict) -> bool:
    return "generationComplete" in frame["message"].get("serverContent", {})


def _output(frame: dict) -> str:
    return (frame["message"].get("serverContent", {}).get("outputTranscription") or {}).get("text", "")


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    at = lambda share: seconds[min(len(seconds) - 1, int(len(seconds) * share))]  # noqa: E731
    return f"{len(seconds)} × p50 {at(0.5):.2f} s, p95 {at(0.95):.2f} s, max {seconds[-1]:.2f} s"


def _list(counts: Counter[str], prefix: str = "") -> str:
    found = {name.removeprefix(prefix): count for name, count in counts.items() if name.startswith(prefix)}
    return ", ".join(f"{name} {count}" for name, count in sorted(found.items()) if name != "calls")
