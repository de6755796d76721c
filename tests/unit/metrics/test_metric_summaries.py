"""Summaries equal those of a plain loop, however the log is cut into batches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections.metrics import Piece, rows
from speech_experiment_projections.summaries import columns_of, merge_all, summarise
from tests.unit.metrics.naive import comparable, naive_summaries, pieces, relaxed


def summaries(batch: list[Piece]) -> dict[object, object]:
    return {each.series: comparable(each) for each in summarise(rows(batch)).rows()}


def expected(batch: list[Piece]) -> dict[object, object]:
    return {series: comparable(each) for series, each in naive_summaries(batch).items()}


@relaxed
@given(pieces(cut=True))
def test_summaries_are_those_of_a_plain_loop(batch: list[Piece]) -> None:
    assert summaries(batch) == expected(batch)


@relaxed
@given(pieces(cut=True), st.data())
def test_batch_boundaries_do_not_matter(batch: list[Piece], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(batch)))
    parts = [*summarise(rows(batch[:cut])).rows(), *summarise(rows(batch[cut:])).rows()]
    merged = {series: comparable(each) for series, each in merge_all(parts).items()}
    assert merged == expected(batch)


@relaxed
@given(pieces(cut=True), st.randoms())
def test_the_order_of_batches_does_not_matter(batch: list[Piece], dice: object) -> None:
    parts = [each for piece in batch for each in summarise(rows([piece])).rows()]
    forward = merge_all(parts)
    dice.shuffle(parts)  # type: ignore[attr-defined]
    assert {s: comparable(e) for s, e in merge_all(parts).items()} == {
        s: comparable(e) for s, e in forward.items()
    }


@relaxed
@given(pieces())
def test_columns_and_rows_of_summaries_say_the_same(batch: list[Piece]) -> None:
    found = summarise(rows(batch))
    again = columns_of(found.rows())
    assert repr(again.rows()) == repr(found.rows())
    assert len(found.without([batch[0].run] if batch else []).series) == len(
        [s for s in found.series if s.run != batch[0].run] if batch else []
    )
