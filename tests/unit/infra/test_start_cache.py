"""The broker's start cache is made once, and a trial that gives none does not delay every start."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from speech_experiment_infra.embedded import kafka


@pytest.fixture(autouse=True)
def succeeding(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the next trials succeed, the first first; instead of a broker's minutes."""
    outcomes: list[bool] = []

    def trial(classpath: object, scratch: Path, made: Path) -> None:
        if not outcomes.pop(0):
            raise subprocess.TimeoutExpired("kafka", 60)
        made.write_bytes(b"classes")

    monkeypatch.setattr(kafka, "_trial_run", trial)
    return outcomes


def start(folder: Path) -> bool:
    """Prepares a start; whether it has a cache."""
    kafka._make_start_cache([], folder, lambda _: None)
    return kafka._start_cache(folder) is not None


def test_a_failed_trial_is_not_repeated_at_the_next_start(tmp_path: Path, succeeding: list[bool]) -> None:
    succeeding[:] = [False, True]
    assert not start(tmp_path)
    assert not start(tmp_path)
    assert succeeding == [True]


def test_a_failed_trial_is_repeated_after_a_day(tmp_path: Path, succeeding: list[bool]) -> None:
    succeeding[:] = [False, True]
    start(tmp_path)
    (failure,) = tmp_path.glob("*.failed")
    day_ago = time.time() - 25 * 3600
    os.utime(failure, (day_ago, day_ago))
    assert start(tmp_path)
    assert not list(tmp_path.glob("*.failed"))


def test_a_cache_that_is_there_is_kept(tmp_path: Path, succeeding: list[bool]) -> None:
    succeeding[:] = [True]
    assert start(tmp_path)
    assert start(tmp_path)
