"""What can be made to go wrong: by a script, a flag, Python, or HTTP while it runs. See docs/emulator.md.

A fault waits for a moment of a session ("turn", "audio", …) and strikes there; several may wait for the same moment.
Chance is drawn from the fault's seed, the session's number and how often the moment has come, so that a run repeats
itself however its sessions interleave.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

MOMENTS = {
    "upgrade": "the WebSocket handshake begins",
    "setup": "the setup was read and is not yet answered",
    "ready": "setupComplete was sent",
    "input": "a message of the client was read",
    "turn": "a turn of the model begins",
    "audio": "a piece of speech was sent",
    "tool_call": "a toolCall is sent",
    "tool_response": "an answer to a tool call was read",
    "interrupted": "a turn is interrupted",
    "turn_complete": "a turnComplete was sent",
    "generate": "a request for generateContent came",
    "now": "at once, in the sessions that are open (only while running)",
}
KINDS = {  # kind → (the moment where it strikes unless told otherwise, what it does)
    "refuse_upgrade": ("upgrade", "answers the handshake with HTTP `status`"),
    "close": ("ready", "closes with `code` and `reason`"),
    "abort": ("ready", "cuts the TCP stream without a close frame"),
    "go_away": ("ready", "announces the end in `seconds` and closes with 1011 then; `silent`: falls silent until then"),
    "withhold_setup_complete": ("setup", "never answers the setup"),
    "withhold_pongs": ("ready", "answers no ping any more"),
    "silence": ("ready", "reads on and answers nothing any more"),
    "slow_audio": ("ready", "speaks at `speed` times real time from now on"),
    "delay": ("turn", "waits `seconds` before it answers"),
    "oversized_message": ("turn", "sends a message of `size` bytes of silence"),
    "unknown_keys": ("turn", "sends a message that has only keys that no client knows"),
    "malformed": ("turn", "sends a frame that is not JSON"),
    "error": ("turn", "sends an error message with `code` and `reason` in place of a server message"),
    "duplicate_tool_calls": ("tool_call", "sends the toolCall twice"),
    "turn_complete_after_tool_call": ("tool_call", "closes the turn right after the toolCall"),
    "audio_after_tool_call": ("tool_call", "sends a last piece of speech after the toolCall"),
    "late_handle": ("turn_complete", "sends the session handle `seconds` late"),
    "withhold_handle": ("turn_complete", "sends no session handle"),
    "spurious_interrupted": ("turn_complete", "says `interrupted` while nothing is generated"),
    "audio_with_interrupted": ("interrupted", "lets the message that says `interrupted` carry a piece of speech, too"),
    "refuse_generate": ("generate", "answers generateContent with HTTP `status`"),
}
# These bend what happens at their own moment, and so can strike nowhere else.
BENDING = frozenset({
    "refuse_upgrade", "withhold_setup_complete", "delay", "duplicate_tool_calls", "turn_complete_after_tool_call",
    "audio_after_tool_call", "late_handle", "withhold_handle", "audio_with_interrupted", "refuse_generate",
})  # fmt: skip
REASONS = {
    1000: "", 1007: "Request contains an invalid argument.",
    1008: "Operation is not implemented, or supported, or enabled.", 1011: "Internal error encountered.",
}  # fmt: skip


class FaultError(ValueError):
    """There is no such fault; the sentence says which there are."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    `at`: the moment; `nth`: from which one on in a session (1 is the first); `after`: seconds later; `times`: at most
    so often, all sessions together, 0 without limit; `probability`: the chance of each; `session`: only in the session
    with this number, 0 in all. The others belong to some kinds.
    """

    kind: str
    at: str = ""
    nth: int = 1
    after: float = 0.0
    times: int = 0
    probability: float = 1.0
    seed: int = 0
    session: int = 0
    code: int = 1011
    reason: str = ""
    status: int = 429
    seconds: float = 1.0
    silent: bool = False
    speed: float = 0.5
    size: int = 1_500_000

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Fault:
        """From JSON or TOML. Raises `FaultError`."""
        known = {field.name: type(field.default) for field in fields(cls)} | {"kind": str}
        if not isinstance(data, Mapping) or "kind" not in data:
            raise FaultError(f"A fault is an object with a `kind`: {', '.join(KINDS)}.")
        for name, value in data.items():
            if name not in known:
                raise FaultError(f"A fault has no {name!r}: it may have {', '.join(known)}.")
            if not (type(value) is known[name] or (known[name] is float and type(value) is int)):
                raise FaultError(f"A fault's {name!r} is of type {known[name].__name__}: {value!r} is not.")
        fault = cls(**data)
        if fault.kind not in KINDS:
            raise FaultError(f"There is no fault {fault.kind!r}: choose one of {', '.join(KINDS)}.")
        if fault.at and fault.at not in MOMENTS:
            raise FaultError(f"There is no moment {fault.at!r}: choose one of {', '.join(MOMENTS)}.")
        own = KINDS[fault.kind][0]
        if fault.kind in BENDING and fault.at not in ("", own):
            raise FaultError(f"{fault.kind!r} can strike only at the moment {own!r}.")
        if fault.kind not in BENDING and fault.at in ("upgrade", "generate"):
            raise FaultError(f"At the moment {fault.at!r} only 'refuse_{fault.at}' can strike.")
        if not (fault.nth >= 1 and fault.after >= 0 and fault.times >= 0 and 0 <= fault.probability <= 1):
            raise FaultError("A fault's nth is 1 or more, after and times 0 or more, and probability from 0 to 1.")
        if not (fault.seconds >= 0 and fault.speed > 0 and 0 < fault.size <= 2**26 and 400 <= fault.status <= 599):
            raise FaultError(
                "A fault's seconds are 0 or more, speed above 0, size up to 64 MiB, status from 400 to 599."
            )
        if fault.code not in REASONS and not 3000 <= fault.code <= 4999 and fault.kind == "close":
            raise FaultError(f"A server closes with {', '.join(map(str, REASONS))} or 3000 to 4999, not {fault.code}.")
        return replace(fault, at=fault.at or own)

    @classmethod
    def parse(cls, text: str) -> Fault:
        """From a flag: `close`, or `close,at=audio,nth=3,code=1011`. Raises `FaultError`."""
        kind, *settings = text.split(",")
        data: dict[str, Any] = {"kind": kind.strip()}
        for setting in settings:
            name, _, value = setting.partition("=")
            default = getattr(cls(kind="close"), name.strip(), "")
            try:
                data[name.strip()] = value in ("1", "true", "yes") if default is False else type(default)(value)
            except ValueError:
                raise FaultError(f"{setting!r} does not fit: {name.strip()} is a number.") from None
        return cls.read(data)

    @property
    def close_reason(self) -> str:
        return self.reason or REASONS.get(self.code, "")


class Faults:
    """All that wait. May be changed from any thread."""

    def __init__(self, faults: Iterable[Fault] = ()):
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Fault] = {}
        self._struck: Counter[int] = Counter()
        for fault in faults:
            self._add(fault)

    def add(self, kind: str, **settings: Any) -> int:
        """Let something go wrong from now on; the number under which it can be removed. Raises `FaultError`."""
        return self._add(Fault.read({"kind": kind, **settings}))

    def _add(self, fault: Fault) -> int:
        with self._lock:
            number = next(self._numbers)
            self._waiting[number] = fault
            return number

    def remove(self, number: int) -> bool:
        with self._lock:
            return self._waiting.pop(number, None) is not None

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def describe(self) -> list[dict[str, Any]]:
        """What waits, with how often each has struck."""
        with self._lock:
            return [
                {"id": number, **asdict(fault), "struck": self._struck[number]}
                for number, fault in self._waiting.items()
            ]

    def due(self, moment: str, session: int, count: int) -> dict[str, Fault]:
        """The faults that strike now, one of each kind: `moment` has come for the `count`th time in `session`."""
        if not self._waiting:
            return {}
        with self._lock:
            due = {}
            for number, fault in self._waiting.items():
                if fault.at != moment or count < fault.nth or fault.session not in (0, session):
                    continue
                if fault.times and self._struck[number] >= fault.times:
                    continue
                if fault.probability < 1:
                    chance = random.Random(f"{fault.seed}/{fault.kind}/{moment}/{session}/{count}").random()  # noqa: S311
                    if chance >= fault.probability:
                        continue
                self._struck[number] += 1
                due[fault.kind] = fault
            return due
