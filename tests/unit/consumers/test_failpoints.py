"""Failpoints: armed by the environment, and only then."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from speech_experiment_consumers.failpoints import EXIT_CODE, VARIABLE, Armed, failpoint, parse


def run(armed: str, name: str) -> subprocess.CompletedProcess[str]:
    script = f"from speech_experiment_consumers.failpoints import failpoint; failpoint({name!r}); print('on')"
    environment = os.environ | {VARIABLE: armed}
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)


def test_they_do_nothing_in_operation() -> None:
    failpoint("metrics.before_insert")


def test_names_actions_and_chances_are_read() -> None:
    assert parse("a.b:exit@0.02,c:stop") == {"a.b": Armed("exit", 0.02), "c": Armed("stop", 1.0)}
    assert parse("") == {}


def test_an_action_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="explode"):
        parse("a:explode")


def test_an_armed_one_ends_the_process_where_it_stands() -> None:
    assert run("here:exit", "here").returncode == EXIT_CODE
    assert "Failpoint: here" in run("here:raise", "here").stderr
    assert run("here:exit", "there").stdout == "on\n"
    assert run("here:exit@0", "here").stdout == "on\n"
