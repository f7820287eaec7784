"""The long forms of tests: `make test` leaves them out, `make test-all` runs them (marker `long`)."""

from collections.abc import Iterable

import pytest


def long_form(*values: object, id: str | None = None):
    """One parameter set that only `make test-all` runs."""
    return pytest.param(*values, marks=pytest.mark.long, id=id)


def in_long_form(cases: Iterable[object]) -> list:
    """Those cases of a table that only `make test-all` runs: more of a branch that another case has entered already."""
    return [long_form(*(case if isinstance(case, tuple) else (case,))) for case in cases]
