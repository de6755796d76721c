"""The long suite says beforehand what it will do and how long that takes, and ends with a table of figures."""

from __future__ import annotations

import pytest

from tests.faults.fixtures import SEED
from tests.faults.report import REPORT, commit


def pytest_collection_finish(session: pytest.Session) -> None:
    items = [item for item in session.items if item.get_closest_marker("chaos")]
    if items:
        REPORT.wanted, REPORT.seed, REPORT.commit = True, SEED, commit()
        minutes = sum(_minutes(item) for item in items)
        print(f"\n{len(items)} scenarios, about {minutes:.0f} minutes; SPEECH_TRACKER_TEST_SEED={SEED}")
        for item in items:
            print(f"  {item.name.removeprefix('test_'):<50} about {_minutes(item):g} min")


def _minutes(item: pytest.Item) -> float:
    marker = item.get_closest_marker("takes")
    return marker.kwargs["minutes"] if marker else 1.0


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if REPORT.wanted and report.when == "teardown" and REPORT.rows:
        REPORT.write()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if REPORT.wanted and REPORT.rows:
        terminalreporter.section("chaos")
        for line in REPORT.lines():
            terminalreporter.write_line(line)
        terminalreporter.write_line(f"written to {REPORT.write()}")
