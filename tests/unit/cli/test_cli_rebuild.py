from __future__ import annotations

from typing import Any

import pytest
import typer

from speech_experiment_tracker.cli.rebuild import _compared, _path, _told

READING = {"percent": 41.26, "total": 900, "records_per_second": 21_000.4, "eta_seconds": 12.4, "points": 0}


def job(phase: str, **progress: Any) -> dict[str, Any]:
    return {"phase": phase, "progress": progress}


def test_a_job_that_reads_says_how_far_and_how_fast() -> None:
    assert _told(job("reading", **READING)) == "reading 41.3 %, 21,000 records/s, 12 s left"
    fast = READING | {"points": 5, "points_per_second": 2e6, "eta_seconds": None}
    assert _told(job("reading", **fast)).endswith("2,000,000 points/s")


def test_other_phases_are_named() -> None:
    assert _told(job("comparing", **READING)) == "comparing"
    assert _told(job("waiting")) == "waiting"


def test_findings_name_the_tables() -> None:
    assert _compared(None) == ""
    assert _compared({"equal": True, "live": 1}) == "equal to 1"
    found = {"equal": False, "live": 3, "tables": {"runs": {"different": 7}, "points": {"different": 1}}}
    assert _compared(found) == "[red]differs from 3[/red]: 7 of runs, 1 of points"


def test_versions_are_written_as_name_and_number() -> None:
    assert _path("metadata:2") == "metadata/2"
    for wrong in ("metadata", "metadata:two", "meta/data:1", ":1"):
        with pytest.raises(typer.BadParameter, match="metadata:2"):
            _path(wrong)
