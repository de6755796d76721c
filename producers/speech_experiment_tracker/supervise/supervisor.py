"""Runs a command until it is through: as attempts of one run, each from the newest checkpoint."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING
from uuid import UUID

from speech_experiment_schemas.ids import experiment_id, uuid7

from ..errors import TrackerError
from ..experiment import Experiment
from ..guard import say
from ..launches import (
    ATTEMPT_VARIABLE,
    CHECKPOINT_VARIABLE,
    ID_VARIABLE,
    STEP_VARIABLE,
    given_id,
    lasting_id,
)
from ..past import TIMEOUT, Past, past_of
from ..preparing import Prepared, begin, prepare
from ..starting import DEFAULT_EXPERIMENT
from .child import Child
from .policy import Exit, Policy, Verdict, describe
from .recorder import Recorder

if TYPE_CHECKING:
    from ..client import Client

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PASSED_ON = (*ENDING, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT, signal.SIGWINCH)
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_DELIVER_WITHIN, _LEAVE_WITHIN = 15.0, 3.0
"""Seconds at the end for what is not delivered yet; the latter when somebody waits for us to go."""


class Supervisor:
    """One command, one run.

    grace    seconds between a signal that ends the command and SIGKILL
    requeue  under Slurm: puts the job back into the queue when SIGTERM or SIGUSR1 came
    """

    def __init__(
        self,
        client: Client,
        command: Sequence[str],
        *,
        run: UUID | None = None,
        name: str | None = None,
        experiment: str | None = None,
        tags: Mapping[str, str] | None = None,
        max_restarts: int = 5,
        grace: float = 25.0,
        requeue: bool = False,
    ) -> None:
        self._client = client
        self._command = list(command)
        found = run or given_id(0) or lasting_id(0, name)
        self._run = found or uuid7()
        self._fresh, self._resumes, self._begun = found is None, run is not None, False
        self._named = bool(name or experiment or tags)
        self._name = name or _name_of(command)
        self._experiment = experiment
        self._tags = dict(tags or {})
        self._policy = Policy(max_restarts)
        self._grace = grace
        self._requeue = requeue and "SLURM_JOB_ID" in os.environ
        self._child: Child | None = None
        self._signals: list[int] = []
        self._kill_at = float("inf")

    def run(self) -> int:
        """The command's exit code, 128 plus the signal's number when a signal ended it."""
        for number in PASSED_ON:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup has its reasons
                signal.signal(number, self._pass_on)
        experiment = self._make_experiment()
        while True:
            ended = self._attempt(experiment)
            if ended is not None:
                return ended.shell_code

    def _make_experiment(self) -> Experiment:
        if self._experiment:
            return self._client.create_experiment(self._experiment)
        identity = experiment_id(self._client.config.workspace, DEFAULT_EXPERIMENT)
        return Experiment(self._client, identity, DEFAULT_EXPERIMENT)

    def _attempt(self, experiment: Experiment) -> Exit | None:
        """One start of the command; how it ended when nothing follows."""
        prepared = self._prepare()
        if self._asked_to_end:
            return Exit(-self._signals[-1], preempted=True)
        recorder = Recorder(self._client, prepared.decision, self._name, experiment, self._tags)
        if self._named:
            recorder.start()
        ended = self._wait_for(prepared, recorder)
        past = self._look_back(_LEAVE_WITHIN if self._asked_to_end else TIMEOUT)
        verdict = self._verdict(ended._replace(step=past.last_step if past else None))
        if verdict.pause is None:
            if verdict.reason:
                say(f"gives up: {verdict.reason}")
            recorder.end(ended, past.status if past else "", verdict.reason)
            if ended.code:
                self._put_back()
            recorder.close(_LEAVE_WITHIN if self._asked_to_end else _DELIVER_WITHIN)
            return ended
        recorder.close()
        following = prepared.decision.attempt + 1
        say(f"{describe(ended)}; starts again in {verdict.pause:.1f} s, as attempt {following}")
        self._sleep(verdict.pause)
        return ended if self._asked_to_end else None

    def _verdict(self, ended: Exit) -> Verdict:
        leaves = self._asked_to_end or self._asked_to_requeue
        if not ended.code or leaves or ended.code in (_NOT_FOUND, _NOT_EXECUTABLE):
            return Verdict(None)
        return self._policy.after(ended)

    def _prepare(self) -> Prepared:
        if self._fresh:  # nobody can know it, so nobody is asked
            self._fresh, self._begun = False, True
            return begin(self._client, self._run)
        prepared = prepare(self._client, self._run, known=self._resumes, reopen=self._begun)
        self._begun = True
        attempt, step = prepared.decision.attempt, prepared.decision.from_step
        if attempt > 1:
            where = f"from step {step:,}" if step is not None else "without a checkpoint that has a step"
            say(f"run {self._run}: attempt {attempt}, {where}")
        return prepared

    def _wait_for(self, prepared: Prepared, recorder: Recorder) -> Exit:
        started = time.monotonic()

        def tick() -> None:
            recorder.tick()
            if time.monotonic() > self._kill_at and self._child is not None:
                self._kill_at = float("inf")
                say(f"the command goes on {self._grace:g} s after it was asked to end: it is killed")
                self._child.send(signal.SIGKILL)

        try:
            self._child = Child(self._command, self._environment(prepared), recorder.copy, tick)
        except OSError as error:
            say(f"{self._command[0]!r} cannot be started: {error.strerror}")
            missing = isinstance(error, FileNotFoundError)
            return Exit(_NOT_FOUND if missing else _NOT_EXECUTABLE, f"{self._command[0]}: {error.strerror}")
        for number in self._signals:  # those that came while it was being started
            self._child.send(number)
        code = self._child.wait()
        self._child = None
        preempted = self._asked_to_end or code == -signal.SIGTERM or self._asked_to_requeue
        return Exit(code, recorder.error if code else "", None, time.monotonic() - started, preempted)

    def _environment(self, prepared: Prepared) -> dict[str, str]:
        decision = prepared.decision
        given = {
            ID_VARIABLE: str(decision.run),
            ATTEMPT_VARIABLE: str(decision.attempt),
            STEP_VARIABLE: None if decision.from_step is None else str(decision.from_step),
            CHECKPOINT_VARIABLE: None if prepared.checkpoint is None else str(prepared.checkpoint),
        }
        others = {name: value for name, value in os.environ.items() if name not in given}
        return others | {name: value for name, value in given.items() if value is not None}

    def _look_back(self, timeout: float) -> Past | None:
        """How far the run has come, once all that was logged is delivered, if that is in time."""
        try:
            return past_of(self._client, self._run, timeout)
        except TrackerError:
            return None

    # Signals.

    @property
    def _asked_to_end(self) -> bool:
        return any(number in ENDING for number in self._signals)

    @property
    def _asked_to_requeue(self) -> bool:
        return self._requeue and any(number in (signal.SIGTERM, signal.SIGUSR1) for number in self._signals)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if number not in (signal.SIGWINCH, signal.SIGCONT):
            self._signals.append(number)
        if self._child is None:
            return
        if number in ENDING:
            again = sum(each in ENDING for each in self._signals)
            self._kill_at = min(self._kill_at, time.monotonic() + self._grace)
            number = signal.SIGKILL if again > 2 else number  # whoever asks three times means it
        self._child.send(number)

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._asked_to_end:
            time.sleep(0.05)

    def _put_back(self) -> None:
        """Slurm starts the job again, which goes on with the same run."""
        if not self._asked_to_requeue:
            return
        job = os.environ["SLURM_JOB_ID"]
        try:
            subprocess.run(["scontrol", "requeue", job], check=True, timeout=60)
            say(f"job {job} is back in the queue")
        except (OSError, subprocess.SubprocessError) as error:
            say(f"job {job} cannot be put back into the queue: {error}")


def _name_of(command: Sequence[str]) -> str:
    """The script of a command: `train.py` of `python -u train.py --lr 1e-3`."""
    words = [Path(word).name for word in command]
    scripts = [word for word in words if word.endswith((".py", ".sh"))]
    return (scripts or words)[0]
