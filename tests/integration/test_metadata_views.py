"""Artifacts, control and the views for BI tools, on the live projections of the stack."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from speech_experiment_infra.connections import kafka_producer
from speech_experiment_infra.settings import Settings
from speech_experiment_schemas import Sealer, decode, record_key
from speech_experiment_schemas.artifacts import ArtifactLogged
from speech_experiment_schemas.control import (
    KeyCreated,
    KeyRevoked,
    MemberAdded,
    MemberRemoved,
    SubjectDeleted,
    SubjectRestored,
    WorkspaceCreated,
)
from speech_experiment_schemas.experiments import ExperimentCreated
from speech_experiment_schemas.ids import experiment_id, partition_of, uuid7
from speech_experiment_schemas.runs import RunConfigured, RunStarted
from speech_experiment_schemas.stamps import stamp
from tests.conftest import RunningStack
from tests.integration.metadata_tables import applied

pytestmark = pytest.mark.stack

VIEWS = ("speech_experiments", "speech_runs", "speech_metrics", "speech_artifacts")


@pytest.fixture
async def connection(stack: RunningStack) -> AsyncIterator[Any]:
    made = await asyncpg.connect(stack.settings.postgres_dsn)
    yield made
    await made.close()


async def project(settings: Settings, topic: str, *said: tuple[msgspec.Struct, tuple[str, UUID]]) -> None:
    """Appends events of a fresh producer, and waits until the live projection has them."""
    sealer = Sealer(uuid7(), topic)
    projection = "metadata" if topic == "runs" else topic
    async with kafka_producer(settings) as producer:
        for payload, subject in said:
            raw = sealer.seal(payload, subject)
            key = record_key(decode(raw))
            partition = partition_of(key, settings.partitions)
            headers = stamp("key:test", "default")
            place = await producer.send_and_wait(topic, raw, key=key, partition=partition, headers=headers)
    await applied(settings, f"{projection}_v1", {place.partition: place.offset + 1})


def artifact(path: str, sha256: str = "ab" * 32, **fields: Any) -> ArtifactLogged:
    return ArtifactLogged(artifact=uuid7(), path=path, type="checkpoint", size=5, sha256=sha256, **fields)


async def test_paths_count_their_versions(stack: RunningStack, connection: Any) -> None:
    run = ("run", uuid7())
    files = [
        artifact("a.pt", step=2**63 + 5),
        artifact("b\0.pt"),
        artifact("a.pt", metadata={"wer": float("nan")}),
    ]
    await project(stack.settings, "artifacts", *((each, run) for each in files))
    await project(stack.settings, "artifacts", (artifact("a.pt"), run), (files[0], run))
    rows = await connection.fetch(
        "select path, version, step, metadata from artifacts_v1.artifacts where run_id = $1 order by created_at, "
        '"offset"',
        run[1],
    )
    assert [tuple(row) for row in rows] == [
        ("a.pt", 1, None, "{}"),
        ("b␀.pt", 1, None, "{}"),
        ("a.pt", 2, None, '{"wer": "NaN"}'),
        ("a.pt", 3, None, "{}"),
    ]
    letters = "select reason from artifacts_v1.dead_letters order by id desc limit 1"
    assert await connection.fetchval(letters) == "collision"


async def test_control_keeps_who_may_do_what(stack: RunningStack, connection: Any) -> None:
    workspace, person, key = uuid7(), uuid7(), uuid7()
    name = f"team {workspace}"
    digest = workspace.hex * 2
    await project(
        stack.settings,
        "control",
        (WorkspaceCreated(name=name, title="Team"), ("workspace", workspace)),
        (MemberAdded(workspace=name, name="Ana", role="viewer"), ("person", person)),
        (MemberAdded(workspace=name, name="Ana", role="editor"), ("person", person)),
        (KeyCreated(workspace=name, role="editor", sha256=digest, hint="abcd"), ("key", key)),
        (KeyRevoked(), ("key", key)),
        (KeyRevoked(), ("key", uuid7())),
    )
    member = await connection.fetchrow("select * from control_v1.members where person_id = $1", person)
    assert (member["role"], member["removed_at"]) == ("editor", None)
    row = await connection.fetchrow("select * from control_v1.keys where id = $1", key)
    assert (row["workspace"], row["sha256"], row["created_by"]) == (name, digest, "key:test")
    assert row["revoked_at"] is not None
    await project(stack.settings, "control", (MemberRemoved(workspace=name), ("person", person)))
    removed = "select removed_at from control_v1.members where person_id = $1"
    assert await connection.fetchval(removed, person) is not None


async def test_views_show_the_live_tables_without_what_was_deleted(
    stack: RunningStack, connection: Any
) -> None:
    settings, run = stack.settings, ("run", uuid7())
    name = f"Views {run[1]}"
    experiment = experiment_id("default", name)
    started = RunStarted(experiment=experiment, name="r", tags={"language": "en"})
    await project(
        settings,
        "runs",
        (ExperimentCreated(name=name, task="asr"), ("experiment", experiment)),
        (started, run),
        (RunConfigured(config={"encoder_layers": 12}), run),
    )
    await project(settings, "artifacts", (artifact("a.pt"), run))
    shown = "select experiment, languages, encoder_layers from speech_runs where run_id = $1"
    assert tuple(await connection.fetchrow(shown, run[1])) == (name, ["en"], 12)
    files = "select storage_uri from speech_artifacts where run_id = $1"
    assert await connection.fetchval(files, run[1]) == "blobs/sha256/ab/" + "ab" * 32

    await project(settings, "control", (SubjectDeleted(), run))
    assert await connection.fetchrow(shown, run[1]) is None
    assert await connection.fetchrow(files, run[1]) is None
    await project(settings, "control", (SubjectRestored(), run))
    assert await connection.fetchrow(shown, run[1]) is not None


async def test_a_run_into_a_deleted_experiment_brings_it_back(stack: RunningStack, connection: Any) -> None:
    settings, name = stack.settings, f"Deleted {uuid7()}"
    experiment = experiment_id("default", name)
    visible = "select name from speech_experiments where experiment_id = $1"
    started = RunStarted(experiment=experiment, name="r")
    created = (ExperimentCreated(name=name), ("experiment", experiment))
    runs = "select array_agg(run_id) from speech_runs where experiment_id = $1"
    early, late = ("run", uuid7()), ("run", uuid7())
    await project(settings, "runs", created, (started, early))
    assert await connection.fetchval(runs, experiment) == [early[1]]
    await project(settings, "control", (SubjectDeleted(), ("experiment", experiment)))
    assert await connection.fetchval(visible, experiment) is None
    assert await connection.fetchval(runs, experiment) is None
    await project(settings, "runs", (started, late))
    assert await connection.fetchval(visible, experiment) == name
    assert await connection.fetchval(runs, experiment) == [late[1]]


async def test_the_reader_sees_the_views_and_nothing_else(stack: RunningStack, connection: Any) -> None:
    may = "select has_table_privilege('speech_experiments_reader', $1, $2)"
    for view in VIEWS:
        assert await connection.fetchval(may, view, "select")
        assert not await connection.fetchval(may, view, "insert")
    assert not await connection.fetchval(
        "select has_schema_privilege('speech_experiments_reader', 'metadata_v1', 'usage')"
    )
