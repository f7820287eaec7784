"""What docs/operating.md shows and lists is so."""

import re
from pathlib import Path

from sessions_app import metrics

TEXT = (Path(__file__).resolve().parents[2] / "docs/operating.md").read_text()


def test_the_redactor_of_the_docs_works():
    [code] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    shop = {}
    exec(code, shop)
    told = shop["without_numbers"]("My card is 4111 1111 1111 1111, write to ada.l@example.com in 2026.", role="user")
    assert told == "My card is [card], write to [e-mail] in 2026."


def test_every_metric_is_documented_and_no_other():
    table = TEXT.split("## Metrics")[1].split("## Logs")[0]
    named = set(re.findall(r"`(\w+?)(?:_total)?(?:\{[\w, ]+\})?`", table.split("|---|---|")[1].split("\n\n")[0]))
    named -= {"process_"}
    families = {family.name.removeprefix("gemlive_") for family in metrics.REGISTRY.collect()}
    assert named == {name for name in families if not name.startswith("process_")}
