"""The rows that a run's and an experiment's state fill in Postgres."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from speech_experiment_schemas.ids import run_hash

from .derived import Derived, derive_of
from .experiments import Experiment
from .runs import Run
from .texts import clean_text, to_json
from .trees import Leaves, flatten

Moment = int
"""Microseconds since 1970."""
Json = str
"""JSON text for a jsonb column."""
Words = list[str]


class ExperimentRow(NamedTuple):
    """A row of `experiments`, without the state itself."""

    id: UUID
    workspace: str
    name: str
    birth_name: str | None
    task: str | None
    description: str | None
    tags: Json
    archived: bool
    user_name: str | None
    created_at: Moment
    updated_at: Moment
    partition: int
    offset: int


class RunRow(NamedTuple):
    """A row of `runs`, without derived columns and the state itself."""

    id: UUID
    hash: int
    workspace: str
    experiment_id: UUID | None
    name: str
    status: str
    user_name: str | None
    notes: str | None
    error: str | None
    traceback: str | None
    exit_code: int | None
    attempts: int
    tags: Json
    config: Json
    environment: Json
    problems: Json
    concurrent: Json
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    heartbeat_at: Moment | None
    updated_at: Moment
    partition: int
    first_offset: int
    last_offset: int


def experiment_row(experiment: Experiment) -> ExperimentRow:
    return ExperimentRow(
        experiment.id,
        clean_text(experiment.workspace),
        clean_text(experiment.name or str(experiment.id)),
        _optional(experiment.birth_name),
        _optional(experiment.task),
        _optional(experiment.description),
        to_json(experiment.tags),
        experiment.archived,
        _optional(experiment.user),
        experiment.created_at,
        experiment.updated_at,
        experiment.partition,
        experiment.offset,
    )


def run_row(run: Run) -> RunRow:
    return RunRow(
        run.id,
        signed64(run_hash(run.id)),
        clean_text(run.workspace),
        run.experiment,
        clean_text(run.name or str(run.id)),
        run.status,
        _optional(run.user),
        _optional(run.notes),
        _optional(run.error),
        _optional(run.traceback),
        run.exit_code,
        run.attempts,
        to_json(run.tags),
        to_json(run.config),
        to_json(run.environment),
        to_json(run.problems),
        to_json(_concurrent(run)),
        run.created_at,
        run.started_at,
        run.finished_at,
        run.heartbeat_at,
        run.updated_at,
        run.partition,
        run.first_offset,
        run.last_offset,
    )


def derived_columns(run: Run, leaves: Leaves | None = None) -> Derived:
    """The classic columns of the run, by the rule of `derived`; leaves: of its config, where they are known."""
    return derive_of(flatten(run.config) if leaves is None else leaves, run.tags, run.environment)


def _concurrent(run: Run) -> list[dict[str, object]]:
    """One object a process, the first one first."""
    found = sorted(run.concurrent.items(), key=lambda item: (item[1].since, item[0]))
    return [
        {
            "attempt": each.attempt,
            "rank": each.rank,
            "host": clean_text(each.host),
            "pid": each.pid,
            "since": datetime.fromtimestamp(each.since / 1_000_000, UTC).isoformat(),
        }
        for _, each in found
    ]


def signed64(number: int) -> int:
    """An unsigned 64-bit number reinterpreted as signed, as Postgres stores it."""
    return number - (1 << 64) if number >= 1 << 63 else number


def _optional(text: str | None) -> str | None:
    return None if text is None else clean_text(text)
