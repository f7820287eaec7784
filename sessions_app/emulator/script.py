"""What the emulator understands and answers, read from a TOML file. The format is described in docs/emulator.md.

One phrase serves twice: as a pattern for typed text and as a rule of the grammar that the ears listen with. Phrases are
words, `[optional words]`, `(this|that)` and `{slot}`.
"""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

DEFAULT_SCRIPT = Path(__file__).with_name("script.toml")
PHRASE_PARTS = re.compile(r"\{(?P<slot>\w+)\}|(?P<mark>[\[\]()|])|(?P<word>[\w']+)")
FIELD = re.compile(r"\{([\w.]+)\}")
EXTRA_WORD = r"(?:\S+ )??"  # typed text may say a word more between any two


class ScriptError(ValueError):
    """The script cannot be used; the sentence says where and why."""


@dataclass(frozen=True)
class Slot:
    """A part of a phrase that varies: spoken words → the value that goes into arguments and replies."""

    name: str
    values: Mapping[str, Any]
    open: bool = False  # typed text may hold any words here, up to the end

    def value(self, words: str, today: datetime.date) -> Any:
        found = self.values.get(normalise(words), words)
        if isinstance(found, dict) and "from" in found:  # days from today, both included
            start, end = (today + datetime.timedelta(days=found[key]) for key in ("from", "to"))
            return {"words": words, "start": start.isoformat(), "end": end.isoformat()}
        return found


@dataclass(frozen=True)
class Intent:
    """One thing that can be meant: phrases, perhaps a tool to call, and what is said."""

    name: str
    phrases: tuple[str, ...]
    reply: tuple[str, ...]
    tool: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)  # slot → words, where a phrase leaves the slot out
    scheduling: str = ""
    stops: bool = False  # pending tool calls are withdrawn


@dataclass(frozen=True)
class Match:
    """An intent that was recognised in a text, with the values of its slots."""

    intent: Intent
    slots: Mapping[str, Any]

    def arguments(self) -> dict[str, Any]:
        return {name: fill_value(value, self.slots) for name, value in self.intent.args.items()}


@dataclass(frozen=True)
class Script:
    """A parsed script. `Script.load(path)` reads the file, `Script.from_data(dict)` takes the same as Python data."""

    examples: tuple[str, ...]
    intents: tuple[Intent, ...]
    slots: Mapping[str, Slot]
    spelling: Mapping[str, str]
    not_understood: tuple[str, ...]
    not_declared: tuple[str, ...]

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
        slots = {}
        for name, values in data.get("slots", {}).items():
            given = {normalise(words): value for words, value in values.items() if words != "open"}
            slots[name] = Slot(name, given, bool(values.get("open", False)))
        intents = tuple(_read_intent(item, slots) for item in data.get("intents", []))
        if not intents:
            raise ScriptError("The script has no [[intents]]: write at least one with `phrases` and `reply`.")
        fallback = data.get("fallback", {})
        return cls(
            examples=tuple(data.get("examples", ())),
            intents=intents,
            slots=slots,
            spelling=data.get("spelling", {}),
            not_understood=_texts(fallback.get("not_understood", "I did not understand that.")),
            not_declared=_texts(fallback.get("not_declared", "This session does not offer the tool {tool}.")),
        )

    @cached_property
    def _patterns(self) -> list[tuple[Intent, re.Pattern[str]]]:
        return [
            (intent, re.compile(self._pattern(phrase) + r"(?=$|\S)"))
            for intent in self.intents
            for phrase in intent.phrases
        ]

    def match(self, text: str, today: datetime.date | None = None) -> Match | None:
        """Find the intent whose phrase covers most of `text`, or None. Case, punctuation and extra words are no bar."""
        originals = [word for word in text.split() if normalise(word)]
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
                name = key.rstrip("_")
                slots[name] = self.slots[name].value(said.strip("?!.,;:"), today)
        return Match(intent, slots)

    def grammar(self) -> str:
        """The rules of a JSGF grammar: `<phrase>` and one for each slot."""
        rules = [
            f"<{slot.name}> = {' | '.join(self._spell(words) for words in slot.values)};"
            for slot in self.slots.values()
            if slot.values
        ]
        phrases = (phrase for intent in self.intents for phrase in intent.phrases)
        heard = " | ".join(self._rule(phrase) for phrase in phrases if self._can_be_heard(phrase))
        return "\n".join([*rules, f"<phrase> = {heard};"])

    def heard_words(self) -> set[str]:
        """Every word of the grammar, as it is spelled for the ears."""
        return set(re.findall(r"(?<![<\w'])[\w']+(?![\w>'])", re.sub(r"<\w+>( =)?", " ", self.grammar())))

    def unspell(self, heard: str) -> str:
        """Turn spelled-out letters back into the word: "s q l" → "sql"."""
        for word, letters in self.spelling.items():
            heard = re.sub(rf"\b{letters}\b", word, heard)
        return heard

    def _can_be_heard(self, phrase: str) -> bool:
        return all(self.slots[part["slot"]].values for part in PHRASE_PARTS.finditer(phrase) if part["slot"])

    def _spell(self, words: str) -> str:
        return " ".join(self.spelling.get(word, word) for word in words.split())

    def _rule(self, phrase: str) -> str:
        parts = PHRASE_PARTS.finditer(phrase)
        return " ".join(f"<{part['slot']}>" if part["slot"] else self._spell(part[0].lower()) for part in parts)

    def _pattern(self, phrase: str) -> str:
        """The phrase as a regular expression over normalised words, each followed by one space."""
        pattern = ""
        for part in PHRASE_PARTS.finditer(phrase):
            if part["slot"]:
                slot = self.slots[part["slot"]]
                known = sorted(slot.values, key=len, reverse=True)
                choices = [re.escape(normalise(words)) + " " for words in known]
                if slot.open:
                    choices.append(r"(?:\S+ )+$")
                pattern += f"{EXTRA_WORD}(?P<{slot.name}>{'|'.join(choices)})"
            elif part["mark"]:
                pattern += {"[": "(?:", "]": ")?", "(": "(?:", ")": ")", "|": "|"}[part["mark"]]
            else:
                pattern += EXTRA_WORD + re.escape(normalise(part["word"])) + " "
        return pattern.removeprefix(EXTRA_WORD)


def _read_intent(item: Mapping[str, Any], slots: Mapping[str, Slot]) -> Intent:
    name = item.get("name", "?")
    unknown = set(item) - set(Intent.__dataclass_fields__)
    if unknown:
        raise ScriptError(f"The script's intent {name!r} has unknown keys: {', '.join(sorted(unknown))}.")
    phrases = _texts(item.get("phrases", ()))
    reply = _texts(item.get("reply", ()))
    if not phrases or not (reply or item.get("tool")):
        raise ScriptError(f"The script's intent {name!r} needs `phrases` and a `reply` or a `tool`.")
    for phrase in phrases:
        for part in PHRASE_PARTS.finditer(phrase):
            if part["slot"] and part["slot"] not in slots:
                raise ScriptError(f"The script's intent {name!r} uses {{{part['slot']}}}: add [slots.{part['slot']}].")
    return Intent(
        name=name, phrases=phrases, reply=reply, tool=item.get("tool", ""), args=item.get("args", {}),
        defaults=item.get("defaults", {}), scheduling=item.get("scheduling", ""), stops=bool(item.get("stops", False)),
    )  # fmt: skip


def _texts(value: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def normalise(text: str) -> str:
    """Lower-case words without punctuation: "What's  new?" → "whats new"."""
    return re.sub(r"[^\w]+", " ", re.sub(r"['\u2019]", "", text.lower())).strip()


def look_up(values: Any, path: str) -> Any:
    """Follow a dotted path through objects and lists: `results.0.title`. Raises LookupError."""
    for step in path.split("."):
        if isinstance(values, Mapping):
            values = values[step]
        elif isinstance(values, list) and step.isdigit():
            values = values[int(step)]
        else:
            raise LookupError(path)
    return values


def fill_value(template: Any, values: Mapping[str, Any]) -> Any:
    """Fill a value of `args`; a template that is one field alone keeps the field's type."""
    if not isinstance(template, str):
        return template
    if alone := FIELD.fullmatch(template):
        return look_up(values, alone[1])
    return FIELD.sub(lambda found: str(look_up(values, found[1])), template)


def fill(templates: tuple[str, ...], values: Mapping[str, Any]) -> str | None:
    """Fill the first template whose fields all have values, for speaking; None if there is none."""
    for template in templates:
        try:
            return FIELD.sub(lambda found: speakable(look_up(values, found[1])), template)
        except LookupError:
            continue
    return None


def speakable(value: Any) -> str:
    """A value as it would be said. None and containers cannot be said: LookupError."""
    if value is None or isinstance(value, Mapping | list) or value == "":
        raise LookupError(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() or abs(value) >= 1000 else f"{value:.1f}"
    text = " ".join(str(value).split())
    if len(text) <= 300:
        return text
    return text[:300].rsplit(" ", 1)[0] + " …"


def describe(result: Mapping[str, Any]) -> str:
    """A tool's result in a sentence, for tools whose intent has no fitting template."""
    said = []
    for key, value in result.items():
        try:
            said.append(f"{re.sub(r'(?<=[a-z])(?=[A-Z])|_', ' ', key).lower()}: {speakable(value)}")
        except LookupError:
            continue
    return f"The result is: {', '.join(said[:6])}." if said else "That is done."
