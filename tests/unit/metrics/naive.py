"""The plain loops that the columnar code must agree with, and strategies for what both are given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan
from typing import NamedTuple
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st

from speech_experiment_projections import exact
from speech_experiment_projections.metrics import Piece, Series
from speech_experiment_projections.summaries import Summary
from speech_experiment_schemas.ids import key_hash, producer_hash, run_hash
from speech_experiment_schemas.metrics import NO_STEP, Call, pack_calls, unpack_calls

relaxed = settings(deadline=None, max_examples=60)
"""For a busy machine."""

RUNS = [UUID(int=i + 1) for i in range(3)]
PRODUCERS = [UUID(int=i + 101) for i in range(4)]
KEYS = ["loss", "wer", "lr", "a/b", "é"]

values = st.one_of(
    st.integers(-3, 3).map(float), st.sampled_from([float("nan"), float("inf"), float("-inf"), -0.0, 1e300])
)
steps = st.one_of(st.none(), st.integers(-2, 6), st.just(2**62))
calls: st.SearchStrategy[Call] = st.tuples(
    steps,
    st.integers(0, 10**15),
    st.one_of(st.none(), st.floats(0, 10)),
    st.dictionaries(st.sampled_from(KEYS), values, max_size=4),
)


@st.composite
def pieces(draw: st.DrawFn, *, cut: bool = False) -> list[Piece]:
    """Records of several runs and producers in log order; cut: with last steps that count."""
    made = []
    for offset in range(draw(st.integers(0, 6))):
        who = draw(st.integers(0, len(PRODUCERS) - 1))
        last = draw(st.one_of(st.none(), st.integers(0, 4))) if cut else None
        columns = pack_calls(draw(st.lists(calls, max_size=5)))
        seq = draw(st.integers(0, 2**40))
        made.append(Piece(RUNS[who % 3], who // 3, PRODUCERS[who], offset % 2, offset, seq, last, columns))
    return made


class Point(NamedTuple):
    """One row, as a loop makes it; the value and the epoch as text, so that NaN equals NaN."""

    run: int
    key: int
    has_step: int
    step: int
    producer: int
    seq: int
    time: int
    value: str
    epoch: str
    partition: int
    offset: int


def naive_points(batch: Sequence[Piece]) -> list[Point]:
    """In log order."""
    return [
        Point(
            run_hash(piece.run),
            key_hash(key),
            int(step is not None),
            step or 0,
            producer_hash(piece.producer),
            piece.seq + i,
            time,
            repr(value),
            repr(float("nan") if epoch is None else epoch),
            piece.partition,
            piece.offset,
        )
        for piece in batch
        for i, (step, time, epoch, points) in enumerate(unpack_calls(piece.columns))
        for key, value in points.items()
    ]


def naive_summaries(batch: Iterable[Piece]) -> dict[Series, Summary]:
    """Point by point, in log order."""
    found: dict[Series, Summary] = {}
    for piece in batch:
        for i, (step, time, _, points) in enumerate(unpack_calls(piece.columns)):
            if step is not None and piece.last is not None and step > piece.last:
                continue
            for key, value in points.items():
                series = Series(piece.run, piece.rank, key)
                one = _single(series, step, time, piece.seq + i, piece.offset, value)
                known = found.get(series)
                found[series] = one if known is None else _add(known, one)
    return found


def _single(series: Series, step: int | None, time: int, seq: int, offset: int, value: float) -> Summary:
    number = None if isnan(value) else value
    where = None if number is None else step
    return Summary(
        series=series,
        points=1,
        nans=int(isnan(value)),
        last=value,
        last_step=step,
        last_time=time,
        last_seq=seq,
        offset=offset,
        min=number,
        min_step=where,
        max=number,
        max_step=where,
        sum=0 if number is None else exact.of_float(number),
    )


def _add(known: Summary, one: Summary) -> Summary:
    fields: dict[str, object] = {
        "points": known.points + 1,
        "nans": known.nans + one.nans,
        "sum": exact.add(known.sum, one.sum),
    }
    if _number(one.last_step) >= _number(known.last_step):
        fields |= {
            name: getattr(one, name) for name in ("last", "last_step", "last_time", "last_seq", "offset")
        }
    for name, better in (("min", -1), ("max", 1)):
        mine, new = getattr(known, name), getattr(one, name)
        if new is None:
            continue
        sooner = _number(getattr(one, f"{name}_step")) < _number(getattr(known, f"{name}_step"))
        if mine is None or better * new > better * mine or (new == mine and sooner):
            fields |= {name: new, f"{name}_step": getattr(one, f"{name}_step")}
    return known._replace(**fields)  # type: ignore[arg-type]


def _number(step: int | None) -> int:
    return NO_STEP if step is None else step


def comparable(summary: Summary) -> tuple[object, ...]:
    """With NaN equal to NaN; where a value is the last one, 0.0 equal to -0.0."""
    return tuple(repr(value + 0.0) if isinstance(value, float) else value for value in summary)
