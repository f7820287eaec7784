"""The breakages of `make mutation` still fit the code, and the tests that have to notice them are there."""

import ast
from functools import cache

import pytest

from tests.mutation.breakage import Breakage, BreakageError, Edit
from tests.mutation.breakages import AREAS
from tests.mutation.runs import SOONER, read_report
from tests.server import ROOT

BREAKAGES = [breakage for breakages in AREAS.values() for breakage in breakages]


@cache
def functions_of(file: str) -> set[str]:
    """Names."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, kinds)}


@pytest.mark.parametrize("area", AREAS)
def test_the_breakages_of_an_area_alter_the_code_as_it_is_now(area):
    for breakage in AREAS[area]:
        broken = breakage.broken(ROOT)
        assert {path.relative_to(ROOT).as_posix() for path in broken} == {edit.file for edit in breakage.edits}
        assert all(text != path.read_text() for path, text in broken.items()), breakage.name
        for path, text in broken.items():
            if path.suffix == ".py":
                ast.parse(text)


@pytest.mark.parametrize("area", AREAS)
def test_whatever_has_to_notice_a_breakage_is_a_test_that_is_there(area):
    for breakage in AREAS[area]:
        assert breakage.tests, breakage.name
        for test in breakage.tests:
            file, _, function = test.partition("::")
            assert function in functions_of(file), f"{breakage.name}: {test}"


def test_every_area_has_some_and_no_two_have_one_name():
    assert len(BREAKAGES) >= 40
    assert all(AREAS.values())
    assert len({breakage.name for breakage in BREAKAGES}) == len(BREAKAGES)


def test_the_copies_give_up_sooner():
    assert SOONER.broken(ROOT)


@pytest.mark.parametrize(("old", "count"), [("nowhere", 0), ("aa", 2)])
def test_a_breakage_that_does_not_fit_says_that_it_has_to_be_written_anew(old, count, tmp_path):
    (tmp_path / "page.js").write_text("aa aa")
    breakage = Breakage("old one", "", Edit("page.js", old, "b"))
    with pytest.raises(BreakageError, match=rf"written anew: '{old}' stands {count} times in page\.js"):
        breakage.broken(tmp_path)


@pytest.mark.parametrize(
    ("cases", "code", "colour"),
    [
        ("<testcase classname='tests.unit.test_x' name='test_a[1]'/>", 0, "green"),
        ("<testcase classname='tests.unit.test_x' name='test_a'><failure message='no'/></testcase>", 1, "red"),
        ("<testcase classname='tests.unit.test_x' name='test_a'><error message='no'/></testcase>", 1, "lost"),
        ("", 4, "lost"),
    ],
)
def test_only_a_failed_test_notices_a_breakage(cases, code, colour, tmp_path):
    """Not a fixture that breaks, nor a test that is not found."""
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    run = read_report(report, code, 1.0, "said")
    assert run.colour == colour
    assert run.passed == ({"tests/unit/test_x.py::test_a"} if colour == "green" else set())
