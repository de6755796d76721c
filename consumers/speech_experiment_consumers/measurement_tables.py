"""Rows of measurements: tasks other than recognition, as they were logged."""

from __future__ import annotations

from typing import Any

from speech_experiment_projections.measurements import row
from speech_experiment_projections.recorded import Recorded
from speech_experiment_schemas.measurements import MeasurementLogged

from .tables import Table

_MEASUREMENTS = Table(
    "measurements",
    {
        "id": "uuid",
        "run_id": "uuid",
        "workspace": "text",
        "task": "text",
        "test_set": "text",
        "name": "text",
        "headline": "text",
        "identity": "text",
        "definition": "jsonb",
        "numbers": "jsonb",
        "intervals": "jsonb",
        "items": "jsonb",
        "artifacts": "jsonb",
        "decoding": "jsonb",
        "checkpoint": "text",
        "logged_at": "time",
        "partition": "int",
        "offset": "bigint",
    },
    ("id",),
)


class MeasurementBatch:
    """The measurements of one batch."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._rows: list[tuple[Any, ...]] = []

    def apply(self, recorded: Recorded) -> None:
        if isinstance(recorded.payload, MeasurementLogged):
            self._rows.append(row(recorded, recorded.payload))

    async def save(self, connection: Any) -> None:
        """The earliest of an id stays."""
        await _MEASUREMENTS.add(connection, self._schema, self._rows)
