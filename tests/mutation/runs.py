"""Runs of tests in copies of the tree, broken or whole."""

import compileall
import os
import py_compile
import queue
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.server import ROOT

from .breakage import Breakage, Edit

LONGEST_TEST = 60  # seconds, of a broken run: some tests can only wait for what a breakage keeps from coming
LONGEST_RUN = 600
# Plugins of pytest, the import of which takes half of the time of a run.
NOT_NEEDED = ("schemathesis", "hypothesispytest", "anyio", "xdist", "xdist.looponfail", "randomly", "cacheprovider")
# Most breakages are noticed by waiting in vain: not as long as on the busiest machine.
SOONER = Breakage("give up sooner", "", Edit("tests/waiting.py", "GIVE_UP_SECONDS = 90.0", "GIVE_UP_SECONDS = 20.0"))


@dataclass(frozen=True)
class Run:
    """How the tests ended. `colour`: "green", "red" by the test `test`, or "lost": the run itself failed."""

    colour: str
    seconds: float
    test: str = ""
    reason: str = ""
    passed: frozenset[str] = frozenset()
    """Tests, as `file::function`."""


class Trees:
    """Copies of the tree, each for one run at a time; between two runs it is whole."""

    def __init__(self, folder: Path, count: int):
        self._free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self._databases = folder / "databases"  # which the first browser test makes, and the others copy
        first = folder / "tree-1"
        copy_tree(first)
        for number in range(1, count + 1):
            tree = folder / f"tree-{number}"
            if tree != first:
                shutil.copytree(first, tree, symlinks=True)
            self._free.put(tree)

    def run(self, breakage: Breakage | None, tests: Iterable[str]) -> Run:
        tree = self._free.get()
        whole: dict[Path, str] = {}
        try:
            for path, text in (breakage.broken(tree) if breakage else {}).items():
                whole[path] = path.read_text()
                path.write_text(text)
            return run_tests(tree, list(tests), self._databases, first_failure=breakage is not None)
        finally:
            for path, text in whole.items():
                path.write_text(text)
            self._free.put(tree)


def copy_tree(target: Path) -> None:
    """What git knows or would add, as it stands; with a var/ of its own and the same packages."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    for path, text in SOONER.broken(target).items():
        path.write_text(text)
    # Checked by content: by time and size, an edit and its undoing within a second could look alike.
    compileall.compile_dir(target, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    (target / "var").mkdir()
    if (ROOT / ".venv").exists():
        (target / ".venv").symlink_to(ROOT / ".venv")


def run_tests(tree: Path, tests: list[str], databases: Path, *, first_failure: bool) -> Run:
    began = time.monotonic()
    report = tree / "var" / "report.xml"
    report.unlink(missing_ok=True)
    command = [
        sys.executable, "-m", "pytest", *tests, "-q", f"--junitxml={report}",
        *(f"-pno:{plugin}" for plugin in NOT_NEEDED), *(["-x", f"--timeout={LONGEST_TEST}"] if first_failure else []),
    ]  # fmt: skip
    # A test that is skipped, for want of a browser or of PostgreSQL, proves nothing: CI makes it fail.
    environment = {**os.environ, "CI": "true", "PYTHONDONTWRITEBYTECODE": "1", "E2E_DATABASES": str(databases)}
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=LONGEST_RUN)
    except subprocess.TimeoutExpired:
        return Run("lost", time.monotonic() - began, reason=f"not done in {LONGEST_RUN} s")
    return read_report(report, done.returncode, time.monotonic() - began, (done.stdout + done.stderr).strip())


def read_report(report: Path, code: int, seconds: float, output: str) -> Run:
    """Only a failed assertion is red: tests that were not found, or whose fixtures broke, show nothing."""
    passed = set()
    for case in ElementTree.parse(report).iter("testcase") if report.exists() else ():
        name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name', '').partition('[')[0]}"
        failure = case.find("failure")
        if failure is not None:
            message = (failure.get("message", "").splitlines() or [""])[0]
            return Run("red", seconds, case.get("name", ""), message[:200])
        if all(case.find(kind) is None for kind in ("error", "skipped")):
            passed.add(name)
    if code == 0:
        return Run("green", seconds, passed=frozenset(passed))
    return Run("lost", seconds, reason=output[-300:])
