"""Rows of experiments in Postgres, held against what the log makes of them.

An experiment's events may lie years before those of its runs. So its stored versions, which say at which offsets it
changed, are checked one by one: each must be what the one before it and the event at its offset give.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from speech_experiment_schemas.experiments import ExperimentCreated

from . import experiments
from .evidence import Place
from .experiments import Experiment
from .findings import Finding, Kind, of_rows
from .recorded import Recorded
from .refusal import Refused
from .row_check import different_columns
from .run_rows import experiment_row


class ExperimentTables(NamedTuple):
    """An experiment in Postgres; times in microseconds, JSON as text.

    row       columns by name, with `state`; None: there is no row
    versions  in order of their offsets: ((partition, offset), state); without any it is known from runs alone
    links     (kind, target)
    """

    row: Mapping[str, Any] | None
    versions: Sequence[tuple[Place, bytes]]
    links: frozenset[tuple[Any, ...]]


Events = Mapping[Place, Recorded | None]
"""What the log has at the places of versions that were read again; None: no event."""


def check_experiment(
    experiment: UUID, run: UUID, stored: ExperimentTables, events: Events
) -> Iterator[Finding]:
    """Differences between an experiment's rows and its events. run: one of its runs, which the findings go with."""

    def wrong(kind: Kind, what: str, state: Experiment | None) -> Finding:
        return of_rows(
            "metadata",
            kind,
            f"the experiment {experiment}{what}",
            run=run,
            partition=state.partition if state else None,
            offsets=(state.offset, state.offset) if state else None,
            since=state.updated_at if state else None,
        )

    versions = [experiments.load(state) for _, state in stored.versions]
    newest = versions[-1] if versions else None
    if stored.row is None:
        yield wrong("missing", ", which the run names, has no row", newest)
        return
    state = experiments.load(stored.row["state"])
    expected = experiments.shown(newest, [state]) or state  # what runs said of it is not read again
    if state != expected:
        yield wrong("changed", ": the stored state is not that of its newest version", expected)
    for told in different_columns(experiment_row(expected)._asdict(), stored.row):
        yield wrong("changed", f": {told}", expected)
    if stored.links != frozenset(expected.links):
        yield wrong("changed", ": its links are not those of its state", expected)
    for before, (place, _), found in zip([None, *versions], stored.versions, versions, strict=False):
        if place not in events:
            continue
        event = events[place]
        if event is None:
            yield wrong(
                "surplus", f" has a version from offset {place[1]} on, and the log no event there", found
            )
        elif not _follows(before, event, found):
            told = f": its version from offset {place[1]} on is another than the log makes"
            yield wrong("changed", told, found)


def _follows(before: Experiment | None, event: Recorded, found: Experiment) -> bool:
    if before is None and not isinstance(event.payload, ExperimentCreated):
        return True  # it may go on from what a run of its partition had said
    try:
        made = experiments.evolve(before, event)
    except Refused:
        return False
    return made == found
