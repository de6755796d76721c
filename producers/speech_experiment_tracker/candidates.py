"""Which runs resume="auto" may mean, when none is named."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import UUID

from .errors import TrackerError
from .experiment import Experiment
from .guard import say
from .launches import lasting_id
from .past import TIMEOUT
from .remains import remains_of, trainers_of

if TYPE_CHECKING:
    from .client import Client

_ALIVE = ("running",)


def candidates(client: Client, name: str | None, experiment: Experiment | None, nth: int) -> list[UUID]:
    """Runs that "auto" may mean when none is named, the likeliest first."""
    lasting = lasting_id(nth, name)
    found = [lasting] if lasting else []
    ranks = client.session.ranks
    if name and not _in_array() and (ranks.world_size == 1 or ranks.one_machine):
        # What has just died here may be delivered in this moment: the spool is asked before the server.
        found += _unfinished_here(client, name, experiment)
        try:
            found += _unfinished(client, name, experiment)
        except TrackerError as error:
            if client.config.mode == "online":
                say(f"resume='auto' cannot ask the server for runs named {name!r}: {error}")
    return found


def _in_array() -> bool:
    """Tasks of an array share the name of their script's run: each may only go on with its own."""
    return "SLURM_ARRAY_TASK_ID" in os.environ


def _unfinished(client: Client, name: str, experiment: Experiment | None) -> list[UUID]:
    """The newest run of that name and experiment that no living process writes, unless it is finished."""
    quoted = name.replace("'", "''")
    spool = client.config.spool
    # A run that is in the log and does not show yet would be begun again.
    client.api().get("/api/v1/delivery", {"limit": 1, "timeout": TIMEOUT})
    for run in client.search_runs(f"name = '{quoted}'", order_by="created_at desc", limit=20):
        if experiment is not None and run.get("experiment_id") != str(experiment.id):
            continue
        if run["status"] == "finished":
            return []
        trainers = trainers_of(spool, run.id)
        if any(each.alive for each in trainers):
            continue
        # Of one that has just died here, the server may not have heard yet.
        if run["status"] not in _ALIVE or trainers:
            return [run.id]
    return []


def _unfinished_here(client: Client, name: str, experiment: Experiment | None) -> list[UUID]:
    """The same by the spool alone."""
    from .drain.producers import producers_in

    runs = {each.run for each in producers_in(client.config.spool) if each.run}
    for run in sorted(runs, reverse=True):
        if any(each.alive for each in trainers_of(client.config.spool, run)):
            continue
        remains = remains_of(client.config.spool, run)
        same = experiment is None or remains.experiment == experiment.id
        if remains.name == name and same:
            return [] if remains.ended == "finished" else [run]
    return []
