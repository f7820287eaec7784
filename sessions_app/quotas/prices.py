"""What tokens cost, by a table of models and modalities (GEMINI_PRICES_FILE)."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings

Price = Mapping[str, Mapping[str, float]]
"""{"prompt": {"audio": 3.0, …}, "response": …}: US dollars for a million tokens."""


class Tokens(Protocol):
    @property
    def prompt(self) -> int: ...
    @property
    def response(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def by_modality(self) -> Mapping[str, int]: ...


@cache
def read(file: Path) -> dict[str, Price]:
    """Raises ValueError for a file that is no such table, OSError for none."""
    prices = tomllib.loads(file.read_text(encoding="utf-8"))
    for model, price in prices.items():
        for side in ("prompt", "response"):
            if not _is_side(price, side):
                raise ValueError(f"{model} needs {side} = {{ text = …, audio = … }}")
    return prices


def _is_side(price: Any, side: str) -> bool:
    by_modality = price.get(side) if isinstance(price, dict) else None
    if not isinstance(by_modality, dict) or "text" not in by_modality:
        return False
    return all(isinstance(dollars, int | float) and dollars >= 0 for dollars in by_modality.values())


def price_of(model: str) -> Price | None:
    """None for a model that is not in the table: what it costs is not known, and not counted."""
    return read(settings.GEMINI_PRICES_FILE).get(model.removeprefix("models/"))


def cost(price: Price, tokens: Tokens) -> float:
    """US dollars. Tokens of a side that no modality accounts for cost the dearest: rather too much than too little."""
    millionths = 0.0
    for side, counted in (("prompt", tokens.prompt), ("response", tokens.response)):
        dearest = max(price[side].values())
        for name, count in tokens.by_modality.items():
            if name.startswith(f"{side}."):
                millionths += count * price[side].get(name.partition(".")[2], dearest)
                counted -= count
        millionths += max(0, counted) * dearest
    thoughts = max(0, tokens.total - tokens.prompt - tokens.response)
    return (millionths + thoughts * price["response"]["text"]) / 1_000_000
