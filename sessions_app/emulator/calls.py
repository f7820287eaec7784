"""Tool calls that wait for their answers."""

from __future__ import annotations

import ast
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from .script import Match, ToolUse
from .templates import describe, fill, whole


@dataclass
class Group:
    """The calls of one toolCall message. They are spoken of when all are answered."""

    match: Match
    blocking: bool
    waiting: dict[str, ToolUse]
    results: list[tuple[ToolUse, dict[str, Any]]] = field(default_factory=list)

    @property
    def message(self) -> dict[str, Any]:
        return {
            "toolCall": {
                "functionCalls": [
                    {"name": use.tool, "args": self.match.arguments(use), "id": call_id}
                    for call_id, use in self.waiting.items()
                ]
            }
        }

    def sentence(self, facts: Mapping[str, Any]) -> str:
        """The results in words. A tool's result is its response, or the `result` or `output` member of that."""
        results = [(use, _unpacked(response)) for use, response in self.results]
        for _, result in results:
            if isinstance(result.get("error"), str):
                return whole(result["error"])
        values: dict[str, Any] = {**facts}
        for use in self.match.intent.calls:
            values |= self.match.arguments(use)
        values |= self.match.slots
        for use, result in results:
            values |= {**result, use.tool: result}
        return fill(self.match.intent.reply, values) or " ".join(describe(result) for _, result in results)


class Calls:
    """All that wait, by id."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}

    def __bool__(self) -> bool:
        return bool(self._groups)

    def open(self, match: Match, tools: Mapping[str, str]) -> Group:
        """Call all tools of an intent. `tools`: declared function → its behaviour."""
        waiting = {f"function-call-{secrets.randbelow(10**18)}": use for use in match.intent.calls}
        group = Group(match, any(tools[use.tool] == "BLOCKING" for use in waiting.values()), waiting)
        self._groups |= dict.fromkeys(waiting, group)
        return group

    def answered(self, answer: Mapping[str, Any]) -> tuple[Group, ToolUse] | None:
        """Take one function response. None for calls that nobody made or that were withdrawn: Google ignores those.

        Vertex AI's clients may leave the id out; then the name has to do.
        """
        call_id = answer.get("id") or next(
            (key for key, group in self._groups.items() if group.waiting[key].tool == answer.get("name")), ""
        )
        group = self._groups.get(call_id)
        if group is None:
            return None
        use = group.waiting[call_id]
        if not answer.get("willContinue"):
            del self._groups[call_id], group.waiting[call_id]
        group.results = [item for item in group.results if item[0] is not use]
        group.results.append((use, answer.get("response", {})))
        return group, use

    def withdraw(self, *, blocking_only: bool = False) -> list[str]:
        """Forget the calls that wait, or the blocking ones of them; their ids."""
        ids = [call_id for call_id, group in self._groups.items() if group.blocking or not blocking_only]
        for call_id in ids:
            self._groups.pop(call_id).waiting.pop(call_id)
        return ids

    @property
    def ids(self) -> list[str]:
        """Those that wait, oldest first."""
        return list(self._groups)


def _unpacked(response: dict[str, Any]) -> dict[str, Any]:
    """The result itself, as the clients of this world wrap it: in a member, as JSON, or as Python prints it."""
    for key in ("result", "output"):
        value = response.get(key)
        if isinstance(value, str) and value[:1] in "{[":
            value = _parsed(value)
        if isinstance(value, dict):
            return value
    return {key: value for key, value in response.items() if key not in ("scheduling", "will_continue")}


def _parsed(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        try:
            return msgspec.json.decode(msgspec.json.encode(read(text)))  # Python can hold more than JSON
        except (ValueError, SyntaxError, TypeError, OverflowError, RecursionError, MemoryError):
            continue
    return None
