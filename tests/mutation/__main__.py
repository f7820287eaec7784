"""`make mutation`: breaks the product on purpose, in one place after the other, and sees its tests go red.

Each breakage is made in a copy of the tree, where the tests that have to notice it run until the first fails. Before
that the same tests run on the unbroken copy, and have to be green. Exits with 1 if a breakage survives, does not fit
the code any more, or turns red by anything but a test.
"""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from tests.server import ROOT

from .breakage import Breakage, BreakageError
from .breakages import AREAS
from .runs import Run, Trees


@dataclass(frozen=True)
class Job:
    area: str
    breakage: Breakage | None
    """None: the area's tests, unbroken."""

    @property
    def name(self) -> str:
        return self.breakage.name if self.breakage else "unbroken"


def run_unbroken(trees: Trees, area: str, breakages: list[Breakage]) -> Run:
    """Green only if each of the tests is there and passes: a wrong name would notice nothing."""
    tests = list(dict.fromkeys(test for breakage in breakages for test in breakage.tests))
    run = trees.run(None, tests)
    if run.colour == "green" and (silent := set(tests) - run.passed):
        return replace(run, colour="lost", reason=f"did not run: {', '.join(sorted(silent))}")
    return run


def line(job: Job, run: Run) -> str:
    said = f"{job.area}: {job.name}: {run.colour} {run.seconds:.0f} s"
    if run.test:
        said += f", caught by {run.test}" if job.breakage else f", {run.test}"
    return f"{said}\n    {run.reason}" if run.reason else said


def choose(names: list[str], areas: list[str]) -> dict[str, list[Breakage]]:
    """Those with these names in these areas; none given: all."""
    chosen = {}
    for area, breakages in AREAS.items():
        found = [breakage for breakage in breakages if not names or breakage.name in names]
        if found and (not areas or area in areas):
            chosen[area] = found
    return chosen


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="names of breakages; all of them if none")
    parser.add_argument("--area", action="append", choices=list(AREAS), default=[], help="only these areas")
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time (2)")
    parser.add_argument("--list", action="store_true", help="only print what there is")
    options = parser.parse_args()
    if unknown := set(options.names) - {breakage.name for breakages in AREAS.values() for breakage in breakages}:
        parser.error(f"there is no breakage called {min(unknown)!r}; see --list")
    chosen = choose(options.names, options.area)
    if options.list:
        for area, breakages in chosen.items():
            print(f"{area}\n" + "".join(f"  {breakage.name}\n" for breakage in breakages), end="")
        return 0
    try:
        for breakages in chosen.values():
            for breakage in breakages:
                breakage.broken(ROOT)
    except BreakageError as error:
        print(error)
        return 1
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        return run_all(chosen, options.jobs, Path(folder))


def run_all(chosen: dict[str, list[Breakage]], jobs: int, folder: Path) -> int:
    began = time.monotonic()
    trees = Trees(folder, jobs)
    with ThreadPoolExecutor(jobs) as executor:
        print(f"The tests on the unbroken code, by {len(chosen)} areas …", flush=True)
        running = {
            executor.submit(run_unbroken, trees, area, breakages): Job(area, None) for area, breakages in chosen.items()
        }
        wrong = set()
        for done in as_completed(running):
            job, run = running[done], done.result()
            print(line(job, run), flush=True)
            if run.colour != "green":
                wrong.add(job.area)
        todo = [Job(area, breakage) for area in chosen if area not in wrong for breakage in chosen[area]]
        running = {executor.submit(trees.run, job.breakage, job.breakage.tests): job for job in todo}
        missed = []
        for number, done in enumerate(as_completed(running), start=1):
            job, run = running[done], done.result()
            print(f"{number} of {len(todo)}: {line(job, run)}", flush=True)
            if run.colour != "red":
                missed.append((job, run))
    print(f"\n{len(todo) - len(missed)} of {len(todo)} breakages were noticed, in {time.monotonic() - began:.0f} s.")
    for job, run in missed:
        print(f"{'survived' if run.colour == 'green' else 'lost'}: {line(job, run)}")
    for area in sorted(wrong):
        print(f"{area}: its tests are not green on the unbroken code, and can say nothing about a breakage.")
    return 1 if missed or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
