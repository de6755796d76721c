"""Going on with a run: which one, from which step, as which attempt.

What is known of the attempts before comes from the server, once it shows all that their processes logged
here; without a server from this machine's spool alone. Rank 0 decides for all ranks.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from speech_experiment_schemas.ids import uuid7

from .candidates import candidates
from .checkpoints import at_step, newest
from .errors import TrackerError
from .experiment import Experiment
from .guard import say
from .launches import (
    Decision,
    announce,
    attempt_given,
    attempts_noted,
    await_decision,
    claim,
    decided,
    first_given,
    given_id,
    lasting_id,
    launch_key,
    run_id_of,
    shared_id,
    step_given,
)
from .past import TIMEOUT, Past, past_of
from .remains import trainers_of
from .run import Run
from .seam import Seam

if TYPE_CHECKING:
    from .client import Client

_LOOKS = (5.0, 30.0, 300.0)
"""Seconds between looks for processes that write beside this one."""


def start_or_resume(
    client: Client,
    resume: str | UUID | None,
    name: str | None,
    experiment: Experiment | None,
    given: UUID | str | None,
    nth: int,
    timeout: float = TIMEOUT,
) -> Run | UUID:
    """The run that resume= means, as its next attempt; or the id under which to begin a new one.

    resume  an id; "auto"; None when the environment alone says that an attempt is not the first
    given   the id that the script named; nth: of the runs of this process

    "auto" goes on with the run of the id given to it or found in SPEECH_TRACKER_RUN_ID; else with the one
    that the same Slurm job, or the same torchrun, had begun; else with the newest of that name and
    experiment that is unfinished and that no living process writes.
    """
    named = run_id_of(given) if given else given_id(nth)
    if resume is not None and str(resume) != "auto":
        return resumed(client, resume, nth, timeout=timeout)
    told = _told(client, named or lasting_id(nth, name), nth)
    if told is not None:
        return told.run if told.attempt == 1 else _follow(client, told, timeout)
    for run in [named] if named else candidates(client, name, experiment, nth):
        again = _unless_finished(client, run, nth, timeout, named=named is not None)
        if again is not None:
            return again
    return _begin_new(client, named, [lasting_id(nth, name), shared_id(nth)], nth, timeout)


def _begin_new(
    client: Client, named: UUID | None, ids: list[UUID | None], nth: int, timeout: float
) -> Run | UUID:
    """The id of a run that begins: the first of `ids` that no run of this spool has had."""
    spool = client.config.spool
    free = (each for each in ids if each is not None and not attempts_noted(spool, each))
    begun = named or next(free, None) or uuid7()
    with claim(spool, begun) as take:
        attempt = take(0)
    if attempt > 1:  # another process began it a moment ago
        return resumed(client, begun, nth, timeout=timeout)
    _tell(client, Decision(begun, 1), nth)
    return begun


def _told(client: Client, run: UUID | None, nth: int) -> Decision | None:
    """What the environment, or rank 0, has decided; None where this process decides."""
    attempt = attempt_given()
    if attempt is not None and run is not None and run == first_given():
        return Decision(run, attempt, step_given())
    ranks = client.session.ranks
    if not ranks.rank:
        return None
    key = launch_key(nth)
    if run is None or ranks.one_machine or client.config.mode != "online" or client.config.url is None:
        return await_decision(client.config.spool, key, None)
    return await_decision(client.config.spool, key, lambda: _heard(client, run, key))


def _heard(client: Client, run: UUID, launch: str) -> Decision | None:
    """Rank 0's decision by its opening, which the server shows."""
    try:
        answer = client.api().get(f"/api/v1/runs/{run}/delivery", {"timeout": 0})
    except TrackerError as error:
        if error.status in (None, 404):
            return None
        raise
    # Slurm never gives a start the same name again; elsewhere one that has ended is of an earlier start.
    unique = launch.startswith("slurm/")
    for stream in answer["streams"]:
        leads = stream["role"] == "trainer" and not stream["rank"] and stream["launch"] == launch
        if leads and (stream["open"] or unique):
            return Decision(run, stream["attempt"])
    return None


def _tell(client: Client, decision: Decision, nth: int) -> None:
    if client.session.ranks.world_size > 1:
        key = launch_key(nth)
        announce(client.config.spool, key, decided(decision.run, decision.attempt, decision.from_step))


def _unless_finished(client: Client, run: UUID, nth: int, timeout: float, *, named: bool) -> Run | None:
    """The next attempt of a run; None for one that nobody knows yet, or that is finished."""
    with claim(client.config.spool, run) as take:
        past = past_of(client, run, timeout)
        if not past.attempts and not attempts_noted(client.config.spool, run):
            return None
        if past.status == "finished":
            if named:
                raise finished(run)
            take(past.attempts - 1)  # noted, so that no other run begins under its id
            return None
        decision = _decide(client, run, past, take, None)
    return _go_on(client, decision, past, nth)


def resumed(
    client: Client,
    run: UUID | str,
    nth: int,
    *,
    from_step: int | None = None,
    reopen: bool = False,
    timeout: float = TIMEOUT,
) -> Run:
    """The next attempt of a run, with what is known of the attempts before.

    Raises TrackerError for a run that is not known, deleted, or finished (unless it shall be reopened).
    """
    run_id = run_id_of(run)
    told = _told(client, run_id, nth)
    if told is not None:
        return _follow(client, told, timeout)
    with claim(client.config.spool, run_id) as take:
        past = past_of(client, run_id, timeout)
        if not past.attempts and not attempts_noted(client.config.spool, run_id):
            raise unknown(client, run_id)
        if past.status == "finished" and not reopen:
            raise finished(run_id)
        decision = _decide(client, run_id, past, take, from_step)
    return _go_on(client, decision, past, nth, fixed=from_step is not None)


def _follow(client: Client, told: Decision, timeout: float) -> Run:
    """Goes on as the environment or rank 0 has decided."""
    past = past_of(client, told.run, timeout, told=True)
    if told.from_step is None:  # what rank 0 saw, seen again
        files = newest(past.checkpoints, past.cuts)
        told = Decision(told.run, told.attempt, files[-1].step if files else None)
    return _go_on(client, told, past, None)


def _decide(client: Client, run: UUID, past: Past, take: Any, from_step: int | None) -> Decision:
    if from_step is None:
        files = newest(past.checkpoints, past.cuts)
        from_step = files[-1].step if files else None
    _warn(client, run)
    return Decision(run, take(past.attempts), from_step)


def _go_on(client: Client, decision: Decision, past: Past, nth: int | None, *, fixed: bool = False) -> Run:
    """Opens the attempt; nth: tells the other ranks."""
    if nth is not None:
        _tell(client, decision, nth)
    rank = client.session.ranks.rank
    again = Run(
        client,
        decision.run,
        name=past.name or str(decision.run),
        experiment=Experiment(client, past.experiment, past.experiment_name) if past.experiment else None,
        attempt=decision.attempt,
        seam=Seam(decision.from_step, past.last_steps, fixed=fixed),
    )
    again.last_step = decision.from_step if decision.from_step is not None else past.last_step
    again.config = past.config
    if decision.from_step is None:
        again._checkpoints = newest(past.checkpoints, past.cuts, rank)
    else:
        again._checkpoints = at_step(past.checkpoints, decision.from_step, rank)
    if past.source != "server" and not rank:
        _say_source(client, decision, past)
    if client.config.mode == "online" and client.config.url and not rank:
        threading.Thread(target=_watch, args=(client, again), daemon=True).start()
    return again


def _watch(client: Client, run: Run) -> None:
    """Says once when the server sees a process of an attempt before write on."""
    for pause in itertools.chain(_LOOKS, itertools.repeat(_LOOKS[-1])):
        end = time.monotonic() + pause
        while time.monotonic() < end:
            time.sleep(1.0)
            if run._finished:
                return
        with contextlib.suppress(TrackerError, msgspec.MsgspecError):
            answer = client.api().get(f"/api/v1/runs/{run.id}/delivery", {"timeout": 0})
            flagged = [each for each in answer["streams"] if each["concurrent"]]
            if flagged:
                one = flagged[0]
                say(
                    f"process {one['pid']} on {one['host']} still writes run {run.id} as attempt {one['attempt']}, "
                    f"beside this one, attempt {run.attempt}: end it; its points after the resume do not count"
                )
                return


def _say_source(client: Client, decision: Decision, past: Past) -> None:
    told = {
        "spool": "is offline" if client.config.mode == "offline" else "does not answer",
        "both": "does not have all that the attempt before had logged",
    }[past.source]
    step = "at an unknown step" if past.last_step is None else f"after step {past.last_step}"
    say(
        f"the server {told}: run {decision.run} goes on as attempt {decision.attempt} {step}, "
        "by what lies in the spool of this machine"
    )


def _warn(client: Client, run: UUID) -> None:
    """Says that a process of this machine still writes the run."""
    for each in trainers_of(client.config.spool, run):
        if each.alive and not each.meta.child:
            say(
                f"process {each.meta.pid} still writes run {run} as attempt {each.meta.attempt}: what it logs "
                "beyond the step of this resume will not count, and is flagged as concurrent"
            )


def finished(run: UUID) -> TrackerError:
    return TrackerError(
        f"run {run} is finished", "client.resume_run(id, reopen=True) goes on with it all the same"
    )


def unknown(client: Client, run: UUID) -> TrackerError:
    if client.config.mode != "online":
        return TrackerError(
            f"the spool holds nothing of run {run}", "resume it where it was logged, or with a server"
        )
    return TrackerError(
        f"there is no run {run} in the workspace of this key",
        "check the id, and whether the key is of the run's workspace",
        status=404,
    )
