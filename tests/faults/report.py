"""The table of figures that the long suite ends with: on the screen, and as JSON in chaos-results/."""

from __future__ import annotations

import json
import platform
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from .oracle import Verdict

FOLDER = Path(__file__).parents[2] / "chaos-results"
_COUNTS = ("lost", "duplicate", "phantom", "reordered", "changed")
_SAID = ("calls", "points", *_COUNTS, "figures", "problems")


@dataclass
class Row:
    """One scenario: how many blows it dealt, what the oracle said, and how long that took."""

    scenario: str
    blows: int
    seconds: float
    verdict: Verdict | None

    @property
    def outcome(self) -> str:
        if self.verdict is None:
            return "did not end"
        if self.verdict.clean:
            return "clean"
        return ", ".join(f"{name} {count}" for name in _COUNTS if (count := getattr(self.verdict, name)))


@dataclass
class Report:
    """The rows of one session; the file is written anew after each, so that a broken run leaves one too.

    wanted  whether somebody looks at the table; the short form in `make test` has none
    commit  that is tested
    """

    seed: int = 0
    wanted: bool = False
    commit: str = ""
    rows: list[Row] = field(default_factory=list)
    started: str = field(default_factory=lambda: time.strftime("%Y%m%d-%H%M%S"))

    def add(self, row: Row) -> None:
        self.rows.append(row)

    def write(self) -> Path:
        path = FOLDER / f"{self.started}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(self._content(), indent=1, default=str) + "\n")
        return path

    def _content(self) -> dict[str, object]:
        return {
            "commit": self.commit,
            "seed": self.seed,
            "python": platform.python_version(),
            "rows": [
                {
                    "scenario": row.scenario,
                    "blows": row.blows,
                    "seconds": round(row.seconds, 1),
                    "outcome": row.outcome,
                    **({name: getattr(row.verdict, name) for name in _SAID} if row.verdict else {}),
                }
                for row in self.rows
            ],
        }

    def lines(self) -> list[str]:
        """The table: scenario, blows, calls, points, outcome, seconds, and the scenario's own figures."""
        table = [("scenario", "blows", "calls", "points", "outcome", "seconds", "")]
        for row in self.rows:
            verdict = row.verdict or Verdict()
            figures = ", ".join(f"{name} {value}" for name, value in verdict.figures.items())
            counts = (f"{row.blows:,}", f"{verdict.calls:,}", f"{verdict.points:,}")
            table.append((row.scenario, *counts, row.outcome, f"{row.seconds:.0f}", figures))
        widths = [max(len(row[column]) for row in table) for column in range(6)]
        lines = [
            "  ".join(
                cell.ljust(width) if column in (0, 4) else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=False))
            )
            + f"  {row[6]}"
            for row in table
        ]
        return [
            *(line.rstrip() for line in lines),
            f"commit {self.commit}, SPEECH_TRACKER_TEST_SEED={self.seed}",
        ]


REPORT = Report()


def commit() -> str:
    """The commit that is checked out, marked when files differ from it."""
    command = ["git", "-C", str(FOLDER.parent), "describe", "--always", "--dirty"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"


def progress(what: str, done: int, total: int) -> None:
    """One line now and then, so that whoever waits knows how far it is."""
    if done == total or done % max(1, total // 10) == 0:
        print(f"  {what}: {done}/{total}", flush=True)
