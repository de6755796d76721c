"""The row that an evaluation's state fills in Postgres."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from speech_experiment_schemas.ids import test_set_id

from .evaluations import Evaluation, decoding_text
from .run_rows import Json, Moment
from .texts import clean_text, to_json


class EvaluationRow(NamedTuple):
    """A row of `evaluations`, without the state itself."""

    id: UUID
    run_id: UUID
    workspace: str
    test_set: UUID | None
    test_set_name: str | None
    name: str | None
    own: bool
    revision: int | None
    language: str | None
    decoding: Json
    decoding_text: str
    checkpoint: str | None
    timing: Json
    tags: Json
    state: str
    rows: int
    started_at: Moment
    finished_at: Moment | None
    partition: int
    offset: int
    finished: int | None
    completed: int | None


def evaluation_row(evaluation: Evaluation) -> EvaluationRow:
    name = evaluation.test_set
    return EvaluationRow(
        evaluation.id,
        evaluation.run,
        clean_text(evaluation.workspace),
        None if name is None else test_set_id(evaluation.workspace, name),
        _optional(name),
        _optional(evaluation.name),
        evaluation.own,
        evaluation.revision,
        _optional(evaluation.language),
        to_json(evaluation.decoding),
        decoding_text(evaluation.decoding),
        _optional(evaluation.checkpoint),
        to_json(evaluation.timing),
        to_json(evaluation.tags),
        evaluation.state,
        evaluation.rows,
        evaluation.started_at,
        evaluation.finished_at,
        evaluation.partition,
        evaluation.offset,
        evaluation.finished,
        evaluation.completed,
    )


def _optional(text: str | None) -> str | None:
    return None if text is None else clean_text(text)
