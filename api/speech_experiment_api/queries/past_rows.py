"""What is laid out of runs and experiments as they were, made of what history keeps of them. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from speech_experiment_projections import experiments
from speech_experiment_projections.contacts import Beat
from speech_experiment_projections.derived import Derived
from speech_experiment_projections.experiments import Experiment
from speech_experiment_projections.history import Kept, recall
from speech_experiment_projections.run_rows import (
    ExperimentRow,
    RunRow,
    derived_columns,
    experiment_row,
    run_row,
)
from speech_experiment_projections.runs import Run, load_tree
from speech_experiment_projections.texts import clean_text
from speech_experiment_projections.trees import param_at, params

from ..desks import Depth
from .needs import EVERY

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = frozenset({"created_at", "started_at", "finished_at", "heartbeat_at", "updated_at"})
_HEAVY = frozenset({"config", "environment", "traceback", "problems", "concurrent"})
"""Columns that no question compares: they are laid out of the runs that are shown."""
RUN = (*RunRow._fields, *Derived.__struct_fields__)
EXPERIMENT = ExperimentRow._fields
_DERIVED = tuple(name for name in RUN if name not in _HEAVY)
COLUMNS: dict[Depth, tuple[str, ...]] = {
    Depth.SKETCHED: ("id", "workspace", "experiment_id", "created_at"),
    Depth.OWN: tuple(name for name in RunRow._fields if name not in _HEAVY),
    Depth.DERIVED: _DERIVED,
}
"""Of the table of runs, what is laid out of all of them."""


class Wanted(NamedTuple):
    """What is to be laid out of all runs.

    rows          so much of their rows
    params, tags  those of these keys; EVERY stands for all
    """

    rows: Depth = Depth.NOTHING
    params: Collection[str] = ()
    tags: Collection[str] = ()


class Laid(NamedTuple):
    """Rows for the three tables that questions about all runs look into."""

    rows: list[tuple[Any, ...]]
    params: list[tuple[Any, ...]]
    tags: list[tuple[Any, ...]]


def rows_of(kept: Iterable[Any], wanted: Wanted, configured: Collection[UUID]) -> Laid:
    """configured: runs whose params are not those of the live table."""
    laid = Laid([], [], [])
    for row in kept:
        run_id, environment = row["id"], row["environment"]  # the driver's own id, which it writes quickly
        run = _run_of(row, None)
        derived = _derived(_surrounded(run, environment)) if wanted.rows == Depth.DERIVED else ()
        laid.rows.append(_compared(_shortened(run, run_id), derived))
        if run_id in configured:
            laid.params.extend((run_id, *each) for each in _params(run.config, wanted.params))
        laid.tags.extend((run_id, *each) for each in _tags(run.tags, wanted.tags))
    return laid


class _Sketch(msgspec.Struct):
    """What of a run's state its sketch and its tags are; the rest is passed over."""

    workspace: str
    created_at: int
    experiment: UUID | None = None
    tags: dict[str, str] = {}


_sketch = msgspec.msgpack.Decoder(_Sketch)


def sketches_of(kept: Iterable[Any], wanted: Wanted, configured: Collection[UUID]) -> Laid:
    """As rows_of, for questions that look at nothing else of the runs."""
    laid = Laid([], [], [])
    for run_id, state, config in kept:
        sketch = _sketch.decode(state)
        if wanted.rows:
            created = _EPOCH + timedelta(microseconds=sketch.created_at)
            laid.rows.append((run_id, clean_text(sketch.workspace), sketch.experiment, created))
        if run_id in configured:
            laid.params.extend((run_id, *each) for each in _params(load_tree(config), wanted.params))
        laid.tags.extend((run_id, *each) for each in _tags(sketch.tags, wanted.tags))
    return laid


def _params(config: Mapping[str, Any], keys: Collection[str]) -> Iterator[tuple[Any, ...]]:
    if EVERY in keys:
        yield from ((key, param.num, param.txt) for key, param in params(config).items())
        return
    for key in keys:
        param = param_at(config, key)
        if param is not None:
            yield key, param.num, param.txt


def _tags(tags: Mapping[str, str], keys: Collection[str]) -> Iterator[tuple[Any, ...]]:
    if not keys:
        return
    for key, value in tags.items():
        name = clean_text(key)
        if EVERY in keys or name in keys:
            yield name, clean_text(value)


def runs_of(kept: Iterable[Any]) -> list[Run]:
    """Runs as they were."""
    return [_run_of(row, row["environment"]) for row in kept]


def complete_rows(kept: Iterable[Any]) -> list[tuple[Any, ...]]:
    return list(map(run_columns, runs_of(kept)))


def plain_rows(kept: Iterable[Any]) -> list[tuple[Any, ...]]:
    """All columns, those made of the config empty."""
    return [_moments(RUN, (*run_row(_shortened(run, run.id)), *_NOTHING)) for run in runs_of(kept)]


def run_columns(run: Run) -> tuple[Any, ...]:
    """The row of a run, all of RUN."""
    return _moments(RUN, (*run_row(run), *_derived(run)))


def experiment_of(own: bytes | None, met: Sequence[bytes]) -> Experiment | None:
    """own: its state by its own events; met: what runs said of it, one state a partition."""
    return experiments.shown(None if own is None else experiments.load(own), map(experiments.load, met))


def experiment_columns(experiment: Experiment) -> tuple[Any, ...]:
    """The row of an experiment, all of EXPERIMENT."""
    return _moments(EXPERIMENT, experiment_row(experiment))


def _run_of(row: Any, environment: bytes | None) -> Run:
    """The run that a row of what is kept tells of, with as much of its environment."""
    _, following, state, config, _, problems, beats, offset, time = row
    kept = Kept(
        state,
        config,
        environment,
        None if problems is None else msgspec.json.decode(problems),
        beats or b"",
        None if time is None else Beat(offset, (time - _EPOCH) // timedelta(microseconds=1)),
    )
    return recall(kept, following)


class _Surroundings(msgspec.Struct):
    """What of an environment columns are derived from; the rest, often long, is passed over."""

    git: Any = None
    container: Any = None
    hardware: Any = None


_surroundings = msgspec.msgpack.Decoder(_Surroundings)


def _surrounded(run: Run, environment: bytes | None) -> Run:
    """The run with what of its environment columns are derived from."""
    if environment is None:
        return run
    return msgspec.structs.replace(run, environment=msgspec.structs.asdict(_surroundings.decode(environment)))


def _shortened(run: Run, run_id: UUID) -> Run:
    """The run without what is laid out of runs that are shown alone."""
    return msgspec.structs.replace(run, id=run_id, config={}, environment={}, traceback=None)


def _derived(run: Run) -> tuple[Any, ...]:
    return tuple(map(_column, msgspec.structs.astuple(derived_columns(run))))


def _compared(run: Run, derived: tuple[Any, ...]) -> tuple[Any, ...]:
    """Of a row what questions compare."""
    return _moments(_DERIVED, (*_of_row(run_row(run)), *derived))


_of_row = itemgetter(*(i for i, name in enumerate(RunRow._fields) if name not in _HEAVY))
_NOTHING = msgspec.structs.astuple(Derived())
_TIME_PLACES = {
    columns: [i for i, name in enumerate(columns) if name in _TIMES]
    for columns in (RUN, _DERIVED, EXPERIMENT)
}


def _column(value: Any) -> Any:
    """Words as the live table holds them, see consumers' tables.py."""
    return [word.replace("\x1f", " ") for word in value] if isinstance(value, list) else value


def _moments(columns: tuple[str, ...], row: Iterable[Any]) -> tuple[Any, ...]:
    """The row with its microseconds as moments."""
    values = list(row)
    for place in _TIME_PLACES[columns]:
        if values[place] is not None:
            values[place] = _EPOCH + timedelta(microseconds=values[place])
    return tuple(values)
