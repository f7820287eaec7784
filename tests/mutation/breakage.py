"""A change to the code that breaks the product, and the tests that have to notice it."""

from dataclasses import dataclass
from pathlib import Path


class BreakageError(Exception):
    """The code has changed, and the breakage does not fit it any more."""


@dataclass(frozen=True)
class Edit:
    """`old`, which stands in `file` exactly once, becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Breakage:
    """`guards`: the tests that have to notice it, as pytest's node ids, with a space between two."""

    name: str
    guards: str
    edits: tuple[Edit, ...]

    def __init__(self, name: str, guards: str, *edits: Edit):
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "guards", guards)
        object.__setattr__(self, "edits", edits)

    @property
    def tests(self) -> list[str]:
        return self.guards.split()

    def broken(self, tree: Path) -> dict[Path, str]:
        """The broken text of each file that it touches. Raises BreakageError."""
        texts: dict[Path, str] = {}
        for edit in self.edits:
            path = tree / edit.file
            text = texts.get(path) or path.read_text()
            if (count := text.count(edit.old)) != 1:
                raise BreakageError(
                    f'"{self.name}" has to be written anew: {edit.old!r} stands {count} times in {edit.file}, not once.'
                )
            texts[path] = text.replace(edit.old, edit.new)
        return texts
