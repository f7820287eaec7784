"""What the emulator understands and answers, read from a TOML file. The format is described in docs/emulator.md."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from . import phrases
from .faults import Fault, FaultError
from .phrases import Slot, normalise
from .templates import fill_value

DEFAULT_SCRIPT = Path(__file__).with_name("script.toml")
MAX_TEXT = 4_000  # characters of a question: looking for phrases in a book would take minutes
KEYS = {"examples", "fallback", "spelling", "slots", "intents", "faults"}


class ScriptError(ValueError):
    """The script cannot be used; the sentence says where and why."""


@dataclass(frozen=True)
class ToolUse:
    """A tool that an intent calls: its arguments are templates over the phrase's slots."""

    tool: str
    args: Mapping[str, Any] = field(default_factory=dict)
    scheduling: str = ""


@dataclass(frozen=True)
class Intent:
    """One thing that can be meant: phrases, perhaps tools to call, and what is said."""

    name: str
    phrases: tuple[str, ...]
    reply: tuple[str, ...] = ()
    calls: tuple[ToolUse, ...] = ()  # all at once, in one message
    defaults: Mapping[str, str] = field(default_factory=dict)  # slot → words, where a phrase leaves the slot out
    stops: bool = False  # pending tool calls are withdrawn
    silent: bool = False  # the turn ends without a word
    delay: float = 0.0  # seconds of thought before the answer
    thoughts: str = ""  # said to nobody; sent as thought parts to sessions that ask for them
    filler: str = ""  # said while the tools work, by models that speak then
    grounding: Mapping[str, Any] = field(default_factory=dict)  # queries, and sources with title and uri


@dataclass(frozen=True)
class Match:
    """An intent that was recognised in a text, with the values of its slots."""

    intent: Intent
    slots: Mapping[str, Any]

    def arguments(self, use: ToolUse) -> dict[str, Any]:
        return {name: fill_value(value, self.slots) for name, value in use.args.items()}


@dataclass(frozen=True)
class Script:
    """A parsed script. `Script.load(path)` reads the file, `Script.from_data(dict)` takes the same as Python data."""

    examples: tuple[str, ...]
    intents: tuple[Intent, ...]
    slots: Mapping[str, Slot]
    spelling: Mapping[str, str]
    not_understood: tuple[str, ...]
    not_declared: tuple[str, ...]
    filler: str
    faults: tuple[Fault, ...] = ()

    @classmethod
    def load(cls, path: str | Path | None = None) -> Script:
        path = Path(path or DEFAULT_SCRIPT)
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ScriptError(f"The script {path} cannot be read: {error.strerror}.") from None
        except ValueError as error:
            raise ScriptError(f"The script {path} is not valid TOML: {error}.") from None
        return cls.from_data(data)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Script:
        if unknown := set(data) - KEYS:
            raise ScriptError(f"The script has unknown keys: {', '.join(sorted(unknown))}.")
        slots = {}
        for name, values in data.get("slots", {}).items():
            given = {normalise(words): value for words, value in values.items() if words != "open"}
            slots[name] = Slot(name, given, bool(values.get("open", False)))
        intents = tuple(_read_intent(item, slots) for item in data.get("intents", []))
        if not intents:
            raise ScriptError("The script has no [[intents]]: write at least one with `phrases` and `reply`.")
        try:
            faults = tuple(Fault.read(item) for item in data.get("faults", []))
        except FaultError as error:
            raise ScriptError(f"The script's [[faults]]: {error}") from None
        fallback = data.get("fallback", {})
        return cls(
            examples=tuple(data.get("examples", ())),
            intents=intents,
            slots=slots,
            spelling=data.get("spelling", {}),
            not_understood=_texts(fallback.get("not_understood", "I did not understand that.")),
            not_declared=_texts(fallback.get("not_declared", "This session does not offer the tool {tool}.")),
            filler=fallback.get("filler", "One moment, please."),
            faults=faults,
        )

    @cached_property
    def _patterns(self) -> list[tuple[Intent, re.Pattern[str]]]:
        return [(intent, phrases.pattern(phrase, self.slots)) for intent in self.intents for phrase in intent.phrases]

    def match(self, text: str, today: datetime.date | None = None) -> Match | None:
        """Find the intent whose phrase covers most of `text`, or None. Case, punctuation and extra words are no bar."""
        originals = [word for word in text[:MAX_TEXT].split() if normalise(word)]
        words = [normalise(word).replace(" ", "") for word in originals]
        line = "".join(word + " " for word in words)
        best: tuple[float, Intent, re.Match[str]] | None = None
        for intent, pattern in self._patterns:
            for found in pattern.finditer(line):
                if found.start() and line[found.start() - 1] != " ":
                    continue
                covered = len(found[0].split())
                # A short phrase inside a long sentence is an accident: "I'd like to stop smoking" is no "stop".
                if covered / len(words) >= 0.4 and (best is None or covered > best[0]):
                    best = (covered, intent, found)
        if best is None:
            return None
        _, intent, found = best
        today = today or datetime.date.today()
        slots = {name: self.slots[name].value(words, today) for name, words in intent.defaults.items()}
        for key in found.re.groupindex:
            if found[key] is not None:
                first = line[: found.start(key)].count(" ")
                said = " ".join(originals[first : first + found[key].count(" ")])
                slots[key] = self.slots[key].value(said.strip("?!.,;:"), today)
        return Match(intent, slots)

    def grammar(self) -> str:
        """The rules of a JSGF grammar: `<phrase>` and one for each slot."""
        return phrases.grammar(
            [phrase for intent in self.intents for phrase in intent.phrases], self.slots, self.spelling
        )

    def heard_words(self) -> set[str]:
        """Every word of the grammar, as it is spelled for the ears."""
        return set(re.findall(r"(?<![<\w'])[\w']+(?![\w>'])", re.sub(r"<\w+>( =)?", " ", self.grammar())))

    def unspell(self, heard: str) -> str:
        """Turn spelled-out letters back into the word: "s q l" → "sql"."""
        for word, letters in self.spelling.items():
            heard = re.sub(rf"\b{letters}\b", word, heard)
        return heard


def _read_intent(item: Mapping[str, Any], slots: Mapping[str, Slot]) -> Intent:
    name = item.get("name", "?")
    short = {"tool", "args", "scheduling"}
    if unknown := set(item) - set(Intent.__dataclass_fields__) - short:
        raise ScriptError(f"The script's intent {name!r} has unknown keys: {', '.join(sorted(unknown))}.")
    given = {key: item[key] for key in Intent.__dataclass_fields__ if key in item}
    calls = [{key: item[key] for key in short if key in item}] if "tool" in item else []
    try:
        given["calls"] = tuple(ToolUse(**use) for use in [*calls, *item.get("calls", [])])
    except TypeError:
        raise ScriptError(f"The script's intent {name!r}: a call has a `tool`, `args` and `scheduling`.") from None
    given |= {key: _texts(item.get(key, ())) for key in ("phrases", "reply")}
    intent = Intent(**{"name": name, **given})
    if not intent.phrases or not (intent.reply or intent.calls or intent.silent):
        raise ScriptError(
            f"The script's intent {name!r} needs `phrases` and a `reply` or a `tool`, or it is `silent = true`."
        )
    for phrase in intent.phrases:
        for slot in phrases.slots_of(phrase):
            if slot not in slots:
                raise ScriptError(f"The script's intent {name!r} uses {{{slot}}}: add [slots.{slot}].")
    return intent


def _texts(value: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
