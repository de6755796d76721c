"""Asked again by its vector, an answer is the same to the last byte, whatever was logged in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from speech_experiment_api.vectors import open_token
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.artifacts import ArtifactLogged
from speech_experiment_schemas.experiments import (
    ExperimentArchived,
    ExperimentCreated,
    ExperimentLinked,
    ExperimentRenamed,
    ExperimentUpdated,
)
from speech_experiment_schemas.ids import experiment_id, uuid7
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened
from speech_experiment_schemas.runs import (
    RunConfigured,
    RunEnvironment,
    RunHeartbeat,
    RunLinked,
    RunNoted,
    RunOutput,
    RunRenamed,
    RunResumed,
    RunStarted,
    RunTagged,
)
from tests.conftest import RunningStack
from tests.integration.gateway_tools import Producer, make_client
from tests.integration.test_queries_http import TIME, Lab, curve

pytestmark = pytest.mark.stack

ARROW = {"Accept": "application/vnd.apache.arrow.stream"}
SEARCHES: list[dict[str, Any]] = [
    {},
    {"filter": "params.lr < 0.01 order by metrics.val_wer"},
    {"filter": "encoder_layers >= 12 and tags.stage = 'final'", "order_by": "name"},
    {"filter": "wer['librispeech-test-clean'] < 0.2", "order_by": "wer['librispeech-test-clean'] desc"},
    {"filter": "metrics.train_loss.mean < 1 or not tags.stage = 'draft'", "order_by": "created"},
    {"filter": "status = 'running' or experiment contains 'conformer'", "limit": 2},
    {
        "filter": "test_set contains 'libri'",
        "fields": "id,config,environment,links,results,resumes,last_step",
    },
    {"group_by": "tags.stage", "aggregate": "metrics.val_wer.mean,params.lr"},
    {"group_by": "test_set,language"},
]


class Asked:
    """Questions with their first answers."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.answers: list[tuple[str, dict[str, Any], str, bytes]] = []

    async def everything(self) -> None:
        lab = self.lab
        for search in SEARCHES:
            await self.ask("/runs", **search)
        await self.ask("/experiments")
        await self.ask(f"/experiments/{lab.experiment}")
        await self.ask("/leaderboard")
        await self.ask("/leaderboard", filter="tags.stage = 'final'", test_set="librispeech-test-other")
        await self.ask("/test-sets")
        for field in (
            "tags",
            "params",
            "metrics",
            "tags.stage",
            "language",
            "status",
            "test_set",
            "experiment",
        ):
            await self.ask("/values", field=field)
        for run in lab.runs.values():
            await self.ask(f"/runs/{run}")
            await self.ask(f"/runs/{run}/metrics", ranks="true")
            for key in ("train_loss", "val_wer"):
                await self.ask(f"/runs/{run}/curves", key=key, rank="all", abandoned="true")
            await self.ask(f"/runs/{run}/artifacts", versions="true")
            await self.ask(f"/runs/{run}/logs")
        await self.ask(
            "/curves", run=list(map(str, lab.runs.values())), key=["train_loss", "val_wer"], points=5
        )

    async def ask(self, path: str, **params: Any) -> None:
        answer = await self.lab.client.get(f"/api/v1{path}", params=params)
        assert answer.status_code == 200, answer.text
        vector = answer.headers["X-Tracker-Vector"]
        assert answer.json()["vector"] == vector
        self.answers.append((path, params, vector, answer.content))

    async def same_again(self) -> list[str]:
        """What differs."""
        found = []
        for path, params, vector, body in self.answers:
            answer = await self.lab.client.get(f"/api/v1{path}", params={**params, "as_of": vector})
            if answer.content != body:
                found.append(f"{path} {params}\n  then  {body!r}\n  again {answer.content!r}")
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(stack: RunningStack) -> AsyncIterator[Lab]:
    workspace = f"past-{uuid4().hex[:8]}"
    headers = {"Authorization": f"Bearer {stack.key}"}
    async with httpx.AsyncClient(base_url=stack.url, timeout=60, headers=headers) as owner:
        editor = await make_client(owner, "editor", workspace)
        admin = await make_client(owner, "admin", workspace)
    async with editor, admin:
        lab = Lab(editor, admin, workspace)
        yield lab


async def build(lab: Lab) -> dict[str, Producer]:
    """Three runs: one finished, one that goes on in two ranks, one of a placeholder experiment."""
    sealer, subject = Sealer(uuid7(), "runs"), ("experiment", lab.experiment)
    await lab.send(
        sealer.seal(ProducerOpened(), subject),
        sealer.seal(ExperimentCreated(name="Conformer ASR", task="asr", tags={"team": "a"}), subject),
    )
    results = {"librispeech-test-clean_wer": 0.04, "librispeech-test-other_wer": 0.09, "speaker_12_wer": 0.3}
    await lab.run(
        "good",
        {"lr": 1e-3, "encoder_layers": 12},
        {"language": "en", "stage": "final"},
        *curve(200, wer=0.1),
        (None, TIME, None, results),
    )
    going = Producer().open("runs", "metrics", "artifacts")
    lab.runs["going"] = going.run
    going.say(RunStarted(experiment=lab.experiment, name="going", tags={"stage": "draft"}, user="ann"))
    going.say(RunConfigured(config={"lr": 0.1, "encoder_layers": 4}))
    going.say(RunEnvironment(host="n1", git={"commit": "abc"}, packages={"torch": "2"}))
    going.say(RunOutput(channel="stdout", first=0, lines=["one", "two"]))
    going.say(RunHeartbeat())
    going.log(
        *curve(50, wer=0.2),
        (None, TIME, None, {"librispeech-test-clean_wer": 0.11, "val_loss": float("nan")}),
    )
    going.say(artifact("a.pt"), "artifacts")
    other = Producer(going.run)
    other.log(*curve(10, wer=0.4))
    elsewhere = Producer().open("runs", "metrics")
    lab.runs["elsewhere"] = elsewhere.run
    placeholder = experiment_id(lab.workspace, "not made yet")
    elsewhere.say(RunStarted(experiment=placeholder, experiment_name="not made yet", name="elsewhere"))
    await lab.send(*going.records, *other.records, *elsewhere.records)
    for each in (going, other, elsewhere):
        each.records.clear()
    return {"going": going, "other": other, "elsewhere": elsewhere}


def artifact(path: str) -> ArtifactLogged:
    return ArtifactLogged(
        artifact=uuid7(),
        path=path,
        type="checkpoint",
        size=3,
        sha256="0" * 64,
        content_type="x/y",
        storage={"kind": "reference", "uri": "file:///a"},
    )


async def change_everything(lab: Lab, speakers: dict[str, Producer]) -> None:
    """Resumes, late points, a smaller resume step announced again, a late opening, renames, new runs …"""
    going, other, elsewhere = (speakers[name] for name in ("going", "other", "elsewhere"))
    going.say(RunHeartbeat(problems={"dropped": 3}))
    going.say(RunOutput(channel="stderr", first=0, lines=["oh"]))
    going.say(RunTagged(tags={"stage": "final", "new": "x"}))
    going.say(RunConfigured(config={"lr": 0.001, "deep": {"er": 1}}))
    going.say(RunNoted(notes="later"))
    going.say(RunLinked(kind="child_of", target=lab.runs["good"]))
    going.say(RunEnvironment(host="n2", git={"commit": "def"}))
    going.log(
        *curve(100, wer=0.05)[50:], (None, TIME, None, {"librispeech-test-clean_wer": 0.01, "fresh": 1.0})
    )
    going.say(artifact("a.pt"), "artifacts")
    going.say(artifact("b.pt"), "artifacts")
    other.say(ProducerOpened(rank=1, world_size=2), "metrics")
    second = Producer(going.run)
    for stream in ("runs", "metrics"):
        second.say(ProducerOpened(attempt=2), stream)
        second.say(RunResumed(attempt=2, from_step=30), stream)
        second.say(RunResumed(attempt=2, from_step=20), stream)
    second.log(*curve(30, wer=0.01)[21:])
    good = Producer(lab.runs["good"])
    good.say(RunRenamed(name="better"))
    good.say(RunTagged(removed=["stage"]))
    good.say(ProducerOpened(attempt=2), "metrics")
    good.say(RunResumed(attempt=2, from_step=100), "metrics")
    sealer, subject = Sealer(uuid7(), "runs"), ("experiment", lab.experiment)
    made = ("experiment", experiment_id(lab.workspace, "not made yet"))
    experiments = [
        sealer.seal(ExperimentRenamed(name="Zipformer"), subject),
        sealer.seal(ExperimentUpdated(description="new", tags={"team": ""}), subject),
        sealer.seal(ExperimentLinked(kind="follows", target=made[1]), subject),
        sealer.seal(ExperimentArchived(), subject),
        Sealer(uuid7(), "runs").seal(ExperimentCreated(name="not made yet", task="tts"), made),
    ]
    elsewhere.say(ProducerClosed(reason="lost"), "runs")
    await lab.send(
        *going.records, *other.records, *second.records, *good.records, *elsewhere.records, *experiments
    )
    for each in speakers.values():
        each.records.clear()
    await lab.run("a new one", {"lr": 1e-5}, {"stage": "draft"}, *curve(5, wer=0.5))
    del lab.runs["a new one"]


async def test_answers_come_again(lab: Lab, stack: RunningStack) -> None:
    speakers = await build(lab)
    asked = Asked(lab)
    await asked.everything()
    assert await asked.same_again() == []
    await change_everything(lab, speakers)
    assert await asked.same_again() == []
    await asked.everything()
    speakers["going"].log(*curve(150, wer=0.001)[100:])
    speakers["going"].say(RunHeartbeat(problems={"dropped": 4}))
    await lab.send(*speakers["going"].records)
    assert await asked.same_again() == []
    assert await asked.same_again() == []
    then = [answer for answer in asked.answers if answer[0] == "/leaderboard"]
    assert then[0][3] != then[2][3]


async def test_a_runs_events_end_at_the_vector(lab: Lab) -> None:
    run = Producer().open("runs", "metrics").start("told twice").log(*curve(10, wer=0.1))
    await lab.send(*run.records)
    path = f"/runs/{run.run}/events"
    then = await lab.get(path, points=True)
    more = Producer(run.run).open("metrics").log(*curve(20, wer=0.1)[10:])
    await lab.send(*more.records)
    again = await lab.get(path, points=True, as_of=then["vector"])
    assert again["events"] == then["events"]
    assert again["vector"] == then["vector"]
    now = await lab.get(path, points=True)
    assert now["events"][: len(then["events"])] == then["events"]
    assert len(now["events"]) > len(then["events"])
    await lab.problem(path, 404, as_of="2020-01-01")


async def test_pages_of_the_past_stay_at_their_vector(lab: Lab) -> None:
    vector = (await lab.get("/runs"))["vector"]
    first = await lab.get("/runs", limit=1, as_of=vector)
    await lab.run("between", {}, {})
    rest = [first]
    while rest[-1]["next_cursor"]:
        rest.append(await lab.get("/runs", limit=1, cursor=rest[-1]["next_cursor"], as_of="now"))
        assert rest[-1]["vector"] == vector
    names = [run["name"] for page in rest for run in page["runs"]]
    assert "between" not in names
    assert names == [run["name"] for run in (await lab.get("/runs", as_of=vector))["runs"]]
    plain = await lab.get("/runs", limit=1)
    assert (await lab.problem("/runs", as_of=vector, limit=1, cursor=plain["next_cursor"]))[
        "field"
    ] == "cursor"


async def test_curves_take_nothing_from_what_searches_compare(lab: Lab) -> None:
    runs = {str(await lab.run(f"compared {wer}", {}, {}, *curve(5, wer=wer))) for wer in (0.7, 0.8)}
    search = {"filter": "metrics.val_wer > 0.6", "as_of": (await lab.get("/runs"))["vector"]}
    (shown,) = (await lab.get("/runs", limit=1, **search))["runs"]
    (other,) = runs - {shown["id"]}
    assert (await lab.get(f"/runs/{other}/curves", key="train_loss", as_of=search["as_of"]))["curves"]
    assert runs <= {run["id"] for run in (await lab.get("/runs", **search))["runs"]}


async def test_moments(lab: Lab) -> None:
    before = datetime.now(UTC)
    await asyncio.sleep(0.01)
    run = await lab.run("of the moment", {}, {"t": "1"})
    told = (await lab.get(f"/runs/{run}/events"))["events"][-1]["time"]
    assert (await lab.get(f"/runs/{run}", as_of=told))["tags"] == {"t": "1"}, "in the second it was logged in"
    await asyncio.sleep(0.01)
    middle = datetime.now(UTC).isoformat()
    await asyncio.sleep(0.01)
    sealer = Sealer(uuid7(), "runs")
    await lab.send(sealer.seal(RunTagged(tags={"t": "2"}), ("run", run)))
    assert (await lab.get(f"/runs/{run}", as_of=middle))["tags"] == {"t": "1"}
    assert (await lab.get(f"/runs/{run}"))["tags"] == {"t": "2"}
    problem = await lab.problem(f"/runs/{run}", 404, as_of=before.isoformat())
    assert "as of" in problem["detail"]
    again = await lab.get(f"/runs/{run}", as_of=(await lab.get(f"/runs/{run}", as_of=middle))["vector"])
    assert again["tags"] == {"t": "1"}
    assert (await lab.get("/runs", as_of=middle))["vector"].startswith("v")
    await asyncio.sleep(1.1)
    assert (await lab.get(f"/runs/{run}", as_of="now"))["tags"] == {"t": "2"}


async def test_before_the_log_began_the_world_is_empty(lab: Lab) -> None:
    for path, name in (("/runs", "runs"), ("/experiments", "experiments"), ("/test-sets", "test_sets")):
        assert (await lab.get(path, as_of="2001-01-01"))[name] == []
    assert (await lab.get("/leaderboard", as_of="2001-01-01"))["rows"] == []
    await lab.problem(f"/experiments/{lab.experiment}", 404, as_of="2001-01-01")


async def test_what_cannot_be_read_at_is_refused(lab: Lab) -> None:
    vector = open_token((await lab.get("/runs"))["vector"])
    for text in ("last tuesday", "2099-01-01", "vAAAA", "v", "2026-11-31"):
        problem = await lab.problem("/runs", as_of=text)
        assert problem["field"] == "as_of"
    for other in (
        vector._replace(log=b"anothers"),
        vector._replace(offsets=tuple((*each, 7) for each in vector.offsets)),
        vector._replace(offsets=((10**9,), *vector.offsets[1:])),
    ):
        problem = await lab.problem("/runs", as_of=other.token())
        assert problem["type"].endswith(":other_log"), problem


async def test_contact_that_was_lost_then(lab: Lab, settings: Any) -> None:
    """A vector's own moment is `now`, and the heartbeats known are those before it."""
    producer = Producer().open("runs")
    producer.say(RunStarted(experiment=lab.experiment, name="silent"))
    producer.say(RunHeartbeat())
    await lab.send(*producer.records)
    producer.records.clear()
    vector = open_token((await lab.get(f"/runs/{producer.run}"))["vector"])
    later = vector._replace(moment=vector.moment + 61_000_000)
    producer.say(RunHeartbeat())
    await lab.send(*producer.records)
    assert (await lab.get(f"/runs/{producer.run}", as_of=vector.token()))["status"] == "running"
    assert (await lab.get(f"/runs/{producer.run}", as_of=later.token()))["status"] == "lost contact"
    connection = await asyncpg.connect(settings.postgres_dsn)
    contacts = await connection.fetch(
        "select * from metadata_v1.run_contacts where run_id = $1", producer.run
    )
    assert [len(row["beats"]) for row in contacts] == [32]
    await connection.close()


async def test_etags_hold_for_a_vector(lab: Lab) -> None:
    vector = (await lab.get("/runs"))["vector"]
    first = await lab.client.get("/api/v1/runs", params={"as_of": vector})
    await lab.run("and on", {}, {})
    again = await lab.client.get(
        "/api/v1/runs", params={"as_of": vector}, headers={"If-None-Match": first.headers["ETag"]}
    )
    assert again.status_code == 304
    arrow = await lab.client.get(
        f"/api/v1/runs/{lab.runs['and on']}/curves", params={"key": "a"}, headers=ARROW
    )
    assert open_token(arrow.headers["X-Tracker-Vector"])


async def test_many_vectors_at_a_time(lab: Lab) -> None:
    vectors = []
    for index in range(7):
        await lab.run(f"one of many {index}", {}, {"i": str(index)})
        vectors.append((await lab.get("/runs"))["vector"])
    wanted = [await lab.client.get("/api/v1/runs", params={"as_of": vector}) for vector in vectors]
    found = await asyncio.gather(
        *(lab.client.get("/api/v1/runs", params={"as_of": vector}) for vector in vectors * 4)
    )
    assert [each.content for each in found] == [each.content for each in wanted] * 4
    assert all(each.status_code == 200 for each in found)
    some = UUID(wanted[-1].json()["runs"][0]["id"])
    assert (await lab.get(f"/runs/{some}", as_of=vectors[-1]))["name"] == "one of many 6"
