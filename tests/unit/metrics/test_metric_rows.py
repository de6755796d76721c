"""Rows of the table of points equal those of a plain loop."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections.curves import MAX_OFFSET
from speech_experiment_projections.metrics import COLUMNS, Piece, Rows, admitted, rows, slice_calls
from speech_experiment_schemas.ids import key_hash, run_hash
from speech_experiment_schemas.metrics import pack_calls, unpack_calls
from tests.unit.metrics.naive import KEYS, PRODUCERS, RUNS, Point, calls, naive_points, pieces, relaxed


def points(made: Rows) -> list[Point]:
    table = made.table()
    epoch = table.get("epoch", np.full(len(made), np.nan))
    return [
        Point._make(
            [
                *map(int, row[:7]),
                repr(float(row[7])),
                repr(float(row[8])),
                int(row[9]),
                MAX_OFFSET - int(row[10]),
            ]
        )
        for row in zip(
            *(table[name] for name in list(COLUMNS)[:8]),
            epoch,
            table["partition"],
            table["inverted_offset"],
            strict=True,
        )
    ]


@relaxed
@given(pieces())
def test_rows_are_those_of_a_plain_loop(batch: list[Piece]) -> None:
    assert sorted(points(rows(batch))) == sorted(naive_points(batch))


@relaxed
@given(pieces())
def test_rows_lie_in_the_order_of_series_and_within_each_in_log_order(batch: list[Piece]) -> None:
    made = rows(batch)
    order = [(run_hash(series.run), series.rank, key_hash(series.key)) for series in made.series]
    assert order == sorted(order)
    expected = naive_points(batch)
    for series, start, end in zip(made.series, made.starts, made.starts[1:], strict=False):
        ranks = {piece.producer for piece in batch if piece.run == series.run and piece.rank == series.rank}
        of_series = [
            point
            for point in expected
            if point.run == run_hash(series.run)
            and point.key == key_hash(series.key)
            and any(
                point.producer == row.producer
                for row in naive_points([p for p in batch if p.producer in ranks])
            )
        ]
        assert points(made)[int(start) : int(end)] == of_series


@relaxed
@given(pieces(cut=True))
def test_points_beyond_the_last_step_that_counts_are_rows_all_the_same(batch: list[Piece]) -> None:
    made = rows(batch)
    assert sorted(points(made)) == sorted(naive_points(batch))
    counted = len(made) if made.counts is None else int(made.counts.sum())
    ends = {piece.offset: piece.last for piece in batch}
    beyond = [
        p for p in naive_points(batch) if p.has_step and (e := ends[p.offset]) is not None and p.step > e
    ]
    assert counted == len(made) - len(beyond)


@relaxed
@given(st.lists(calls, max_size=8), st.integers(0, 8), st.integers(0, 8))
def test_a_slice_of_a_record_holds_just_these_calls(made: list[object], one: int, other: int) -> None:
    record = pack_calls(made)  # type: ignore[arg-type]
    start, stop = sorted((min(one, len(made)), min(other, len(made))))
    assert repr(unpack_calls(slice_calls(record, start, stop))) == repr(unpack_calls(record)[start:stop])


@relaxed
@given(st.lists(calls, min_size=1, max_size=8), st.data())
def test_only_what_the_ledger_accepted_is_taken(made: list[object], data: st.DataObject) -> None:
    record = pack_calls(made)  # type: ignore[arg-type]
    kept = sorted(data.draw(st.sets(st.integers(0, len(made) - 1))))
    accepted = tuple((100 + seq, 101 + seq) for seq in kept)
    parts = admitted(record, 100, len(made), accepted)
    found = [(seq + i, repr(call)) for seq, columns in parts for i, call in enumerate(unpack_calls(columns))]
    assert found == [(100 + i, repr(unpack_calls(record)[i])) for i in kept]


def test_more_series_than_16_bits_number() -> None:
    keys = [f"k{i}" for i in range(40_000)]
    columns = pack_calls([(1, 5, None, {key: float(i) for i, key in enumerate(keys)})])
    batch = [Piece(RUNS[i], 0, PRODUCERS[i], 0, i, 0, None, columns) for i in range(2)]
    made = rows(batch)
    assert len(made.series) == 80_000
    assert np.all(np.diff(made.run[:40_000].astype(object)) == 0)
    values = dict(zip(((s.run, s.key) for s in made.series), made.value.tolist(), strict=True))
    assert all(values[RUNS[0], key] == i for i, key in enumerate(keys))


def test_records_with_other_key_tables_share_a_series() -> None:
    one = pack_calls([(1, 1, None, {KEYS[0]: 1.0, KEYS[1]: 2.0})])
    other = pack_calls([(2, 2, None, {KEYS[1]: 3.0, KEYS[0]: 4.0})])
    made = rows([Piece(RUNS[0], 0, PRODUCERS[0], 0, i, i, None, each) for i, each in enumerate((one, other))])
    by_key = {
        series.key: made.value[start:end].tolist()
        for series, start, end in zip(made.series, made.starts, made.starts[1:], strict=False)
    }
    assert by_key == {KEYS[0]: [1.0, 4.0], KEYS[1]: [2.0, 3.0]}
