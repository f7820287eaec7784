"""JSON of a request, of a depth that nobody's recursion breaks on."""

from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

DEEPEST = 50


class BoundedJSONParser(JSONParser):
    """Refuses what is nested deeper than any of our requests."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        refusal = ParseError(f"JSON may be nested {DEEPEST} deep here. Send it flatter.", code="too_deep")
        try:
            data = super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise refusal from None
        level: list[Any] = [data]
        for _ in range(DEEPEST + 1):
            level = [inner for outer in level if isinstance(outer, (dict, list)) for inner in _inside(outer)]
            if not level:
                return data
        raise refusal


def _inside(outer: dict | list) -> Any:
    return outer.values() if isinstance(outer, dict) else outer
