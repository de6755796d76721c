"""Summaries that the store makes of points, cut at any position, are those that the live fold makes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

import speech_experiment_infra
from speech_experiment_consumers.clickhouse_points import PointTable
from speech_experiment_projections.curves import CurveRun, Speaker
from speech_experiment_projections.effective import Resume, cutoffs
from speech_experiment_projections.metrics import Piece, Series, rows
from speech_experiment_projections.recompute import last_values, statement, summaries
from speech_experiment_projections.summaries import merge_all, summarise
from speech_experiment_schemas.ids import key_hash, producer_hash, run_hash
from speech_experiment_schemas.metrics import pack_calls
from tests.integration.test_embedded_store import Store, store  # noqa: F401
from tests.unit.metrics.naive import comparable, naive_summaries

pytestmark = pytest.mark.stack

SQL = Path(speech_experiment_infra.__file__).parent / "migrations" / "clickhouse" / "metrics.sql"
RUNS = [UUID(int=i + 1) for i in range(4)]
KEYS = ["loss", "wer", "lr"]
VALUES = [0.1, -0.0, 0.0, 3.25, -7.5, 1e-5, 1e30, -1e30, 1e120, 5e121, float("nan"), float("inf"), -1e-300]


@pytest.fixture
def table(store: Store) -> Iterator[PointTable]:
    client = store.client()
    client.command("drop table if exists metric_points_v7")
    client.command(SQL.read_text().replace("{suffix}", "_v7"))
    yield PointTable(client, 7)
    client.close()


def log(dice: random.Random) -> tuple[list[Piece], list[CurveRun]]:
    """Pieces in log order, two partitions, and what the ledger says of their runs."""
    producers = [UUID(int=100 + i) for i in range(10)]
    speakers = {producer: (dice.choice([0, 0, 1]), dice.choice([1, 2, 3])) for producer in producers}
    resumes = {
        run: tuple(Resume(n, dice.choice([None, 1, 3])) for n in (2, 3, 3) if dice.random() < 0.6)
        for run in RUNS
    }
    pieces = []
    for offset in range(40):
        producer = dice.choice(producers)
        run = RUNS[producer.int % len(RUNS)]
        rank, attempt = speakers[producer]
        columns = pack_calls(
            [
                (
                    dice.choice([None, *range(6)]),
                    dice.randrange(10**15),
                    None,
                    {key: dice.choice([*VALUES, dice.gauss(0, 1)]) for key in KEYS if dice.random() < 0.7},
                )
                for _ in range(5)
            ]
        )
        last = cutoffs(resumes[run]).last_step(attempt)
        pieces.append(Piece(run, rank, producer, run.int % 2, offset, 1_000 * offset, last, columns))
    known = [
        CurveRun(
            hash=run_hash(run),
            speakers=tuple(
                Speaker(producer_hash(each), *speakers[each])
                for each in producers
                if RUNS[each.int % 4] == run
            ),
            resumes=resumes[run],
        )
        for run in RUNS
    ]
    return pieces, known


@pytest.mark.parametrize("seed", range(12))
def test_summaries_of_the_store_are_those_of_the_fold_to_the_last_bit(table: PointTable, seed: int) -> None:
    dice = random.Random(seed)
    pieces, known = log(dice)
    for number, start in enumerate(range(0, len(pieces), 8)):
        table.insert(rows(pieces[start : start + 8]).table(), f"{seed}-{number}")
    for cuts in (None, {0: 0, 1: 0}, *({0: dice.randrange(41), 1: dice.randrange(41)} for _ in range(3))):
        chosen = [each for each in pieces if cuts is None or each.offset < cuts[each.partition]]
        keys = None if dice.random() < 0.5 else [key_hash("loss"), key_hash("lr")]
        wanted = {
            series: comparable(each)
            for series, each in naive_summaries(chosen).items()
            if keys is None or key_hash(series.key) in keys
        }
        found = {}
        complete = list(summaries(table.query(statement(table.name, known, keys, cuts))))
        every = list(map(key_hash, KEYS)) if keys is None else keys
        lasts = table.query(last_values(table.name, known, every, cuts))
        assert {(run, key, rank): repr(value) for run, key, rank, value in lasts} == {
            (each.run, each.key, each.rank): repr(each.summary.last) for each in complete
        }
        for each in complete:
            run = next(run for run in RUNS if run_hash(run) == each.run)
            key = next(key for key in KEYS if key_hash(key) == each.key)
            series = Series(run, each.rank, key)
            found[series] = comparable(each.summary._replace(series=series))
        assert found == wanted
    batches = [summarise(rows([piece])).rows() for piece in pieces]
    merged = merge_all(each for batch in batches for each in batch)
    assert {s: comparable(e) for s, e in merged.items()} == {
        s: comparable(e) for s, e in naive_summaries(pieces).items()
    }
