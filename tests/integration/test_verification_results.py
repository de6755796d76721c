"""Verify on evaluations, measurements and experiments: damage is done to one table at a time, and named."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from speech_experiment_infra.connections import postgres_pool
from speech_experiment_infra.settings import Settings
from speech_experiment_schemas import Sealer, wire
from speech_experiment_schemas.columns import digest_text
from speech_experiment_schemas.evaluations import (
    EvaluationFinished,
    EvaluationStarted,
    Hypotheses,
    hypotheses_digest,
)
from speech_experiment_schemas.experiments import ExperimentCreated, ExperimentRenamed
from speech_experiment_schemas.ids import experiment_id, uuid7
from speech_experiment_schemas.measurements import (
    Items,
    MeasurementDefinition,
    MeasurementLogged,
    definition_identity,
)
from speech_experiment_schemas.producers import ProducerOpened
from tests.integration.gateway_tools import Producer, post, queryable, reply_of

pytestmark = pytest.mark.stack

EVALUATION, EXPERIMENT = "the evaluation", "the experiment"


async def an_evaluated_run(admin: httpx.AsyncClient) -> tuple[UUID, UUID]:
    """(run, its experiment): an evaluation of four utterances with references of its own, and a measurement."""
    name = f"verified {uuid7()}"
    experiment = experiment_id("default", name)
    founder = Sealer(uuid7(), "runs")
    told = [
        founder.seal(ProducerOpened(), ("producer", founder.producer)),
        founder.seal(
            ExperimentCreated(name=name, task="asr", tags={"team": "a"}), ("experiment", experiment)
        ),
        founder.seal(ExperimentRenamed(name=f"{name}, renamed"), ("experiment", experiment)),
    ]
    await queryable(admin, reply_of(await post(admin, wire.encode_batch(told))))
    run = Producer().open("runs", "evaluations").start("evaluated", experiment)
    sealer, subject, digest = Sealer(uuid7(), "evaluations"), ("evaluation", uuid7()), 0
    run.records.append(sealer.seal(ProducerOpened(), ("run", run.run)))
    said: list[Any] = [EvaluationStarted(test_set="verified", decoding={"beam": 4})]
    for first in (0, 2):
        ids = [f"u{first}", f"u{first + 1}"]
        batch = Hypotheses(first=first, ids=ids, texts=["a b", "c"], references=["a b", "d"])
        digest += hypotheses_digest(batch)
        said.append(batch)
    said.append(EvaluationFinished(count=4, digest=digest_text(digest)))
    run.records += [sealer.seal(payload, subject, run=run.run) for payload in said]
    definition = MeasurementDefinition(task="diarization", tool="pyannote.metrics", version="4", settings={})
    run.say(
        MeasurementLogged(
            measurement=uuid7(),
            test_set="callhome",
            definition=definition,
            identity=definition_identity(definition),
            values={"der": 0.125},
            items=Items(kind="none", total=0),
        ),
        "evaluations",
    )
    await queryable(admin, await run.finish().send(admin))
    return run.run, experiment


async def findings(admin: httpx.AsyncClient, run: UUID) -> list[dict[str, Any]]:
    answer = await admin.get(f"/api/v1/runs/{run}/verification")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["findings"]
    return found


BATCH = (
    '(evaluation, "offset") in (select b.evaluation, max(b."offset") from {scores}.hypothesis_batches b '
    "join {scores}.evaluations e on e.id = b.evaluation where e.run_id = '{run}' group by 1)"
)


@pytest.mark.parametrize(
    ("damage", "kind", "told"),
    [
        pytest.param("delete from {scores}.evaluations where run_id = '{run}'", "missing", "has no row", id="evaluation"),
        pytest.param(
            "update {scores}.evaluations set decoding_text = 'beam=5' where run_id = '{run}'",
            "changed",
            "column decoding_text is 'beam=5', the log says 'beam=4'",
            id="decoding",
        ),
        pytest.param(
            "delete from {scores}.hypothesis_batches where " + BATCH,
            "missing",
            "hypotheses 2–3 are not in Postgres",
            id="hypotheses",
        ),
        pytest.param(
            "update {scores}.hypothesis_batches set data = data || '\\x00' where " + BATCH,
            "changed",
            "hypotheses 2–3 are other than in the log",
            id="texts",
        ),
        pytest.param("delete from {scores}.scores where run_id = '{run}'", "missing", "has no scores", id="scores"),
        pytest.param(
            "delete from {scores}.measurements where run_id = '{run}'", "missing", "diarization on callhome has no row", id="measurement"
        ),
        pytest.param(
            "update {scores}.measurements set numbers = '{{\"der\": 0.1}}' where run_id = '{run}'",
            "changed",
            "column numbers is {'der': 0.1}, the log says {'der': 0.125}",
            id="number",
        ),
        pytest.param(
            "delete from {metadata}.experiments where id = '{experiment}'", "missing", "has no row", id="experiment"
        ),
        pytest.param(
            "update {metadata}.experiments set task = 'tts' where id = '{experiment}'",
            "changed",
            "column task is 'tts', the log says 'asr'",
            id="task",
        ),
        pytest.param(
            "update {metadata}.experiment_versions v set state = (select max(state) from {metadata}.experiment_versions w"
            " where w.experiment_id = v.experiment_id and w.from_offset < v.from_offset)"
            " where experiment_id = '{experiment}' and from_offset = (select max(from_offset)"
            " from {metadata}.experiment_versions where experiment_id = '{experiment}')",
            "changed",
            "is another than the log makes",
            id="version",
        ),
    ],
)  # fmt: skip
async def test_damage_is_named(
    admin: httpx.AsyncClient, settings: Settings, damage: str, kind: str, told: str
) -> None:
    run, experiment = await an_evaluated_run(admin)
    assert await findings(admin, run) == []
    async with postgres_pool(settings) as pool:
        rows = await pool.fetch("select name, version from projection.live")
        schemas = {name: f"{name}_v{version}" for name, version in rows}
        done = await pool.execute(damage.format(run=run, experiment=experiment, **schemas))
    assert not done.endswith(" 0"), done
    found = await findings(admin, run)
    assert any(told in each["what"] and each["kind"] == kind for each in found), found
    assert {each["where"] for each in found} == {"postgres"}
    [step] = {each["next_step"] for each in found}
    assert step == f"speech-tracker rebuild {'metadata' if 'metadata' in damage else 'scores'}"
    assert all(each["since"].startswith("20") for each in found if each["kind"] != "missing")
