"""The metrics worker as a process: killed under load it loses and doubles nothing; curves read what it wrote."""

from __future__ import annotations

import asyncio
import random
import signal
from math import isnan

import msgspec
import pytest

from speech_experiment_infra.connections import clickhouse, postgres_pool
from speech_experiment_infra.settings import Settings
from speech_experiment_projections.curves import CurveRequest, CurveRun, Speaker, curve_query
from speech_experiment_projections.effective import Resume
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.ids import producer_hash, run_hash, uuid7
from speech_experiment_schemas.metrics import pack_calls
from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.runs import RunResumed
from tests.conftest import RunningStack
from tests.integration.metrics_log import (
    TOPIC,
    Run,
    append,
    check,
    create_tables,
    disorder,
    read_log,
    start_worker,
    wait_for,
)

pytestmark = pytest.mark.stack

VERSION = 90
TABLE = "metric_points_v1"


async def test_killed_again_and_again_under_load(stack: RunningStack, settings: Settings) -> None:
    dice = random.Random(7)
    environment = {"SPEECH_TRACKER_SERVER_SETTINGS": str(stack.data_dir / "settings.json")}
    await create_tables(settings, VERSION)
    runs = [message for _ in range(6) for message in Run(dice).messages(attempts=2, ranks=2, calls=60)]
    deck = disorder(dice, runs, 2)
    size = len(deck) // 6 + 1
    for part in range(5):
        worker = await start_worker(environment, VERSION, "test")
        await append(settings, deck[part * size : (part + 1) * size])
        await asyncio.sleep(dice.uniform(1.5, 5))
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    worker = await start_worker(environment, VERSION, "test")
    try:
        await append(settings, deck[5 * size :])
        await wait_for(settings, VERSION, len(await read_log(settings)))
    finally:
        worker.send_signal(signal.SIGTERM)
        assert await worker.wait() == 0
    await check(settings, VERSION)


class Curve:
    """A resumed run with a spike, a NaN and an abandoned tail, as the live projection stores it."""

    def __init__(self) -> None:
        self.run = uuid7()
        self.producers = [uuid7(), uuid7()]
        self.resumes = (Resume(2, 5_999),)
        dice = random.Random(3)
        self.first = [dice.gauss(0, 1) for _ in range(7_000)]
        self.second = [dice.gauss(0, 1) for _ in range(4_000)]
        self.first[123], self.first[4_567], self.second[100] = 99.0, -99.0, float("nan")

    async def log(self, settings: Settings) -> list[int]:
        """Returns where the log ended after each attempt."""
        ends = []
        for attempt, (producer, start, values) in enumerate(
            zip(self.producers, (0, 6_000), (self.first, self.second), strict=True), 1
        ):
            sealer, subject = Sealer(producer, TOPIC), ("run", self.run)
            records = [sealer.seal(ProducerOpened(attempt=attempt), subject)]
            if attempt == 2:
                records.append(sealer.seal(RunResumed(attempt=2, from_step=5_999), subject))
            calls = [
                (start + n, 1_000 * (start + n), None, {"loss": value}) for n, value in enumerate(values)
            ]
            records.append(sealer.seal(pack_calls(calls), subject, count=len(calls)))
            await append(settings, [(self.run.bytes, record) for record in records])
            ends.append(len(await read_log(settings)))
        await wait_for(settings, 1, ends[-1])
        return ends

    def request(self, **options: object) -> CurveRequest:
        speakers = tuple(Speaker(producer_hash(p), 0, i) for i, p in enumerate(self.producers, 1))
        run = CurveRun(hash=run_hash(self.run), speakers=speakers, resumes=self.resumes)
        return CurveRequest(runs=(run,), keys=("loss",), **options)  # type: ignore[arg-type]

    @property
    def effective(self) -> list[float]:
        return self.first[:6_000] + self.second


@pytest.fixture(scope="session")
async def curve(stack: RunningStack) -> tuple[Curve, list[int]]:
    made = Curve()
    return made, await made.log(stack.settings)


async def ask(settings: Settings, request: CurveRequest) -> list[dict[str, float]]:
    query = curve_query(TABLE, request)
    async with clickhouse(settings) as client:
        rows = client.query(query.sql, parameters=query.parameters).result_rows
    return [dict(zip(query.columns, row, strict=True)) for row in rows]


async def test_a_whole_curve_is_the_effective_one(settings: Settings, curve: tuple[Curve, list[int]]) -> None:
    rows = await ask(settings, curve[0].request())
    assert [row["step"] for row in rows] == list(range(10_000))
    assert [repr(row["value"]) for row in rows] == [repr(value) for value in curve[0].effective]


async def test_the_abandoned_tail_is_shown_on_request(
    settings: Settings, curve: tuple[Curve, list[int]]
) -> None:
    rows = await ask(settings, curve[0].request(abandoned=True))
    assert len(rows) == 11_000
    assert sorted(row["value"] for row in rows if row["abandoned"]) == sorted(curve[0].first[6_000:])


@pytest.mark.parametrize("axis", ["step", "time", "relative"])
async def test_a_thinned_curve_keeps_extremes_nan_and_the_newest_point(
    settings: Settings, curve: tuple[Curve, list[int]], axis: str
) -> None:
    rows = await ask(settings, curve[0].request(points=500, axis=axis))
    assert 400 < len(rows) <= 502
    values = {row["step"]: row["value"] for row in rows}
    assert values[123] == 99.0
    assert values[4_567] == -99.0
    assert isnan(values[6_100])
    assert 9_999 in values
    assert list(values) == sorted(values)
    assert all(repr(curve[0].effective[int(step)]) == repr(value) for step, value in values.items())
    assert all(row["time"] == 1_000 * row["step"] for row in rows)


async def test_a_small_curve_comes_whole(settings: Settings, curve: tuple[Curve, list[int]]) -> None:
    assert len(await ask(settings, curve[0].request(points=10_000))) == 10_000


async def test_as_of_a_position_only_rows_before_it_are_there(
    settings: Settings, curve: tuple[Curve, list[int]]
) -> None:
    made, (middle, end) = curve
    before = made.request(as_of={0: middle})
    plain = CurveRun(hash=run_hash(made.run))
    rows = await ask(settings, CurveRequest(runs=(plain,), keys=("loss",), as_of={0: middle}))
    assert [row["value"] for row in rows] == made.first
    assert len(await ask(settings, before)) == 6_000
    assert len(await ask(settings, made.request(as_of={0: end}))) == 10_000
    assert await ask(settings, made.request(as_of={0: 0})) == []


async def test_several_runs_keys_and_ranks_in_one_call(settings: Settings) -> None:
    dice = random.Random(11)
    runs = [Run(dice) for _ in range(2)]
    await append(settings, [message for run in runs for message in run.messages(ranks=2, calls=50)])
    end = len(await read_log(settings))
    await wait_for(settings, 1, end)
    async with postgres_pool(settings) as pool:
        found = await pool.fetch(
            "select run_id, hash, rank from metrics_v1.ledger where run_id = any($1)",
            [run.id for run in runs],
        )
        counts = await pool.fetch(
            "select run_id, key, rank, count from metrics_v1.summaries where run_id = any($1) and key = any($2)",
            [run.id for run in runs],
            ["loss", "lr"],
        )
    asked = tuple(
        CurveRun(
            hash=run_hash(run.id),
            speakers=tuple(
                Speaker(row["hash"] % 2**64, row["rank"]) for row in found if row["run_id"] == run.id
            ),
        )
        for run in runs
    )
    rows = await ask(settings, CurveRequest(runs=asked, keys=("loss", "lr"), rank=None))
    assert len(rows) == sum(row["count"] for row in counts)
    assert {(row["run"], row["rank"]) for row in rows} == {
        (run.hash, rank) for run in asked for rank in (0, 1)
    }
    thinned = await ask(settings, CurveRequest(runs=asked, keys=("loss", "lr"), rank=None, points=10))
    assert {(row["run"], row["key"], row["rank"]) for row in thinned} == {
        (row["run"], row["key"], row["rank"]) for row in rows
    }
    only = await ask(settings, CurveRequest(runs=asked, keys=("loss", "lr"), rank=1))
    assert len(only) == sum(row["count"] for row in counts if row["rank"] == 1)


async def test_on_the_epoch_axis_only_points_with_an_epoch_are_drawn(settings: Settings) -> None:
    run, sealer = uuid7(), Sealer(uuid7(), TOPIC)
    calls = [(n, 1_000 * n, n / 100 if n % 2 else None, {"loss": float(n)}) for n in range(1_000)]
    records = [sealer.seal(pack_calls(calls), ("run", run), count=len(calls))]
    await append(settings, [(run.bytes, record) for record in records])
    await wait_for(settings, 1, len(await read_log(settings)))
    asked = CurveRequest(runs=(CurveRun(hash=run_hash(run)),), keys=("loss",), axis="epoch")
    rows = await ask(settings, asked)
    assert [(row["epoch"], row["value"]) for row in rows] == [(n / 100, n) for n in range(1, 1_000, 2)]
    thinned = await ask(settings, msgspec.structs.replace(asked, points=100))
    assert 90 < len(thinned) <= 102
    assert thinned[-1]["value"] == 999
    assert all(row["epoch"] == row["value"] / 100 for row in thinned)
