"""What the projection `control` keeps of the past: the periods of deletions, and the audit trail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from speech_experiment_projections.audit import Act, act
from speech_experiment_projections.control import DeletionPeriod, periods
from speech_experiment_projections.recorded import Recorded
from speech_experiment_schemas.control import DELETABLE, SubjectDeleted, SubjectRestored

from .sql import columns, microseconds, statement
from .tables import Table

_PERIODS = Table(
    "deletion_history",
    {
        "kind": "text",
        "id": "uuid",
        "workspace": "text",
        "partition": "int",
        "from_offset": "bigint",
        "to_offset": "bigint",
        "deleted_at": "time",
        "deleted_by": "text",
        "reason": "text",
        "restored_at": "time",
        "restored_by": "text",
    },
    ("kind", "id", "from_offset"),
)
_ACTS = Table(
    "audit",
    {
        "partition": "int",
        "offset": "bigint",
        "time": "time",
        "workspace": "text",
        "actor": "text",
        "type": "text",
        "kind": "text",
        "id": "uuid",
        "reason": "text",
        "details": "jsonb",
    },
    ("partition", "offset"),
)
_CURRENT = """
select h.* from {schema}.deletion_history h join unnest($1::text[], $2::uuid[]) as n (kind, id) using (kind, id)
where h.to_offset is null
"""

Subject = tuple[str, UUID]


def deletable(recorded: Recorded) -> Subject | None:
    """What an event deletes or restores, None when it does neither."""
    subject = recorded.envelope.subject
    concerned = isinstance(recorded.payload, SubjectDeleted | SubjectRestored) and subject[0] in DELETABLE
    return subject if concerned else None


class DeletionHistory:
    """The deletion periods that a batch begins and ends."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._current: dict[Subject, DeletionPeriod | None] = {}
        self._changed: dict[tuple[Subject, int], DeletionPeriod] = {}

    async def load(self, connection: Any, events: Sequence[Recorded]) -> None:
        subjects = {subject for subject in map(deletable, events) if subject is not None}
        if subjects:
            rows = await connection.fetch(statement(_CURRENT, self._schema), *columns(subjects, 2))
            self._current = {(row["kind"], row["id"]): _period(row) for row in rows}

    def apply(self, recorded: Recorded) -> None:
        subject = deletable(recorded)
        if subject is None:
            return
        for period in periods(self._current.get(subject), recorded):
            self._changed[subject, period.from_offset] = period
            self._current[subject] = period if period.to_offset is None else None

    async def save(self, connection: Any) -> None:
        await _PERIODS.upsert(connection, self._schema, self._changed.values())


def _period(row: Any) -> DeletionPeriod:
    fields = dict(row) | {"deleted_at": microseconds(row["deleted_at"])}
    return DeletionPeriod(**fields)  # restored_at is null, as in every current period


class AuditTrail:
    """The acts of a batch."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._acts: list[Act] = []

    async def load(self, connection: Any, events: Sequence[Recorded]) -> None:
        """An act depends on nothing before it."""

    def apply(self, recorded: Recorded) -> None:
        done = act(recorded)
        if done is not None:
            self._acts.append(done)

    async def save(self, connection: Any) -> None:
        await _ACTS.insert(connection, self._schema, self._acts)
