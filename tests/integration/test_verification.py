"""What verify finds on the real stack: damage is done to one store at a time, and named with its place."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from speech_experiment_infra.connections import clickhouse, object_store_client, postgres_pool
from speech_experiment_infra.settings import Settings
from speech_experiment_schemas import wire
from speech_experiment_schemas.artifacts import ArtifactLogged, blob_name
from speech_experiment_schemas.ids import producer_hash, run_hash, uuid7
from speech_experiment_schemas.runs import RunConfigured, RunHeartbeat, RunOutput, RunTagged
from tests.conftest import RunningStack
from tests.integration.gateway_tools import Producer, make_client, post, queryable, reply_of

pytestmark = pytest.mark.stack

CALLS = 40
Damage = Callable[[Settings, Producer], Awaitable[None]]


async def a_run(admin: httpx.AsyncClient, *, finish: bool = True) -> Producer:
    """A run with config, tags, three records of metrics and an artifact, known to all projections."""
    run = Producer().open("runs", "metrics", "artifacts").start("verified")
    run.say(RunConfigured(config={"encoder": {"layers": 12}, "lr": 1e-3, "nan": float("nan"), "big": 1e300}))
    run.say(RunTagged(tags={"language": "en", "stage": "draft"}))
    run.say(RunTagged(removed=["stage"]))
    run.say(RunHeartbeat(problems={"after_finish": 1, "dropped": 2}))
    run.say(RunTagged(tags={"stage": "final"}))
    run.say(RunOutput(channel="stdout", first=0, lines=["epoch 1 \0 é", ""]))
    for first in (0, CALLS, 2 * CALLS):
        calls = range(first, first + CALLS)
        run.log(*((step, 1_000 * step, None, {"loss": 1.0 / (step + 1), "lr": 0.1}) for step in calls))
    run.log((None, 1, None, {"test-clean_wer": 0.0625}))
    content = run.id.bytes
    digest = sha256(content).hexdigest()
    answer = await admin.put(f"/api/v1/blobs/{digest}", content=content)
    assert answer.status_code in (200, 201, 204), answer.text
    logged = ArtifactLogged(artifact=uuid7(), path="a.bin", type="other", size=len(content), sha256=digest)
    run.say(logged, "artifacts")
    await queryable(admin, await (run.finish() if finish else run).send(admin))
    return run


async def verified(client: httpx.AsyncClient, run: Producer, **parameters: Any) -> dict[str, Any]:
    answer = await client.get(f"/api/v1/runs/{run.run}/verification", params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_healthy_run_is_clean(admin: httpx.AsyncClient) -> None:
    run = await a_run(admin)
    async with await make_client(admin, "viewer") as viewer:
        found = await verified(viewer, run, contents="true")
    assert (found["findings"], found["verdict"], found["verified"]) == ([], "complete", True)
    assert found["points"] == 6 * CALLS + 1
    assert {each["stream"]: each["received"] for each in found["streams"]} == {
        "runs": [[0, 9]],
        "metrics": [[0, 3 * CALLS + 2]],
        "artifacts": [[0, 2]],
    }


async def test_an_open_run_is_clean_and_open(admin: httpx.AsyncClient) -> None:
    found = await verified(admin, await a_run(admin, finish=False))
    assert (found["findings"], found["verdict"], found["verified"]) == ([], "open", False)


async def test_only_the_workspace_may_ask(admin: httpx.AsyncClient) -> None:
    run = await a_run(admin)
    async with await make_client(admin, "editor", "strangers") as stranger:
        assert (await stranger.get(f"/api/v1/runs/{run.run}/verification")).status_code == 404
        assert (await stranger.get("/api/v1/verification")).status_code == 403
    async with await make_client(admin, "admin", "strangers") as other:
        page = (await other.get("/api/v1/verification")).json()
        assert str(run.run) not in {each["run_id"] for each in page["verifications"]}
        assert page["elsewhere"] == []


def sql(template: str) -> Damage:
    """A statement in Postgres; {run} and {producer} are the run's."""

    async def damage(settings: Settings, run: Producer) -> None:
        async with postgres_pool(settings) as pool:
            done = await pool.execute(template.format(run=run.run, producer=run.id))
            assert not done.endswith(" 0"), done

    return damage


def points(template: str) -> Damage:
    """A mutation of the table of points; {here} is the middle one of the run's three records."""

    async def damage(settings: Settings, run: Producer) -> None:
        of_run = f"run = {run_hash(run.run)} and producer = {producer_hash(run.id)}"
        here = f"{of_run} and seq between {CALLS + 1} and {2 * CALLS}"
        async with clickhouse(settings) as client:
            client.command(
                f"alter table metric_points_v1 {template.format(here=here, run=of_run)} settings mutations_sync = 2"
            )

    return damage


async def lose_content(settings: Settings, run: Producer) -> None:
    digest = sha256(run.id.bytes).hexdigest()
    object_store_client(settings).remove_object(settings.s3_bucket, blob_name(digest))


MIDDLE = [[CALLS + 1, 2 * CALLS]]
"""Calls of the middle record of metrics; call 0 is the opening."""


@pytest.mark.parametrize(
    ("damage", "where", "kind", "stream", "calls", "told", "step"),
    [
        pytest.param(
            points("delete where {here}"),
            *(
                "clickhouse",
                "missing",
                "metrics",
                MIDDLE,
                f"{2 * CALLS} points of 1 records",
                "rebuild metrics",
            ),
            id="a record's points",
        ),
        pytest.param(
            points("delete where {here} and seq in (50, 51, 60)"),
            *(
                "clickhouse",
                "missing",
                "metrics",
                [[50, 51], [60, 60]],
                "6 points are not",
                "rebuild metrics",
            ),
            id="points in the middle of a record",
        ),
        pytest.param(
            points("update value = 66 where {here} and seq = 50 and value != 0.1"),
            *(
                "clickhouse",
                "changed",
                "metrics",
                [[50, 50]],
                "loss is 66.0, the log says 0.02",
                "rebuild metrics",
            ),
            id="a value",
        ),
        pytest.param(
            points("delete where {run}"),
            *(
                "clickhouse",
                "missing",
                "metrics",
                [[1, 3 * CALLS + 1]],
                "241 points of 4 records",
                "rebuild metrics",
            ),
            id="all points",
        ),
        pytest.param(
            sql(
                "update metrics_v1.ledger set received = received - '{{[50,60)}}'::int8multirange where run_id = '{run}'"
            ),
            *("ledger", "missing", "metrics", [[50, 59]], "calls that the log has", "rebuild metrics"),
            id="an interval of the ledger",
        ),
        pytest.param(
            sql("delete from artifacts_v1.ledger where run_id = '{run}'"),
            *("ledger", "missing", "artifacts", [[0, 2]], "the producer has no row", "rebuild artifacts"),
            id="a row of the ledger",
        ),
        pytest.param(
            sql("update metadata_v1.runs set config = config || '{{\"lr\": 2}}' where id = '{run}'"),
            *("postgres", "changed", "runs", None, "column config is {", "rebuild metadata"),
            id="a config",
        ),
        pytest.param(
            sql("update metadata_v1.runs set learning_rate = 7 where id = '{run}'"),
            *(
                "postgres",
                "changed",
                "runs",
                None,
                "column learning_rate is 7.0, the log says 0.001",
                "metadata",
            ),
            id="a derived column",
        ),
        pytest.param(
            sql("delete from metadata_v1.runs where id = '{run}'"),
            *("postgres", "missing", "runs", None, "the run has no row", "rebuild metadata"),
            id="a run's row",
        ),
        pytest.param(
            sql("delete from metadata_v1.run_params where run_id = '{run}' and key = 'encoder.layers'"),
            *("postgres", "missing", "runs", None, "the param ('encoder.layers', '12.0', None)", "metadata"),
            id="a param",
        ),
        pytest.param(
            sql("update metadata_v1.run_tags set value = 'de' where run_id = '{run}' and key = 'language'"),
            *("postgres", "missing", "runs", None, "the tag ('language', 'en')", "metadata"),
            id="a tag",
        ),
        pytest.param(
            sql(
                "delete from metadata_v1.run_versions where (run_id, from_offset) = "
                "(select run_id, max(from_offset) from metadata_v1.run_versions where run_id = '{run}' group by 1)"
            ),
            *("postgres", "missing", "runs", None, "the version that as-of queries read", "metadata"),
            id="a version",
        ),
        pytest.param(
            sql("update metadata_v1.run_output set lines = '{{x}}' where run_id = '{run}'"),
            *("postgres", "changed", "runs", None, "is other than in the log", "rebuild metadata"),
            id="captured output",
        ),
        pytest.param(
            sql("delete from metadata_v1.run_contacts where run_id = '{run}'"),
            *("postgres", "missing", "runs", None, "1 heartbeats are not in Postgres", "rebuild metadata"),
            id="heartbeats",
        ),
        pytest.param(
            sql("delete from artifacts_v1.artifacts where run_id = '{run}'"),
            *("postgres", "missing", "artifacts", None, "a.bin version 1 has no row", "rebuild artifacts"),
            id="an artifact's row",
        ),
        pytest.param(
            sql("update metrics_v1.summaries set last_value = 7 where run_id = '{run}' and key = 'loss'"),
            *(
                "postgres",
                "changed",
                "metrics",
                None,
                "the summary of loss: last is 7.0, the points say",
                "metrics",
            ),
            id="a summary",
        ),
        pytest.param(
            sql("delete from metrics_v1.test_set_results where run_id = '{run}'"),
            *("postgres", "missing", "metrics", None, "the result test-clean_wer is None", "rebuild metrics"),
            id="a result",
        ),
        pytest.param(
            lose_content,
            *("objects", "missing", "artifacts", None, "is not in the object store", "log a.bin again"),
            id="a content",
        ),
    ],
)
async def test_damage_is_found_with_its_place(
    admin: httpx.AsyncClient,
    settings: Settings,
    damage: Damage,
    where: str,
    kind: str,
    stream: str,
    calls: list[list[int]] | None,
    told: str,
    step: str,
) -> None:
    run, neighbour = await a_run(admin), await a_run(admin)
    await damage(settings, run)
    found = await verified(admin, run)
    first = found["findings"][0]
    assert (first["where"], first["kind"], first["stream"]) == (where, kind, stream), found["findings"]
    assert calls is None or first["calls"] == calls
    assert told in first["what"]
    assert step in first["next_step"]
    if stream != "metrics" or where != "postgres":  # what is made of many records has no place of its own
        assert first["since"].startswith("20")
        assert first["offsets"][0] <= first["offsets"][1]
    assert (found["verdict"], found["verified"]) == ("differs", False)
    assert {finding["where"] for finding in found["findings"]} == {where}
    assert (await verified(admin, neighbour))["findings"] == []


async def test_a_lost_part_is_found_and_is_clean_when_it_is_back(
    admin: httpx.AsyncClient, settings: Settings
) -> None:
    run = await a_run(admin)
    async with clickhouse(settings) as client:
        query = f"select distinct _part from metric_points_v1 where run = {run_hash(run.run)}"
        parts = [name for (name,) in client.query(query).result_rows]
        for part in parts:
            client.command(f"alter table metric_points_v1 detach part '{part}'")
        try:
            [finding] = (await verified(admin, run))["findings"]
            assert (finding["where"], finding["calls"]) == ("clickhouse", [[1, 3 * CALLS + 1]])
        finally:
            for part in parts:
                client.command(f"alter table metric_points_v1 attach part '{part}'")
    assert (await verified(admin, run))["findings"] == []


async def test_a_run_that_every_table_forgot_is_found_among_all(
    admin: httpx.AsyncClient, settings: Settings
) -> None:
    forgotten, damaged = await a_run(admin), await a_run(admin)
    await points("delete where {here} and seq = 50")(settings, damaged)
    async with postgres_pool(settings) as pool:
        await pool.execute("delete from metadata_v1.runs where id = $1", forgotten.run)
        for schema in ("metadata_v1", "metrics_v1", "artifacts_v1"):
            await pool.execute(f"delete from {schema}.ledger where run_id = $1", forgotten.run)
    page = (await admin.get("/api/v1/verification", params={"limit": 2_000})).json()
    assert {finding["run"] for finding in page["elsewhere"]} == {str(forgotten.run)}
    of_run = {each["run_id"]: each for each in page["verifications"]}
    assert [finding["calls"] for finding in of_run[str(damaged.run)]["findings"]] == [[[50, 50]]]
    assert (await admin.get(f"/api/v1/runs/{forgotten.run}/verification")).status_code == 404


async def test_pages_follow_each_other(admin: httpx.AsyncClient) -> None:
    runs = [(await a_run(admin)).run for _ in range(3)]
    seen: list[str] = []
    cursor = "02000000-0000-7000-8000-000000000000"  # behind ids that are made of names, before those of this century
    for _ in range(3):
        answer = await admin.get("/api/v1/verification", params={"limit": 1, "cursor": cursor})
        cursor = answer.json()["next_cursor"]
        seen += [each["run_id"] for each in answer.json()["verifications"]]
    assert seen == [str(run) for run in reversed(runs)]


async def test_a_projection_that_is_behind_has_lost_nothing(
    admin: httpx.AsyncClient, settings: Settings
) -> None:
    run = await a_run(admin, finish=False)
    async with postgres_pool(settings) as pool:
        query = """select (status->>'pid')::int from coord.workers
            where projection = 'metrics' and version = 1 order by updated_at desc limit 1"""
        worker = await pool.fetchval(query)
    os.kill(worker, signal.SIGSTOP)
    try:
        run.log((500, 1, None, {"loss": 0.0}))
        reply = reply_of(await post(admin, wire.encode_batch(run.records)))
        found = await verified(admin, run)
        assert (found["findings"], found["behind"], found["verdict"]) == ([], {"metrics": 1}, "open")
    finally:
        os.kill(worker, signal.SIGCONT)
    await queryable(admin, reply)
    assert (await verified(admin, run))["points"] == 6 * CALLS + 2


OFFLINE = """
import speech_experiment_tracker as tracker
run = tracker.Client(mode="offline").start_run("later")
for step in range(20):
    run.log_metrics({"loss": 1.0}, step=step)
run.finish()
print(run.id)
"""


async def test_the_command_names_damage_and_what_still_waits(
    stack: RunningStack, admin: httpx.AsyncClient, settings: Settings, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "SPEECH_TRACKER_URL": stack.url,
        "SPEECH_TRACKER_API_KEY": stack.key,
        "SPEECH_TRACKER_SPOOL_DIR": str(tmp_path / "spool"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "COLUMNS": "200",
    }

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
        return python("-m", "speech_experiment_tracker.cli", "verify", *arguments)

    run = await a_run(admin)
    healthy = tool(str(run.run))
    assert (healthy.returncode, "verified" in healthy.stdout) == (0, True), healthy.stderr
    await points("delete where {here}")(settings, run)
    damaged = tool(str(run.run))
    assert damaged.returncode == 1
    assert f"calls {CALLS + 1}–{2 * CALLS}" in damaged.stdout
    assert "next: speech-tracker rebuild metrics" in damaged.stdout
    [finding] = json.loads(tool(str(run.run), "--json").stdout)["findings"]
    assert (finding["where"], finding["calls"]) == ("clickhouse", MIDDLE)
    assert tool(str(run.run), "--ledger").returncode == 0
    later = python("-c", OFFLINE).stdout.strip()
    waiting = tool(later, "--json")
    assert waiting.returncode == 2, waiting.stderr
    found = {each["stream"]: each for each in json.loads(waiting.stdout)["findings"]}
    assert found["metrics"]["kind"] == "waiting"
    assert found["metrics"]["calls"] == [[0, 21]]
    assert UUID(found["metrics"]["run"]) == UUID(later)
