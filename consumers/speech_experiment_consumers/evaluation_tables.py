"""Rows of evaluations: their states folded over a batch, and hypotheses as they were logged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from speech_experiment_projections import evaluations
from speech_experiment_projections.evaluation_rows import evaluation_row
from speech_experiment_projections.evaluations import Evaluation
from speech_experiment_projections.recorded import Recorded
from speech_experiment_schemas.evaluations import EvaluationEvent, EvaluationStarted, Hypotheses
from speech_experiment_schemas.ids import test_set_id

from .sql import statement
from .tables import Table

_EVALUATIONS = Table(
    "evaluations",
    {
        "id": "uuid",
        "run_id": "uuid",
        "workspace": "text",
        "test_set": "uuid",
        "test_set_name": "text",
        "name": "text",
        "own": "boolean",
        "revision": "int",
        "language": "text",
        "decoding": "jsonb",
        "decoding_text": "text",
        "checkpoint": "text",
        "timing": "jsonb",
        "tags": "jsonb",
        "state": "text",
        "rows": "bigint",
        "started_at": "time",
        "finished_at": "time",
        "partition": "int",
        "offset": "bigint",
        "finished": "bigint",
        "completed": "bigint",
        "fold": "bytea",
    },
    ("id",),
)
_BATCHES = Table(
    "hypothesis_batches",
    {
        "evaluation": "uuid",
        "partition": "int",
        "offset": "bigint",
        "first": "bigint",
        "rows": "int",
        "data": "bytea",
    },
    ("evaluation", "partition", "offset"),
)
_STATES = "select fold from {schema}.evaluations where id = any($1::uuid[]) for update"


class EvaluationBatch:
    """The evaluations of one batch."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._known: dict[UUID, Evaluation] = {}
        self._changed: set[UUID] = set()
        self._batches: list[tuple[Any, ...]] = []
        self.completed: list[Evaluation] = []

    async def load(self, connection: Any, events: Sequence[Recorded]) -> None:
        ids = sorted({event.subject for event in events if isinstance(event.payload, EvaluationEvent)})
        if ids:
            rows = await connection.fetch(statement(_STATES, self._schema), ids)
            self._known = {state.id: state for state in (evaluations.load(row["fold"]) for row in rows)}

    def test_sets(self, events: Sequence[Recorded]) -> set[UUID]:
        """Those that evaluations which these events may complete are on."""
        named = {
            (event.workspace, event.payload.test_set)
            for event in events
            if isinstance(event.payload, EvaluationStarted)
        }
        named |= {
            (each.workspace, each.test_set) for each in self._known.values() if each.test_set is not None
        }
        return {test_set_id(workspace, name) for workspace, name in named}

    def apply(self, recorded: Recorded) -> None:
        payload = recorded.payload
        if not isinstance(payload, EvaluationEvent):
            return
        before = self._known.get(recorded.subject)
        after = evaluations.evolve(before, recorded)
        if isinstance(payload, Hypotheses):
            place = (recorded.partition, recorded.offset, payload.first, len(payload.ids))
            self._batches.append((after.id, *place, bytes(recorded.envelope.data)))
        if after.completed is not None and (before is None or before.completed is None):
            self.completed.append(after)
        self._known[after.id] = after
        self._changed.add(after.id)

    async def save(self, connection: Any) -> None:
        rows = [_row(self._known[each]) for each in sorted(self._changed)]
        await _EVALUATIONS.upsert(connection, self._schema, rows)
        await _BATCHES.insert(connection, self._schema, self._batches)


def _row(evaluation: Evaluation) -> tuple[Any, ...]:
    return (*evaluation_row(evaluation), evaluations.dump(evaluation))
