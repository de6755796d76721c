"""The sink of the projection `metadata`: topic runs → experiments and runs in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from speech_experiment_infra.settings import Settings
from speech_experiment_projections.recorded import Recorded

from .experiment_tables import ExperimentBatch
from .postgres_sink import PostgresSink
from .run_tables import RunBatch
from .sink import Sink


class MetadataRows:
    """Experiments and runs of one batch. Events about anything else leave only their ledger entry."""

    def __init__(self, schema: str) -> None:
        self._runs = RunBatch(schema)
        self._experiments = ExperimentBatch(schema)

    async def load(self, connection: Any, events: Sequence[Recorded]) -> None:
        await self._runs.load(connection, _subjects("run", events))
        await self._experiments.load(connection, _subjects("experiment", events))

    def apply(self, recorded: Recorded) -> None:
        match recorded.envelope.subject[0]:
            case "run":
                self._runs.apply(recorded)
                self._experiments.meet_run(recorded)
            case "experiment":
                self._experiments.apply(recorded)

    async def save(self, connection: Any) -> None:
        await self._runs.save(connection)
        await self._experiments.save(connection)  # last, as others wait for its locks


def _subjects(kind: str, events: Sequence[Recorded]) -> set[UUID]:
    return {event.subject for event in events if event.envelope.subject[0] == kind}


def create(settings: Settings, version: int) -> Sink:
    return PostgresSink(
        settings, name="metadata", version=version, topic="runs", rows=MetadataRows, laned=True
    )
