"""The read routes on the real stack: what was sent through the gateway, asked for over HTTP."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pyarrow as pa
import pytest
import pytest_asyncio

from speech_experiment_api.queries import documents
from speech_experiment_schemas import Sealer, wire
from speech_experiment_schemas.experiments import ExperimentCreated, ExperimentRenamed
from speech_experiment_schemas.ids import experiment_id, uuid7
from speech_experiment_schemas.metrics import Call, pack_calls
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened
from speech_experiment_schemas.runs import (
    RunConfigured,
    RunFailed,
    RunFinished,
    RunOutput,
    RunResumed,
    RunStarted,
    RunTagged,
)
from tests.conftest import RunningStack
from tests.integration.gateway_tools import Producer, make_client, post, queryable, reply_of

pytestmark = pytest.mark.stack

ARROW = {"Accept": "application/vnd.apache.arrow.stream"}
TIME = 1_790_000_000_000_000


class Lab:
    """A few runs in a workspace of their own, and clients of two roles in it."""

    def __init__(self, editor: httpx.AsyncClient, admin: httpx.AsyncClient, workspace: str) -> None:
        self.client, self.admin, self.workspace = editor, admin, workspace
        self.experiment = experiment_id(workspace, "Conformer ASR")
        self.runs: dict[str, UUID] = {}

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.client.get(f"/api/v1{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def names(self, text: str = "", **params: Any) -> list[str]:
        found = await self.get("/runs", filter=text, **params)
        return [run["name"] for run in found["runs"]]

    async def problem(self, path: str, status: int = 400, **params: Any) -> Any:
        answer = await self.client.get(f"/api/v1{path}", params=params)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.json()

    async def send(self, *records: bytes) -> None:
        await queryable(self.client, reply_of(await post(self.client, wire.encode_batch(list(records)))))

    async def run(
        self, name: str, config: dict[str, Any], tags: dict[str, str], *calls: Call, finish: bool = True
    ) -> UUID:
        producer = Producer()
        self.runs[name] = producer.run
        producer.open("runs", "metrics")
        producer.say(
            RunStarted(
                experiment=self.experiment, experiment_name="Conformer ASR", name=name, tags=tags, user="ann"
            )
        )
        producer.say(RunConfigured(config=config))
        if calls:
            producer.log(*calls)
        if finish:
            producer.finish()
        await self.send(*producer.records)
        return producer.run


def curve(steps: int, *, wer: float) -> list[Call]:
    """A loss and a WER that falls to `wer`, a step a second."""
    return [
        (
            step,
            TIME + step * 1_000_000,
            step / 10,
            {"train_loss": 1 / (step + 1), "val_wer": wer + (steps - 1 - step)},
        )
        for step in range(steps)
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(stack: RunningStack) -> AsyncIterator[Lab]:
    """Four runs of an experiment: two finished, one failed, one still running."""
    workspace = f"lab-{uuid4().hex[:8]}"
    headers = {"Authorization": f"Bearer {stack.key}"}
    async with httpx.AsyncClient(base_url=stack.url, timeout=60, headers=headers) as owner:
        editor = await make_client(owner, "editor", workspace)
        admin = await make_client(owner, "admin", workspace)
    async with editor, admin:
        lab = Lab(editor, admin, workspace)
        await _experiment(lab)
        await _runs(lab)
        yield lab


async def _experiment(lab: Lab) -> None:
    sealer = Sealer(uuid7(), "runs")
    subject = ("experiment", lab.experiment)
    await lab.send(
        sealer.seal(ProducerOpened(), subject),
        sealer.seal(ExperimentCreated(name="Conformer ASR", task="asr", description="first"), subject),
    )


async def _runs(lab: Lab) -> None:
    results = {"librispeech-test-clean_wer": 0.04, "librispeech-test-other_wer": 0.09}
    await lab.run(
        "good",
        {"model": "conformer", "encoder_layers": 12, "optimizer": {"lr": 1e-3}},
        {"language": "en", "stage": "final"},
        *curve(20, wer=0.1),
        (None, TIME, None, results | {"speaker_1272_wer": 0.2, "test-clean_wer_beam10_lm0.5": 0.03}),
    )
    await lab.run(
        "draft",
        {"model": "conformer", "encoder_layers": 18, "optimizer": {"lr": 5e-4}},
        {"language": "de", "stage": "draft"},
        *curve(10, wer=0.3),
        (None, TIME, None, {"librispeech-test-clean_wer": 0.03}),
    )
    await lab.run(
        "untagged",
        {"model": "whisper", "encoder_layers": 6},
        {"language": "en"},
        (0, TIME, None, {"val_wer": math.nan, "train_loss": math.inf}),
        (None, TIME, None, {"librispeech-test-clean_wer": 0.2}),
    )
    failed = Producer().open("runs")
    lab.runs["failed"] = failed.run
    failed.say(RunStarted(experiment=lab.experiment, name="failed", tags={"language": "fr"}))
    failed.say(RunFailed(error="CUDA out of memory", traceback="Traceback …", exit_code=1))
    await lab.send(*failed.records)


async def test_the_documented_filter(lab: Lab) -> None:
    text = (
        "task = 'asr' and language in ('en','de') and params.encoder_layers >= 12 "
        "and wer['librispeech-test-clean'] < 0.05 and not tags.stage = 'draft' order by metrics.val_wer"
    )
    assert await lab.names(text) == ["good"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["failed", "untagged", "draft", "good"]),
        ("order by created", ["good", "draft", "untagged", "failed"]),
        ("not tags.stage = 'draft' order by name", ["failed", "good", "untagged"]),
        ("tags.stage != 'draft'", ["good"]),
        ("tags.stage is null order by name", ["failed", "untagged"]),
        ("order by metrics.val_wer", ["good", "draft", "failed", "untagged"]),
        ("order by wer['librispeech-test-clean'] desc", ["untagged", "good", "draft", "failed"]),
        ("order by params.optimizer.lr, name desc", ["draft", "good", "untagged", "failed"]),
        ("params.optimizer.lr between 1e-4 and 6e-4", ["draft"]),
        ("model_type = 'whisper' or status = 'failed' order by name", ["failed", "untagged"]),
        ("wer[speaker='1272'] > 0.1", ["good"]),
        ("test_set = 'librispeech-test-other'", ["good"]),
        ("metrics.val_wer.nans > 0", ["untagged"]),
        ("metrics.train_loss.count = 20", ["good"]),
        ("experiment = 'Conformer ASR' and user = 'ann' and name ilike 'G%'", ["good"]),
        ("error contains 'cuda' and created > now() - 1h", ["failed"]),
        ("language = 'en' order by name desc", ["untagged", "good"]),
        (
            "duration >= 0s and status in ('finished') and created >= '2020-01-01' order by name",
            ["draft", "good", "untagged"],
        ),
    ],
)
async def test_filters_and_orders(lab: Lab, text: str, names: list[str]) -> None:
    found = await lab.names(text)
    if text == "order by metrics.val_wer":  # ties of the missing are by id, which is by time here
        assert found[:2] == names[:2]
        assert set(found[2:]) == set(names[2:])
    else:
        assert found == names


async def test_a_listed_run_says_all_that_the_document_promises(lab: Lab) -> None:
    page = await lab.client.get("/api/v1/runs", params={"filter": "name = 'good'"})
    [run] = msgspec.json.decode(page.content, type=documents.RunPage).runs
    assert run.id == lab.runs["good"]
    assert (run.experiment, run.task, run.user, run.status) == ("Conformer ASR", "asr", "ann", "finished")
    assert run.config == {"model": "conformer", "encoder_layers": 12, "optimizer": {"lr": 1e-3}}
    assert run.tags == {"language": "en", "stage": "final"}
    assert (run.model_type, run.encoder_layers, run.languages) == ("conformer", 12, ["en"])
    assert run.metrics["train_loss"] == pytest.approx(1 / 20)
    assert run.test_sets["librispeech-test-clean"] == {"wer": 0.04}
    assert run.finished_at is not None
    assert run.duration is not None


async def test_numbers_that_json_does_not_have_are_named(lab: Lab) -> None:
    [run] = (await lab.get("/runs", filter="name = 'untagged'"))["runs"]
    assert (run["metrics"]["val_wer"], run["metrics"]["train_loss"]) == ("NaN", "Infinity")


async def test_pages_follow_each_other_to_the_end(lab: Lab) -> None:
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": 1, "order_by": "metrics.val_wer desc", "fields": "name"}
        page = await lab.get("/runs", **(params | ({"cursor": cursor} if cursor else {})))
        seen += [run["name"] for run in page["runs"]]
        assert all(run.keys() == {"id", "name"} for run in page["runs"])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == await lab.names("order by metrics.val_wer desc")


async def test_a_cursor_is_good_for_its_own_question_alone(lab: Lab) -> None:
    cursor = (await lab.get("/runs", limit=1))["next_cursor"]
    assert (
        "another filter" in (await lab.problem("/runs", filter="status = 'failed'", cursor=cursor))["detail"]
    )
    assert "not made by" in (await lab.problem("/runs", cursor=f"A{cursor}"))["detail"]


async def test_a_filter_that_is_not_understood_says_where_and_what(lab: Lab) -> None:
    problem = await lab.problem("/runs", filter="learnign_rate < 1")
    assert problem["type"].endswith(":invalid_filter")
    assert (problem["field"], problem["position"]) == ("filter", 0)
    assert "learning_rate" in problem["hint"]
    assert (await lab.problem("/runs", order_by="wer"))["field"] == "order_by"
    assert (await lab.problem("/runs", filter="order by name", order_by="name"))["field"] == "order_by"
    assert (await lab.problem("/runs", fields="id,nonsense"))["field"] == "fields"
    assert (await lab.problem("/runs", limit=0))["field"] == "limit"


async def test_nobody_sees_another_workspace(lab: Lab, admin: httpx.AsyncClient) -> None:
    run = lab.runs["good"]
    for path in (f"/runs/{run}", f"/runs/{run}/metrics", f"/runs/{run}/curves?key=a", f"/runs/{run}/logs"):
        assert (await admin.get(f"/api/v1{path}")).status_code == 404
    assert (await admin.get(f"/api/v1/curves?run={run}&key=a")).status_code == 404
    assert (await admin.get(f"/api/v1/experiments/{lab.experiment}")).status_code == 404
    assert not (await admin.get("/api/v1/runs", params={"filter": f"id = '{run}'"})).json()["runs"]


async def test_a_run_in_full(lab: Lab) -> None:
    answer = await lab.client.get(f"/api/v1/runs/{lab.runs['good']}")
    run = msgspec.json.decode(answer.content, type=documents.RunDetails)
    assert run.last_step == 19
    assert not run.deleted
    found = {(row.test_set, row.metric, row.speaker, row.decoding): row.value for row in run.results}
    assert found["librispeech-test-other", "wer", "", ""] == 0.09
    assert found["", "wer", "1272", ""] == 0.2
    assert found["test-clean", "wer", "", "beam=10,lm=0.5"] == 0.03
    failed = await lab.get(f"/runs/{lab.runs['failed']}")
    assert (failed["error"], failed["exit_code"], failed["traceback"]) == (
        "CUDA out of memory",
        1,
        "Traceback …",
    )
    await lab.problem(f"/runs/{uuid4()}", 404)


async def test_the_metrics_of_a_run(lab: Lab) -> None:
    answer = await lab.client.get(f"/api/v1/runs/{lab.runs['good']}/metrics", params={"prefix": "val"})
    [wer] = msgspec.json.decode(answer.content, type=documents.MetricSummaries).metrics
    assert (wer.key, wer.count, wer.last_step, wer.min_step, wer.max_step) == ("val_wer", 20, 19, 19, 0)
    assert wer.best == wer.min == wer.last == pytest.approx(0.1)


async def test_groups_with_statistics(lab: Lab) -> None:
    params = {"group_by": "model_type,task", "aggregate": "wer['librispeech-test-clean']"}
    answer = await lab.client.get("/api/v1/runs", params=params)
    groups = msgspec.json.decode(answer.content, type=documents.RunPage).groups
    [conformer] = [group for group in groups if group.by["model_type"] == "conformer"]
    assert conformer.by["task"] == "asr"
    assert conformer.count == 2
    numbers = conformer.values["wer['librispeech-test-clean']"]
    assert (numbers.count, numbers.min, numbers.max) == (2, 0.03, 0.04)
    assert numbers.mean == pytest.approx(0.035)
    assert numbers.sd == pytest.approx(0.00707, rel=1e-3)
    by_language = (await lab.get("/runs", group_by="language"))["groups"]
    assert {group["by"]["language"]: group["count"] for group in by_language} == {"en": 2, "de": 1, "fr": 1}
    assert (await lab.problem("/runs", group_by="nonsense"))["position"] == 0


async def test_curves(lab: Lab) -> None:
    run = lab.runs["good"]
    found = await lab.get(f"/runs/{run}/curves", key=["train_loss", "val_wer", "nothing"])
    msgspec.convert(found, documents.Curves)
    assert found["curves"].keys() == {"train_loss", "val_wer"}
    loss = found["curves"]["train_loss"]
    assert loss["step"] == list(range(20))
    assert loss["value"] == [1 / (step + 1) for step in range(20)]
    assert loss["time"][:2] == [TIME / 1e6, TIME / 1e6 + 1]
    epochs = await lab.get(f"/runs/{run}/curves", key="train_loss", axis="epoch")
    assert epochs["curves"]["train_loss"]["epoch"][-1] == 1.9
    named = await lab.get(f"/runs/{lab.runs['untagged']}/curves", key=["val_wer", "train_loss"], points=0)
    assert named["curves"]["val_wer"]["value"] == ["NaN"]
    assert named["curves"]["train_loss"]["value"] == ["Infinity"]


@pytest.mark.parametrize(
    ("axis", "begin", "end", "steps"),
    [
        ("step", 5, 8, range(5, 9)),
        ("step", 18, None, range(18, 20)),
        ("epoch", 0.45, 0.75, range(5, 8)),
        ("time", None, TIME / 1e6 + 2.5, range(3)),
    ],
)
async def test_a_part_of_an_axis(
    lab: Lab, axis: str, begin: float | None, end: float | None, steps: range
) -> None:
    part = {name: value for name, value in (("begin", begin), ("end", end)) if value is not None}
    found = await lab.get(f"/runs/{lab.runs['good']}/curves", key="train_loss", axis=axis, **part)
    assert found["curves"]["train_loss"]["step"] == list(steps)


async def test_a_part_of_an_axis_begins_at_a_number(lab: Lab) -> None:
    for text in ("nan", "five"):
        problem = await lab.problem(f"/runs/{lab.runs['good']}/curves", key="train_loss", begin=text)
        assert problem["field"] == "begin"


async def test_curves_as_an_arrow_table(lab: Lab) -> None:
    runs = [str(lab.runs["good"]), str(lab.runs["draft"])]
    params: dict[str, Any] = {"run": runs, "key": ["train_loss", "val_wer"], "points": 0}
    answer = await lab.client.get("/api/v1/curves", params=params, headers=ARROW)
    assert answer.headers["content-type"] == ARROW["Accept"]
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.column_names == ["run", "key", "step", "value", "time"]
    assert table.num_rows == 2 * (20 + 10)
    as_json = await lab.get("/curves", **params)
    msgspec.convert(as_json, documents.ManyCurves)
    assert as_json["runs"][runs[1]]["curves"]["val_wer"]["value"][-1] == pytest.approx(0.3)


async def test_a_thinned_curve_keeps_its_extremes(lab: Lab) -> None:
    calls: list[Call] = [(step, TIME + step, None, {"spiky": float(step == 700)}) for step in range(3_000)]
    run = await lab.run("spiky", {}, {}, *calls)
    found = await lab.get(f"/runs/{run}/curves", key="spiky", points=50)
    spiky = found["curves"]["spiky"]
    assert len(spiky["step"]) <= 55
    assert spiky["value"][spiky["step"].index(700)] == 1.0
    assert spiky["step"][-1] == 2_999
    await lab.admin.delete(f"/api/v1/runs/{run}")


async def test_a_resumed_run_has_one_effective_curve(lab: Lab) -> None:
    first, second = Producer(), Producer()
    second.run = first.run
    first.open("runs", "metrics")
    first.say(RunStarted(experiment=lab.experiment, name="resumed"))
    first.log(*[(step, TIME, None, {"loss": 1.0}) for step in range(10)])
    await lab.send(*first.records)
    second.say(ProducerOpened(attempt=2), "runs")
    second.say(ProducerOpened(attempt=2), "metrics")
    second.say(RunResumed(attempt=2, from_step=4), "runs")
    second.say(RunResumed(attempt=2, from_step=4), "metrics")
    second.log(*[(step, TIME, None, {"loss": 2.0}) for step in range(5, 8)])
    second.say(RunFinished())
    await lab.send(*second.records)
    found = (await lab.get(f"/runs/{first.run}/curves", key="loss"))["curves"]["loss"]
    assert found["step"] == list(range(8))
    assert found["value"] == [1.0] * 5 + [2.0] * 3
    tails = (await lab.get(f"/runs/{first.run}/curves", key="loss", abandoned="true"))["curves"]["loss"]
    assert sum(tails["abandoned"]) == 5
    run = await lab.get(f"/runs/{first.run}")
    assert (run["attempts"], run["last_step"]) == (2, 7)
    assert [(each["attempt"], each["from_step"]) for each in run["resumes"]] == [(2, 4)]
    await lab.admin.delete(f"/api/v1/runs/{first.run}")


async def test_ranks_are_series_of_their_own(lab: Lab) -> None:
    run = await lab.run("ranks", {}, {}, (0, TIME, None, {"loss": 1.0}))
    other = Producer(run)
    other.say(ProducerOpened(rank=1, world_size=2), "metrics")
    other.say(pack_calls([(0, TIME, None, {"loss": 5.0})]), "metrics")
    other.say(ProducerClosed(reason="finished"), "metrics")
    await lab.send(*other.records)
    assert (await lab.get(f"/runs/{run}/curves", key="loss"))["curves"]["loss"]["value"] == [1.0]
    assert (await lab.get(f"/runs/{run}/curves", key="loss", rank=1))["curves"]["loss"]["value"] == [5.0]
    both = (await lab.get(f"/runs/{run}/curves", key="loss", rank="all"))["curves"]["loss"]
    assert (both["rank"], both["value"]) == ([0, 1], [1.0, 5.0])
    assert await lab.names("metrics['loss', rank=1] = 5") == ["ranks"]
    await lab.admin.delete(f"/api/v1/runs/{run}")


async def test_curves_need_sensible_parameters(lab: Lab) -> None:
    run = lab.runs["good"]
    assert (await lab.problem(f"/runs/{run}/curves"))["field"] == "key"
    assert (await lab.problem(f"/runs/{run}/curves", key="a", axis="moon"))["field"] == "axis"
    assert (await lab.problem(f"/runs/{run}/curves", key="a", points=-1))["field"] == "points"
    assert (await lab.problem("/curves", key="a"))["field"] == "run"
    assert (await lab.problem("/curves", key="a", run="abc"))["field"] == "run"


async def test_logs_from_the_end(lab: Lab) -> None:
    producer = Producer().open()
    producer.say(RunStarted(experiment=lab.experiment, name="talking"))
    producer.say(RunOutput(channel="stdout", first=0, lines=["one", "two", "three"]))
    producer.say(RunOutput(channel="stderr", first=0, lines=["warning"]))
    producer.say(RunOutput(channel="stdout", first=3, lines=["four"]))
    await lab.send(*producer.records)
    path = f"/runs/{producer.run}/logs"
    everything = await lab.get(path)
    msgspec.convert(everything, documents.LogLines)
    assert [line["text"] for line in everything["lines"]] == ["one", "two", "three", "warning", "four"]
    latest = await lab.get(path, channel="stdout", limit=2)
    assert [(line["number"], line["text"]) for line in latest["lines"]] == [(2, "three"), (3, "four")]
    above = await lab.get(path, channel="stdout", limit=2, before=latest["before"])
    assert [line["text"] for line in above["lines"]] == ["one", "two"]
    assert above["before"] is None
    assert (await lab.problem(path, channel="radio"))["field"] == "channel"
    await lab.admin.delete(f"/api/v1/runs/{producer.run}")


async def test_values_to_choose_from(lab: Lab) -> None:
    async def values(field: str, **params: Any) -> dict[str, int]:
        found = await lab.get("/values", field=field, **params)
        return {each["value"]: each["count"] for each in found["values"]}

    assert await values("language") == {"en": 2, "de": 1, "fr": 1}
    assert await values("tags") == {"language": 4, "stage": 2}
    assert await values("tags.stage", prefix="F") == {"final": 1}
    assert await values("params") == {"encoder_layers": 3, "model": 3, "optimizer.lr": 2}
    assert await values("params.encoder_layers") == {"12": 1, "18": 1, "6": 1}
    assert await values("test_set", prefix="libri", limit=1) == {"librispeech-test-clean": 3}
    assert "train_loss" in await values("metrics")
    assert await values("status") == {"finished": 3, "failed": 1}
    assert await values("task") == {"asr": 4}
    assert (await lab.problem("/values", field="wer['x']"))["field"] == "field"
    assert (await lab.problem("/values", field="nonsense"))["field"] == "field"


async def test_test_sets_and_the_leaderboard(lab: Lab) -> None:
    sets = msgspec.convert(await lab.get("/test-sets"), documents.TestSets).test_sets
    assert {each.test_set: each.runs for each in sets} == {
        "librispeech-test-clean": 3,
        "librispeech-test-other": 1,
        "test-clean": 1,
    }
    found = await lab.get(
        "/leaderboard", test_set=["librispeech-test-clean"], filter="not tags.stage = 'draft'"
    )
    board = msgspec.convert(found, documents.Leaderboard)
    assert [(row.run, row.values) for row in board.rows] == [
        ("good", {"librispeech-test-clean": 0.04}),
        ("untagged", {"librispeech-test-clean": 0.2}),
    ]
    whole = await lab.get("/leaderboard", limit=2)
    assert whole["test_sets"] == ["librispeech-test-clean", "librispeech-test-other", "test-clean"]
    assert [(row["run"], row["decoding"], row["missing"]) for row in whole["rows"]][:1] == [("good", "", 1)]
    assert len(whole["rows"]) == 2
    swept = await lab.get("/leaderboard", test_set="test-clean")
    assert [(row["run"], row["decoding"]) for row in swept["rows"]] == [("good", "beam=10,lm=0.5")]


async def test_runs_that_were_cancelled_did_not_fail(stack: RunningStack) -> None:
    headers = {"Authorization": f"Bearer {stack.key}"}
    async with httpx.AsyncClient(base_url=stack.url, timeout=60, headers=headers) as owner:
        lab = Lab(await make_client(owner, "editor", f"lab-{uuid4().hex[:8]}"), owner, "")
    async with lab.client:
        experiment = uuid7()
        for ending in (RunFailed(error="x"), RunFailed(error="enough", status="cancelled"), None):
            producer = Producer().open("runs").start("a run", experiment)
            if ending:
                producer.say(ending)
            await lab.send(*producer.records)
        counts = (await lab.get(f"/experiments/{experiment}"))["runs"]
        assert counts == {"total": 3, "running": 1, "finished": 0, "failed": 1, "cancelled": 1}


async def test_experiments(lab: Lab) -> None:
    page = msgspec.convert(await lab.get("/experiments"), documents.ExperimentPage)
    [experiment] = page.experiments
    assert (experiment.name, experiment.task, experiment.description) == ("Conformer ASR", "asr", "first")
    assert (experiment.runs.total, experiment.runs.finished, experiment.runs.failed) == (4, 3, 1)
    assert experiment.latest is not None
    assert experiment.latest.name == "failed"
    whole = msgspec.convert(await lab.get(f"/experiments/{lab.experiment}"), documents.ExperimentDetails)
    best = {(each.test_set, each.metric, each.decoding): each.run for each in whole.best}
    assert best["librispeech-test-clean", "wer", ""] == "draft"
    assert best["librispeech-test-other", "wer", ""] == "good"
    assert (await lab.get("/experiments", name="nothing like it"))["experiments"] == []
    await lab.problem(f"/experiments/{uuid4()}", 404)


async def test_experiments_page_by_page(lab: Lab, stack: RunningStack) -> None:
    workspace = f"lab-{uuid4().hex[:8]}"
    headers = {"Authorization": f"Bearer {stack.key}"}
    async with httpx.AsyncClient(base_url=stack.url, timeout=60, headers=headers) as owner:
        client = await make_client(owner, "editor", workspace)
    async with client:
        other = Lab(client, client, workspace)
        names = ["one", "two", "three"]
        for name in names:
            sealer, subject = Sealer(uuid7(), "runs"), ("experiment", experiment_id(workspace, name))
            await other.send(sealer.seal(ExperimentCreated(name=name, task=name[0]), subject))
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await other.get("/experiments", limit=1, **cursor)
            seen += [experiment["name"] for experiment in page["experiments"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert seen == names[::-1]
        assert [each["name"] for each in (await other.get("/experiments", task="o"))["experiments"]] == [
            "one"
        ]
        assert [each["name"] for each in (await other.get("/experiments", name="TW"))["experiments"]] == [
            "two"
        ]
        await other.problem("/experiments", 403, deleted="true")
        await lab.problem("/experiments", 400, cursor=cursor["cursor"])


async def test_a_renamed_experiment_is_still_found_by_its_birth_name(lab: Lab) -> None:
    sealer = Sealer(uuid7(), "runs")
    subject = ("experiment", lab.experiment)
    await lab.send(sealer.seal(ExperimentRenamed(name="Better name"), subject))
    assert "good" in await lab.names("experiment = 'Better name'")
    assert "good" in await lab.names("experiment = 'Conformer ASR'")
    await lab.send(sealer.seal(ExperimentRenamed(name="Conformer ASR"), subject))


async def test_a_deleted_run_is_hidden_from_all_but_admins_who_ask(lab: Lab) -> None:
    run = await lab.run("unwanted", {}, {"stage": "unwanted"})
    assert await lab.names("tags.stage = 'unwanted'") == ["unwanted"]
    assert (await lab.admin.delete(f"/api/v1/runs/{run}")).status_code < 300
    assert await lab.names("tags.stage = 'unwanted'") == []
    await lab.problem(f"/runs/{run}", 404)
    await lab.problem(f"/runs/{run}/curves", 404, key="a")
    await lab.problem("/runs", 403, deleted="true")
    found = (await lab.admin.get("/api/v1/runs", params={"deleted": "true"})).json()["runs"]
    assert str(run) in {each["id"] for each in found}
    shown = await lab.admin.get(f"/api/v1/runs/{run}", params={"deleted": "true"})
    assert shown.json()["deleted"] is True


async def test_an_etag_holds_until_something_is_written(lab: Lab) -> None:
    async def settled() -> httpx.Response:
        """The list once no projection moves: what earlier tests wrote may still be on its way."""
        tag: dict[str, str] = {}
        while (answer := await lab.client.get("/api/v1/runs", headers=tag)).status_code == 200:
            tag = {"If-None-Match": answer.headers["etag"]}
            await asyncio.sleep(0.2)
        return answer

    first = await asyncio.wait_for(settled(), 30)
    assert (first.status_code, first.content) == (304, b"")
    tag = {"If-None-Match": first.headers["etag"]}
    producer = Producer()
    producer.run = lab.runs["good"]
    await lab.send(producer.say(RunTagged(tags={"seen": "yes"})))
    changed = await lab.client.get("/api/v1/runs", headers=tag)
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]
    await lab.send(producer.say(RunTagged(removed=["seen"])))
