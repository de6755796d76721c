"""The fold of one experiment over the topic `runs`.

An experiment that is known only from a run is a placeholder under the name that the run gives;
creating it is get-or-create: the first `experiment.created` sets, later ones fill what is open.
The birth name stays what it was after a rename, and so remains an alias.

Its own events lie in one partition, runs that name it in any. So that the order in which partitions are
read changes nothing, its events are folded on what runs of their own partition said, and only what
is `shown` takes in the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from speech_experiment_schemas.experiments import (
    ExperimentArchived,
    ExperimentCreated,
    ExperimentLinked,
    ExperimentRenamed,
    ExperimentUpdated,
)
from speech_experiment_schemas.ids import birth_name, experiment_id
from speech_experiment_schemas.runs import RunStarted

from .recorded import Recorded
from .refusal import same_workspace
from .runs import link


class Experiment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of an experiment. Times are microseconds since 1970, by the broker.

    name        None while nobody named it
    birth_name  of the first experiment.created; None for a placeholder
    """

    id: UUID
    workspace: str
    partition: int
    offset: int
    created_at: int
    updated_at: int
    name: str | None = None
    birth_name: str | None = None
    task: str | None = None
    description: str | None = None
    tags: dict[str, str] = {}
    archived: bool = False
    user: str | None = None
    renamed: bool = False
    links: list[tuple[str, UUID]] = []


Changes = dict[str, Any]


def evolve(experiment: Experiment | None, recorded: Recorded) -> Experiment:
    """The experiment after an event about it; raises Refused for an event of another workspace."""
    if experiment is None or _reclaims(experiment, recorded):
        experiment = _placeholder(recorded.subject, recorded)
    else:
        same_workspace("experiment", experiment.id, experiment.workspace, recorded.workspace)
    changes = _changes(experiment, recorded)
    if changes:
        changes |= {"offset": recorded.offset, "partition": recorded.partition, "updated_at": recorded.time}
    return msgspec.structs.replace(experiment, **changes)


def _reclaims(experiment: Experiment, recorded: Recorded) -> bool:
    """Whether this is the birth, in the workspace that the id is made of, of what only a stranger's run named.

    Ids follow from workspace and name, so anybody can start a run in an experiment that is still to come.
    """
    payload = recorded.payload
    unborn = experiment.birth_name is None and experiment.updated_at == experiment.created_at
    return (
        unborn
        and experiment.workspace != recorded.workspace
        and isinstance(payload, ExperimentCreated)
        and recorded.subject == experiment_id(recorded.workspace, payload.name)
    )


def of_run(recorded: Recorded, started: RunStarted) -> Experiment:
    """The placeholder for the experiment that a run says it belongs to."""
    placeholder = _placeholder(started.experiment, recorded)
    return msgspec.structs.replace(placeholder, name=started.experiment_name)


def shown(own: Experiment | None, met: Iterable[Experiment]) -> Experiment | None:
    """What there is to say of an experiment; None when there is nothing.

    own: after its own events; met: placeholders of the first run that names it in each partition. The earliest of
    its workspace tells when it began and what it is called, until it is created, or renamed.
    """
    if own is None:
        return min(met, key=age, default=None)
    if own.birth_name is not None:
        return own
    first = min((each for each in met if each.workspace == own.workspace), key=age, default=None)
    if first is None:
        return own
    return msgspec.structs.replace(
        own,
        created_at=min(own.created_at, first.created_at),
        name=own.name if own.renamed else first.name,
    )


def age(placeholder: Experiment) -> tuple[int, int, int]:
    """Of several placeholders the one with the least counts: the earliest by the broker's time."""
    return placeholder.created_at, placeholder.partition, placeholder.offset


def _placeholder(subject: UUID, recorded: Recorded) -> Experiment:
    return Experiment(
        id=subject,
        workspace=recorded.workspace,
        partition=recorded.partition,
        offset=recorded.offset,
        created_at=recorded.time,
        updated_at=recorded.time,
    )


def _changes(experiment: Experiment, recorded: Recorded) -> Changes:
    match recorded.payload:
        case ExperimentCreated() as created:
            return _create(experiment, created, recorded)
        case ExperimentUpdated() as updated:
            return _update(experiment, updated)
        case ExperimentRenamed(name=name):
            return {"name": name, "renamed": True}
        case ExperimentArchived(archived=archived):
            return {"archived": archived}
        case ExperimentLinked() as linked:
            return {"links": link(experiment.links, linked.kind, linked.target, linked.removed)}
    return {}


def _create(experiment: Experiment, created: ExperimentCreated, recorded: Recorded) -> Changes:
    changes: Changes = {
        "task": experiment.task or created.task,
        "description": created.description if experiment.description is None else experiment.description,
        "tags": created.tags | experiment.tags,
    }
    if experiment.birth_name is None:
        changes |= {
            "birth_name": birth_name(created.name),
            "name": experiment.name if experiment.renamed else created.name,
            "created_at": recorded.time,
            "user": recorded.actor,
        }
    return changes


def _update(experiment: Experiment, updated: ExperimentUpdated) -> Changes:
    tags = experiment.tags | updated.tags
    return {
        "task": updated.task or experiment.task,
        "description": experiment.description if updated.description is None else updated.description,
        "tags": {key: value for key, value in tags.items() if value},
    }


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Experiment)


def dump(experiment: Experiment) -> bytes:
    """The state as it is stored, msgpack."""
    return _encoder.encode(experiment)


def load(state: bytes) -> Experiment:
    return _decoder.decode(state)
