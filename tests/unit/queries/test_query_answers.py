"""Cursors, thinned curves and log lines, without a store."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_api.problems import Problem
from speech_experiment_api.queries.cursors import Cursor, open_cursor, question_digest, seal_cursor
from speech_experiment_api.queries.logs import Place, latest_lines
from speech_experiment_api.queries.points import Points, arrow_body, json_body, json_numbers
from speech_experiment_api.queries.thinning import thinned
from speech_experiment_projections.curves import CurveRequest, CurveRun
from speech_experiment_schemas.ids import key_hash, run_hash

SECRET = b"s" * 32
MOMENT = datetime(2026, 11, 1, 12, 30, 0, 123456, tzinfo=UTC)
VALUES = (0.1, None, "text", MOMENT, -math.inf)


def test_a_cursor_comes_back_exactly() -> None:
    cursor = Cursor((1, 2, 3, 4), question_digest("a"), VALUES, UUID(int=7).bytes)
    text = seal_cursor(cursor, SECRET)
    assert text.isascii()
    assert "=" not in text
    assert open_cursor(text, SECRET, (1, 2, 3, 4), question_digest("a")) == cursor


@pytest.mark.parametrize("text", ["", "abc", "!!!", "é", "A" * 40, "_" * 1000])
def test_a_foreign_cursor_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="not made by this server"):
        open_cursor(text, SECRET, (1,), b"")


@given(st.data())
def test_a_changed_cursor_is_refused(data: st.DataObject) -> None:
    text = seal_cursor(Cursor((1,), b"q", (1.0,), UUID(int=7).bytes), SECRET)
    place = data.draw(st.integers(0, len(text) - 2))
    other = data.draw(st.sampled_from("ABCxyz019-_").filter(lambda character: character != text[place]))
    with pytest.raises(Problem) as raised:
        open_cursor(text[:place] + other + text[place + 1 :], SECRET, (1,), b"q")
    assert raised.value.status == 400


def test_a_cursor_of_another_question_or_version() -> None:
    text = seal_cursor(Cursor((1,), b"q", (), UUID(int=7).bytes), SECRET)
    with pytest.raises(Problem, match="another filter"):
        open_cursor(text, SECRET, (1,), b"other")
    with pytest.raises(Problem, match="rebuilt") as raised:
        open_cursor(text, SECRET, (2,), b"q")
    assert raised.value.status == 410


def test_digests_do_not_run_together() -> None:
    assert question_digest("ab", "c") != question_digest("a", "bc")


def naive(x: list[float], values: list[float], points: int) -> set[int]:
    """The rule of thinning, point by point."""
    if len(x) <= points:
        return set(range(len(x)))
    width = max(1, (max(x) - min(x)) // max(1, points // 2 - 1))
    groups: dict[int, list[int]] = {}
    for place in sorted(range(len(x)), key=lambda i: x[i]):
        groups.setdefault(math.ceil((max(x) - x[place]) / width), []).append(place)
    kept = set()
    for group in groups.values():
        numbers = [place for place in group if not math.isnan(values[place])]
        kept |= {place for place in group if math.isnan(values[place])} and {
            next(place for place in group if math.isnan(values[place]))
        }
        if numbers:
            kept |= {min(numbers, key=lambda i: values[i]), max(numbers, key=lambda i: values[i])}
    return kept


steps = st.lists(st.integers(-50, 2000), min_size=1, max_size=200, unique=True)
numbers = st.sampled_from([0.0, 1.0, 2.5, -3.0, math.nan, math.inf, -math.inf])


@given(st.data(), steps, st.booleans(), st.integers(1, 60))
def test_thinning_keeps_what_the_rule_keeps(
    data: st.DataObject, x: list[int], ordered: bool, points: int
) -> None:
    x = sorted(x) if ordered else x
    values = data.draw(st.lists(numbers, min_size=len(x), max_size=len(x)))
    rows = thinned(np.array(x), np.array(values), [[slice(0, len(x))]], points)
    assert set(rows.tolist()) == naive(list(x), values, points)
    assert (np.diff(rows) > 0).all()
    assert x.index(max(x)) in rows


def test_thinning_takes_several_series_of_one_key_together() -> None:
    x = np.array([0, 50, 100, 0, 10_000])
    rows = thinned(x, np.arange(5.0), [[slice(0, 3), slice(3, 5)]], 4)
    assert rows.tolist() == [0, 1, 2, 3, 4]
    rows = thinned(x, np.arange(5.0), [[slice(0, 3), slice(3, 5)]], 2)
    assert set(rows.tolist()) >= {0, 2, 3, 4}


def test_thinning_takes_each_key_on_its_own() -> None:
    x = np.array([*range(100), *range(1000, 0, -5)])
    values = np.sin(x * 0.7)
    one, other = slice(0, 100), slice(100, 300)
    rows = thinned(x, values, [[one], [other]], 20)
    alone = [thinned(x[each], values[each], [[slice(0, len(x[each]))]], 20) for each in (one, other)]
    assert rows.tolist() == [*alone[0], *(100 + alone[1])]
    assert 20 < len(rows) < 60


def test_thinning_on_an_axis_of_floats() -> None:
    x = np.linspace(0.0, 3.0, 1000)
    rows = thinned(x, np.sin(x * 40), [[slice(0, 1000)]], 100)
    assert 50 <= len(rows) <= 104
    assert rows[-1] == 999


@pytest.mark.parametrize(
    "x",
    [
        np.linspace(-(2**63), 2**63 - 1025, 1000).astype(np.int64),
        np.array([0.0, 1.0, 2.0, np.inf] * 50),
        np.zeros(100, np.int64),
        np.zeros(100),
    ],
)
def test_thinning_bears_any_axis(x: np.ndarray) -> None:
    rows = thinned(x, np.arange(float(len(x))), [[slice(0, len(x))]], 20)
    assert 0 < len(rows) <= len(x)
    assert x[rows].max() == x.max()


RUN, OTHER = UUID(int=1), UUID(int=2)


def store_answer(columns: dict[str, Any]) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table(columns)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def request(runs: tuple[UUID, ...], keys: tuple[str, ...], **options: Any) -> CurveRequest:
    return CurveRequest(runs=tuple(CurveRun(hash=run_hash(run)) for run in runs), keys=keys, **options)


def points_of(
    columns: dict[str, Any], runs: tuple[UUID, ...], keys: tuple[str, ...], **options: Any
) -> Points:
    return Points(store_answer(columns), list(columns), runs, request(runs, keys, **options))


ONE = {
    "has_step": pa.array([0, 1, 1], pa.uint8()),
    "step": pa.array([0, 5, 6], pa.int64()),
    "time": pa.array([1_000_000, 2_000_000, 3_500_000], pa.int64()),
    "value": pa.array([math.nan, math.inf, 0.25]),
}


def test_curves_as_json_name_what_json_has_no_numbers_for() -> None:
    answer = msgspec.json.decode(json_body(points_of(ONE, (RUN,), ("loss",)), many=False, vector="v"))
    assert answer == {
        "curves": {
            "loss": {"step": [None, 5, 6], "value": ["NaN", "Infinity", 0.25], "time": [1.0, 2.0, 3.5]}
        },
        "vector": "v",
    }


def test_several_runs_and_keys_are_told_apart() -> None:
    columns = {
        "run": pa.array([run_hash(RUN), run_hash(OTHER), run_hash(OTHER)], pa.uint64()),
        "key": pa.array([key_hash("a"), key_hash("a"), key_hash("b")], pa.uint64()),
    } | ONE
    answer = msgspec.json.decode(
        json_body(points_of(columns, (RUN, OTHER), ("a", "b")), many=True, vector="v")
    )
    assert answer["runs"][str(RUN)]["curves"].keys() == {"a"}
    assert answer["runs"][str(OTHER)]["curves"]["b"]["step"] == [6]


def test_curves_as_arrow() -> None:
    body = arrow_body(points_of(ONE, (RUN,), ("loss",), axis="relative"), many=True)
    table = pa.ipc.open_stream(body).read_all()
    assert table.column_names == ["run", "key", "step", "value", "time"]
    assert table.column("run").to_pylist() == [str(RUN)] * 3
    assert table.column("step").to_pylist() == [None, 5, 6]
    assert table.column("time").to_pylist()[0] == timedelta(seconds=1)


def test_no_points_at_all() -> None:
    empty = {name: column[:0] for name, column in ONE.items()}
    assert (
        json_body(points_of(empty, (RUN,), ("loss",)), many=False, vector="v")
        == b'{"curves":{},"vector":"v"}'
    )
    assert (
        pa.ipc.open_stream(arrow_body(points_of(empty, (RUN,), ("loss",)), many=False)).read_all().num_rows
        == 0
    )


@given(st.lists(st.floats()))
def test_json_numbers_come_back(values: list[float]) -> None:
    numbers = json_numbers(np.array(values, np.float64))
    written = msgspec.json.decode(orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY))
    np.testing.assert_array_equal([float(each) for each in written], values)


def records(*lengths: int) -> list[dict[str, Any]]:
    """Records of a channel, newest first; lines are numbered through."""
    found: list[dict[str, Any]] = []
    first = 0
    for offset, length in enumerate(lengths):
        lines = [str(first + i) for i in range(length)]
        found.append({"offset": offset, "channel": "stdout", "first": first, "lines": lines, "time": MOMENT})
        first += length
    return found[::-1]


@given(st.lists(st.integers(1, 7), min_size=1, max_size=12), st.integers(1, 20))
def test_lines_are_paged_without_gap_or_repetition(lengths: list[int], limit: int) -> None:
    before: Place | None = None
    seen: list[str] = []
    while True:
        page = latest_lines(
            [each for each in records(*lengths) if before is None or each["offset"] <= before.offset],
            before,
            limit,
        )
        seen = [line.text for line in page.lines] + seen
        assert len(page.lines) <= limit
        if page.before is None:
            break
        offset, line = map(int, page.before.split("."))
        before = Place(offset, line)
    assert seen == [str(number) for number in range(sum(lengths))]
