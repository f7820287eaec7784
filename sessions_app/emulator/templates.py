"""Sentences with fields: `{temperature}`, `{results.0.title}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

FIELD = re.compile(r"\{([\w.]+)\}")


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
    """Fill a value of `args`, whatever it holds; a template that is one field alone keeps the field's type."""
    if isinstance(template, Mapping):
        return {key: fill_value(item, values) for key, item in template.items()}
    if isinstance(template, list):
        return [fill_value(item, values) for item in template]
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
    text = " ".join(whole(str(value)).split())
    if len(text) <= 300:
        return text
    return text[:300].rsplit(" ", 1)[0] + " …"


def describe(result: Mapping[str, Any]) -> str:
    """A tool's result in a sentence, for tools whose intent has no fitting template."""
    said = []
    for key, value in result.items():
        try:
            name = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", whole(key)).lower()
            said.append(f"{name}: {speakable(value)}")
        except LookupError:
            continue
    return f"The result is: {', '.join(said[:6])}." if said else "That is done."


def whole(text: str) -> str:
    """Without halves of characters, which Python can hold and UTF-8 cannot."""
    return text.encode(errors="replace").decode()
