"""The fold of the topic `artifacts`: each path of a run counts its versions, in log order."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from speech_experiment_schemas.artifacts import ArtifactLogged

from .recorded import Recorded
from .texts import bigint, clean_text, to_json

Path = tuple[str, UUID, str]
"""(workspace, run, path)"""


class ArtifactRow(NamedTuple):
    """A row of `artifacts`; created_at is the broker's time in microseconds."""

    id: UUID
    workspace: str
    run_id: UUID
    path: str
    type: str
    size_bytes: int
    sha256: str
    content_type: str
    storage: str
    step: int | None
    epoch: float | None
    metadata: str
    version: int
    producer: UUID
    created_at: int
    partition: int
    offset: int


def path_of(recorded: Recorded, logged: ArtifactLogged) -> Path:
    """What the versions of an artifact are counted by."""
    return clean_text(recorded.workspace), recorded.subject, clean_text(logged.path)


def artifact_row(recorded: Recorded, logged: ArtifactLogged, version: int) -> ArtifactRow:
    """The row of an artifact, as the `version`-th of its path, from 1."""
    workspace, run, path = path_of(recorded, logged)
    return ArtifactRow(
        logged.artifact,
        workspace,
        run,
        path,
        clean_text(logged.type),
        logged.size,
        logged.sha256,
        clean_text(logged.content_type),
        to_json(logged.storage),
        bigint(logged.step),
        logged.epoch,
        to_json(logged.metadata),
        version,
        recorded.envelope.producer,
        recorded.time,
        recorded.partition,
        recorded.offset,
    )
