"""The breakages of `make mutation-audio` still fit the page's code."""

import pytest

from tests.mutation.breakages import BREAKAGES, Breakage, BreakageError, Edit
from tests.server import ROOT


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)
def test_a_breakage_alters_the_code_as_it_is_now(breakage):
    broken = breakage.broken(ROOT)
    assert {path.relative_to(ROOT).as_posix() for path in broken} == {edit.file for edit in breakage.edits}
    assert all(text != path.read_text() for path, text in broken.items())


@pytest.mark.parametrize(("old", "count"), [("nowhere", 0), ("aa", 2)])
def test_a_breakage_that_does_not_fit_says_that_it_has_to_be_written_anew(old, count, tmp_path):
    (tmp_path / "page.js").write_text("aa aa")
    breakage = Breakage("old one", "microphone", (Edit("page.js", old, "b"),))
    with pytest.raises(BreakageError, match=rf"written anew: '{old}' stands {count} times in page\.js"):
        breakage.broken(tmp_path)


def test_there_are_ten_of_both_halves():
    assert len({breakage.name for breakage in BREAKAGES}) == 10
    assert {breakage.half for breakage in BREAKAGES} == {"microphone", "loudspeaker"}
