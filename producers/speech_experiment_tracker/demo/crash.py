"""A training that is killed with -9 and goes on, before the user's eyes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec

from speech_experiment_schemas.ids import uuid7

from ..errors import TrackerError
from ..http import ApiClient
from ..queries import curves_of

KILL_AT = 230


class Resumed(NamedTuple):
    """A run that was killed and resumed: the last step that was seen before, and where it went on."""

    run_id: str
    killed_after: int
    resumed_from: int
    accuracy: float


def train_and_kill(recordings: Path, units: int, tags: dict[str, str], say: Callable[[str], None]) -> Resumed:
    """Trains in a process of its own, kills it midway, starts the same command again, and lets it finish."""
    run = str(uuid7())
    command = [sys.executable, "-m", f"{__package__}.trainer", str(recordings), run, str(units)]
    command.append(msgspec.json.encode(tags).decode())
    killed_after = _killed(command)
    say(f"mlp-{units}: its process was killed with -9 after step {killed_after}; started again")
    told = dict(_words(command))
    if "accuracy" not in told:
        raise TrackerError(
            "the training did not come to its end", "run the demo again; see `speech-tracker status`"
        )
    resumed_from = int(told["from"])
    say(f"mlp-{units}: resumed as attempt 2 from its checkpoint of step {resumed_from}, hash checked")
    return Resumed(run, killed_after, resumed_from, told["accuracy"])


def _killed(command: list[str]) -> int:
    """The last step that was seen before the process was killed."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        last = 0
        for word, value in _read(process):
            last = int(value) if word == "step" else last
            if last >= KILL_AT:
                process.send_signal(signal.SIGKILL)
                break
    if process.returncode != -signal.SIGKILL:
        raise TrackerError("the training ended before it could be killed", "see `speech-tracker status`")
    return last


def _words(command: list[str]) -> list[tuple[str, float]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        return list(_read(process))


def _read(process: subprocess.Popen[str]) -> Iterator[tuple[str, float]]:
    assert process.stdout is not None  # noqa: S101 - asked for
    for line in process.stdout:
        word, _, value = line.partition(" ")
        yield word, float(value)


def proof(api: ApiClient, resumed: Resumed, steps: int) -> str:
    """What the server's curve says of the resume; raises TrackerError when a step is missing or doubled."""
    run = UUID(resumed.run_id)
    found = curves_of(api, run, ["train_loss"], points=0)["train_loss"].column("step")
    if found != list(range(1, steps + 1)):
        raise TrackerError(
            f"the curve of run {run} does not have each step once", "see `speech-tracker verify`"
        )
    everything = curves_of(api, run, ["train_loss"], points=0, abandoned=True)["train_loss"]
    aside = sum(map(bool, everything.column("abandoned")))
    return (
        f"killed after step {resumed.killed_after}, resumed from step {resumed.resumed_from}: the curve has each of "
        f"{steps} steps once; {aside} points of the killed attempt are set aside"
    )
