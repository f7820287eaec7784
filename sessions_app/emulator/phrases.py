"""Phrases: words, `[optional words]`, `(this|that)` and `{slot}`.

One phrase serves twice: as a pattern for typed text and as a rule of the grammar that the ears listen with.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PARTS = re.compile(r"\{(?P<slot>\w+)\}|(?P<mark>[\[\]()|])|(?P<word>[\w']+)")
EXTRA_WORD = r"(?:\S+ )??"  # typed text may say a word more between any two


def normalise(text: str) -> str:
    """Lower-case words without punctuation: "What's  new?" → "whats new"."""
    return re.sub(r"[^\w]+", " ", re.sub(r"['\u2019]", "", text.lower())).strip()


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


def slots_of(phrase: str) -> list[str]:
    return [part["slot"] for part in PARTS.finditer(phrase) if part["slot"]]


def pattern(phrase: str, slots: Mapping[str, Slot]) -> re.Pattern[str]:
    """The phrase as a regular expression over normalised words, each followed by one space."""
    found = ""
    for part in PARTS.finditer(phrase):
        if part["slot"]:
            slot = slots[part["slot"]]
            known = sorted(slot.values, key=len, reverse=True)
            choices = [re.escape(normalise(words)) + " " for words in known]
            if slot.open:
                choices.append(r"(?:\S+ )+$")
            found += f"{EXTRA_WORD}(?P<{slot.name}>{'|'.join(choices)})"
        elif part["mark"]:
            found += {"[": "(?:", "]": ")?", "(": "(?:", ")": ")", "|": "|"}[part["mark"]]
        else:
            found += EXTRA_WORD + re.escape(normalise(part["word"])) + " "
    return re.compile(found.removeprefix(EXTRA_WORD) + r"(?=$|\S)")


def grammar(phrases: list[str], slots: Mapping[str, Slot], spelling: Mapping[str, str]) -> str:
    """The rules of a JSGF grammar: `<phrase>` and one for each slot. `spelling`: how words are said that no dictionary
    has."""

    def spell(words: str) -> str:
        return " ".join(spelling.get(word, word) for word in words.split())

    def rule(phrase: str) -> str:
        return " ".join(
            f"<{part['slot']}>" if part["slot"] else spell(part[0].lower()) for part in PARTS.finditer(phrase)
        )

    rules = [
        f"<{slot.name}> = {' | '.join(spell(words) for words in slot.values)};"
        for slot in slots.values()
        if slot.values
    ]
    heard = [rule(phrase) for phrase in phrases if all(slots[name].values for name in slots_of(phrase))]
    return "\n".join([*rules, f"<phrase> = {' | '.join(heard) or '<VOID>'};"])
