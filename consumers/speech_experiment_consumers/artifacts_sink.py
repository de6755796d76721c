"""The sink of the projection `artifacts`: topic artifacts → one row for each artifact in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from speech_experiment_infra.settings import Settings
from speech_experiment_projections.artifacts import ArtifactRow, Path, artifact_row, path_of
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.refusal import Refused
from speech_experiment_schemas.artifacts import ArtifactLogged

from .postgres_sink import PostgresSink
from .sink import Sink
from .sql import columns, statement
from .tables import Table

_ARTIFACTS = Table(
    "artifacts",
    {
        "id": "uuid",
        "workspace": "text",
        "run_id": "uuid",
        "path": "text",
        "type": "text",
        "size_bytes": "bigint",
        "sha256": "text",
        "content_type": "text",
        "storage": "jsonb",
        "step": "bigint",
        "epoch": "double precision",
        "metadata": "jsonb",
        "version": "int",
        "producer": "uuid",
        "created_at": "time",
        "partition": "int",
        "offset": "bigint",
    },
    ("id",),
)
_KNOWN = "select id from {schema}.artifacts where id = any($1::uuid[])"
_LATEST = """
select a.workspace, a.run_id, a.path, max(a.version) as version
from {schema}.artifacts a
join unnest($1::text[], $2::uuid[], $3::text[]) as n (workspace, run_id, path) using (workspace, run_id, path)
group by 1, 2, 3
"""


class ArtifactRows:
    """The artifacts of one batch."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._known: set[UUID] = set()
        self._latest: dict[Path, int] = {}
        self._rows: list[ArtifactRow] = []

    async def load(self, connection: Any, events: Sequence[Recorded]) -> None:
        logged = [(event, event.payload) for event in events if isinstance(event.payload, ArtifactLogged)]
        if not logged:
            return
        ids = [payload.artifact for _, payload in logged]
        self._known = {row["id"] for row in await connection.fetch(statement(_KNOWN, self._schema), ids)}
        paths = sorted({path_of(event, payload) for event, payload in logged})
        rows = await connection.fetch(statement(_LATEST, self._schema), *columns(paths, 3))
        self._latest = {(row["workspace"], row["run_id"], row["path"]): row["version"] for row in rows}

    def apply(self, recorded: Recorded) -> None:
        logged = recorded.payload
        if not isinstance(logged, ArtifactLogged):
            return
        if logged.artifact in self._known:
            raise Refused("collision", f"an artifact with the id {logged.artifact} was logged before")
        path = path_of(recorded, logged)
        version = self._latest.get(path, 0) + 1
        self._rows.append(artifact_row(recorded, logged, version))
        self._latest[path] = version
        self._known.add(logged.artifact)

    async def save(self, connection: Any) -> None:
        await _ARTIFACTS.insert(connection, self._schema, self._rows)


def create(settings: Settings, version: int) -> Sink:
    return PostgresSink(settings, name="artifacts", version=version, topic="artifacts", rows=ArtifactRows)
