"""The row of a measurement: what was logged, as Postgres can hold it."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import msgspec

from speech_experiment_schemas.measurements import MeasurementLogged

from .recorded import Recorded
from .run_rows import Json, Moment
from .texts import clean_text, to_json


class MeasurementRow(NamedTuple):
    """A row of `measurements`; headline: the number that systems are compared by, the first one."""

    id: UUID
    run_id: UUID
    workspace: str
    task: str
    test_set: str
    name: str | None
    headline: str
    identity: str
    definition: Json
    numbers: Json
    intervals: Json
    items: Json
    artifacts: Json
    decoding: Json
    checkpoint: str | None
    logged_at: Moment
    partition: int
    offset: int


def row(recorded: Recorded, logged: MeasurementLogged) -> MeasurementRow:
    bounds = {name: msgspec.structs.asdict(each) for name, each in logged.intervals.items()}
    return MeasurementRow(
        logged.measurement,
        recorded.subject,
        clean_text(recorded.workspace),
        logged.definition.task,
        clean_text(logged.test_set),
        None if logged.name is None else clean_text(logged.name),
        clean_text(next(iter(logged.values), "")),
        logged.identity,
        to_json(msgspec.structs.asdict(logged.definition)),
        to_json(logged.values),
        to_json(bounds),
        to_json(msgspec.structs.asdict(logged.items)),
        to_json(logged.artifacts),
        to_json(logged.decoding),
        None if logged.checkpoint is None else clean_text(logged.checkpoint),
        recorded.time,
        recorded.partition,
        recorded.offset,
    )
