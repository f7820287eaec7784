"""A line for each file that is done, with the time so far, in place of dots: for runs in several processes."""

import time
from collections import Counter, defaultdict

import pytest


class Progress:
    """A plugin of the process that hands out the tests. Without it a long run shows no more than dots."""

    def __init__(self, config: pytest.Config):
        self._terminal = config.pluginmanager.get_plugin("terminalreporter")
        self._began = time.monotonic()
        self._left: Counter[str] = Counter()
        self._files = 0
        self._done = 0
        self._seconds: Counter[str] = Counter()
        self._outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        if not self._left:  # every process collects the same
            self._left.update(_file(test) for test in ids)
            self._files = len(self._left)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Counted as always, without a letter."""
        if not isinstance(report, pytest.TestReport):
            return None
        if report.when == "call" or report.skipped:
            return report.outcome, "", "" if report.passed else report.outcome.upper()
        return ("error", "", "ERROR") if report.failed else ("", "", "")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = _file(report.nodeid)
        self._seconds[file] += report.duration
        if report.failed or report.skipped or report.when == "call":
            self._outcomes[file][report.outcome] += 1
        if report.failed:
            self._line(f"FAILED {report.nodeid} ({report.when})", red=True)
        if report.when == "teardown":
            self._left[file] -= 1
            if not self._left[file]:
                self._done += 1
                outcomes = self._outcomes[file]
                counts = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))
                self._line(f"{file}  {counts} in {self._seconds[file]:.0f} s  ({self._done} of {self._files} files)")

    def _line(self, text: str, red: bool = False) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        self._terminal.ensure_newline()
        self._terminal.write_line(f"{minutes:3}:{seconds:02}  {text}", red=red)


def _file(test: str) -> str:
    return test.partition("::")[0]
