"""docs/security.md: every threat has tests, they exist, and those that need a server run on both."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROWS = re.findall(
    r"^\| (?!threat|---)(.+?) \|.*\| (.+?) \| (.+?) \|$", (TESTS.parent / "docs/security.md").read_text(), re.M
)
A_SERVER = re.compile(r"\b(running|Server)\(|@on_each_server")
BOTH = re.compile(r"on_each_server|SERVERS|'uvicorn.*'daphne")


def named(threat: str, tests: str) -> Iterator[tuple[Path, str]]:
    """The tests of a row: file and function."""
    file = None
    found = re.findall(r"`(…|[\w/]+\.py)::(\w+)`", tests)
    assert len(found) == tests.count("::"), threat
    assert found, threat
    for path, name in found:
        file = file if path == "…" else TESTS / path
        assert file is not None, threat
        yield file, name


@cache
def functions(file: Path) -> dict[str, ast.FunctionDef]:
    """Of a test file, with the fixtures that it may ask for."""
    folders = [folder for folder in (TESTS, *reversed(file.parents)) if folder.is_relative_to(TESTS)]
    found = {}
    for path in [*(folder / "conftest.py" for folder in folders), file]:
        tree = ast.parse(path.read_text()) if path.exists() else ast.Module([], [])
        found |= {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return found


def source(file: Path, name: str) -> tuple[str, str]:
    """Of a test and the fixtures that it uses, and theirs: the decorators, and all of it."""
    known, wanted, found = functions(file), [name], {}
    while wanted:
        name = wanted.pop()
        if name in known and name not in found:
            found[name] = known[name]
            wanted += [argument.arg for argument in known[name].args.args]
    decorators = [ast.unparse(decorator) for node in found.values() for decorator in node.decorator_list]
    return "\n".join(decorators), "\n".join(map(ast.unparse, found.values()))


def test_every_threat_names_tests_that_exist():
    assert len(ROWS) >= 20
    for threat, tests, _ in ROWS:
        for file, name in named(threat, tests):
            assert name in functions(file), f"{threat}: {file.name}::{name}"


def test_what_needs_a_server_was_seen_on_uvicorn_and_daphne():
    """Pages are Chromium's matter, and e2e/ is spared: what the server adds to them has a test of its own."""
    for threat, tests, servers in ROWS:
        sources = {name: source(file, name) for file, name in named(threat, tests) if "e2e" not in file.parts}
        on_a_server = {name: decorators for name, (decorators, code) in sources.items() if A_SERVER.search(code)}
        assert [name for name, decorators in on_a_server.items() if not BOTH.search(decorators)] == [], threat
        assert servers == ("uvicorn, Daphne" if on_a_server else "Django"), threat
