"""`make mutation-audio`: breaks the page's sound in ten ways, one after the other, and sees the browser tests go red.

Each breakage is made in a copy of the tree, whose tests of microphone, loudspeaker and barge-in run until the first
fails; the unbroken copy comes first and has to be green. Prints a table. Exits 1 if a breakage stays green, does not
fit the code any more, or turns red by anything but a test.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.server import ROOT

from .breakages import BREAKAGES, Breakage, BreakageError

TESTS = {
    "microphone": "tests/e2e/test_microphone.py",
    "loudspeaker": "tests/e2e/test_loudspeaker.py",
    "barge-in": "tests/e2e/test_barge_in.py",
}
LONGEST = 400  # seconds of one run


@dataclass(frozen=True)
class Outcome:
    """`colour`: "green", "red" by a test, or "lost": the run itself failed. `test` and `reason`: what caught it."""

    name: str
    colour: str
    test: str
    reason: str
    seconds: float


def copy_tree(target: Path) -> None:
    """What git knows or would add, as it stands; with a var/ of its own and the same packages."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    (target / "var").mkdir()
    (target / ".venv").symlink_to(ROOT / ".venv")


def run_tests(name: str, tree: Path, halves: list[str], databases: Path) -> Outcome:
    began = time.monotonic()
    report = tree / "var" / "report.xml"
    command = [
        sys.executable, "-m", "pytest", *(TESTS[half] for half in halves), "-x", "-q",
        "-p", "no:randomly", "-p", "no:cacheprovider", f"--junitxml={report}",
    ]  # fmt: skip
    # A test that is skipped for want of a browser proves nothing: CI makes it fail.
    environment = {**os.environ, "CI": "true", "PYTHONDONTWRITEBYTECODE": "1", "E2E_DATABASES": str(databases)}
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return Outcome(name, "lost", "", f"not done in {LONGEST} s", time.monotonic() - began)
    seconds = time.monotonic() - began
    if done.returncode == 0:
        return Outcome(name, "green", "", "", seconds)
    cases = ElementTree.parse(report).iter("testcase") if report.exists() else ()
    for case in cases:
        failure = case.find("failure")
        if failure is not None:
            return Outcome(name, "red", case.get("name", ""), failure.get("message", "").splitlines()[0], seconds)
    return Outcome(name, "lost", "", (done.stdout + done.stderr).strip()[-300:], seconds)


def run_copy(breakage: Breakage | None, databases: Path) -> Outcome:
    """The tests in a copy that is broken so, or whole. The half that is broken comes first.

    `databases`: a folder that the first run makes and the others use.
    """
    halves = list(TESTS)
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        if breakage is None:
            return run_tests("unbroken", tree, halves, databases)
        for path, text in breakage.broken(tree).items():
            path.write_text(text)
        halves.sort(key=lambda half: half != breakage.half)
        return run_tests(breakage.name, tree, halves, databases)


def line(outcome: Outcome) -> str:
    caught = f"{outcome.test}\n{'':<42}{outcome.reason}" if outcome.reason else ""
    return f"{outcome.name:<26} {outcome.colour:<6} {outcome.seconds:>4.0f} s  {caught}".rstrip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", help="names of breakages; all of them if none")
    parser.add_argument("--jobs", type=int, default=2, help="copies at the same time (2)")
    options = parser.parse_args()
    chosen = [breakage for breakage in BREAKAGES if not options.only or breakage.name in options.only]
    try:
        for breakage in chosen:
            breakage.broken(ROOT)
    except BreakageError as error:
        print(error)
        return 1
    with tempfile.TemporaryDirectory(prefix="mutation-databases-") as folder:
        return run_all(chosen, options.jobs, Path(folder) / "prepared")


def run_all(chosen: list[Breakage], jobs: int, databases: Path) -> int:
    began = time.monotonic()
    print("The unbroken copy …", flush=True)
    whole = run_copy(None, databases)
    print(line(whole), flush=True)
    if whole.colour != "green":
        print("The tests are not green without a breakage: nothing can be said about the others.")
        return 1
    outcomes = []
    with ThreadPoolExecutor(jobs) as executor:
        running = [executor.submit(run_copy, breakage, databases) for breakage in chosen]
        for done in as_completed(running):
            outcomes.append(done.result())
            print(f"{len(outcomes)} of {len(chosen)}: {line(outcomes[-1])}", flush=True)
    print("\n" + "\n".join(map(line, [whole, *outcomes])))
    red = sum(outcome.colour == "red" for outcome in outcomes)
    print(f"\n{red} of {len(chosen)} breakages were found, in {time.monotonic() - began:.0f} s.")
    return 0 if red == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
