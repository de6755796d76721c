"""A batch of the topic metrics, prepared without any store."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec
import pytest

from speech_experiment_consumers.bookkeeping import Books, Place
from speech_experiment_consumers.clickhouse_points import Span
from speech_experiment_consumers.dead_letters import PoisonGuard
from speech_experiment_consumers.intake import Accepted, take_in
from speech_experiment_consumers.ledger_store import Ledger
from speech_experiment_consumers.metrics_batch import Collector, Prepared, Resumes
from speech_experiment_consumers.metrics_sink import pause_after
from speech_experiment_consumers.positions import Position
from speech_experiment_consumers.sink import Incoming
from speech_experiment_projections.effective import Resume
from speech_experiment_schemas import Sealer, decode
from speech_experiment_schemas.envelope import encode
from speech_experiment_schemas.metrics import pack_calls
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened
from speech_experiment_schemas.runs import RunResumed
from speech_experiment_schemas.stamps import stamp

RUN = UUID(int=7)
SUBJECT = ("run", RUN)


def logged(*values: float, first: int = 0, key: str = "loss") -> msgspec.Struct:
    return pack_calls([(first + i, 1, None, {key: value}) for i, value in enumerate(values)])


def prepared(
    records: Sequence[bytes],
    ledger: Ledger | None = None,
    colliding: Sequence[str | UUID] = (),
    resumes: Resumes | None = None,
    workspaces: Sequence[str] = (),
) -> Prepared:
    """workspaces: of the records' keys, the default one for all when there are none."""
    headers = [stamp("key:a", workspace) for workspace in workspaces] or [[]] * len(records)
    taken = [
        Incoming("metrics", 0, i, 1_000, RUN.bytes, record, stamps)
        for i, (record, stamps) in enumerate(zip(records, headers, strict=True))
    ]
    accepted = [each for each in (take_in(record, 1) for record in taken) if isinstance(each, Accepted)]
    assert len(accepted) == len(records)
    place = Place("metrics", 1, "metrics", 1, "cluster")
    books = Books(place, {0: Position(0, generation=4)}, taken, ledger or Ledger({}), PoisonGuard())
    books.accepted = accepted
    collector = Collector(books, {RUN: ()} if resumes is None else resumes, colliding)
    for each in accepted:
        books.project_one(each, collector.apply)
    return collector.prepare()


def test_a_batch_without_points_has_nothing_to_insert() -> None:
    sealer = Sealer(UUID(int=1), "metrics")
    made = prepared(
        [sealer.seal(ProducerOpened(), SUBJECT), sealer.seal(ProducerClosed(reason="exit"), SUBJECT)]
    )
    assert made.rows is None
    assert made.id is None
    assert made.vector == {0: Span(0, 1, 4)}
    assert made.rows_offsets == {}


def test_a_repeated_record_has_no_rows() -> None:
    sealer = Sealer(UUID(int=1), "metrics")
    record = sealer.seal(logged(1.0, 2.0), SUBJECT, count=2)
    made = prepared([record, record])
    assert made.rows is not None
    assert len(made.rows) == 2
    assert made.rows_offsets == {0: 0}


def test_of_an_overlapping_record_only_the_new_calls_are_rows() -> None:
    one, other = Sealer(UUID(int=1), "metrics"), Sealer(UUID(int=1), "metrics")
    records = [
        one.seal(logged(0.0, 1.0), SUBJECT, count=2),
        other.seal(logged(0.0, 1.0, 2.0), SUBJECT, count=3),
    ]
    made = prepared(records)
    assert made.rows is not None
    assert made.rows.value.tolist() == [0.0, 1.0, 2.0]
    assert made.rows.offset.tolist() == [0, 0, 1]


def test_points_of_an_older_attempt_beyond_the_resume_do_not_count() -> None:
    sealer = Sealer(UUID(int=1), "metrics")
    made = prepared([sealer.seal(logged(5.0, 6.0, 7.0), SUBJECT, count=3)], resumes={RUN: (Resume(2, 1),)})
    assert made.rows is not None
    assert len(made.rows) == 3
    (summary,) = made.summaries.rows()
    assert (summary.points, summary.last, summary.last_step) == (2, 6.0, 1)


def test_a_resume_has_the_summaries_of_its_run_made_anew() -> None:
    sealer = Sealer(UUID(int=1), "metrics")
    records = [
        sealer.seal(logged(5.0, 6.0), SUBJECT, count=2),
        sealer.seal(RunResumed(attempt=2, from_step=0), SUBJECT),
    ]
    made = prepared(records)
    assert made.recompute == {RUN}
    assert made.summaries.series == []
    assert made.resumes_of(RUN) == (Resume(2, 0),)
    assert [speaker.rank for speaker in made.speakers_of(RUN)] == [0]


def test_a_resume_that_abandons_nothing_leaves_them() -> None:
    sealer = Sealer(UUID(int=1), "metrics")
    made = prepared([sealer.seal(logged(5.0), SUBJECT), sealer.seal(RunResumed(attempt=2), SUBJECT)])
    assert made.recompute == frozenset()
    assert len(made.summaries.series) == 1


def test_an_opening_after_its_points_has_them_made_anew() -> None:
    sealer = Sealer(UUID(int=1), "metrics")
    opened = sealer.seal(ProducerOpened(rank=3), SUBJECT)
    points = sealer.seal(logged(5.0), SUBJECT)
    assert prepared([points, opened]).recompute == {RUN}
    in_order = prepared([opened, points])
    assert in_order.recompute == frozenset()
    assert [series.rank for series in in_order.summaries.series] == [3]


@pytest.mark.parametrize(
    "payload",
    [
        logged(1.0, key="a\0b"),
        ProducerOpened(rank=2**31),
        ProducerOpened(attempt=2**40),
        RunResumed(attempt=2**31),
        RunResumed(attempt=2, from_step=2**63),
    ],
)
def test_what_no_column_holds_is_parked(payload: msgspec.Struct) -> None:
    made = prepared([Sealer(UUID(int=1), "metrics").seal(payload, SUBJECT)])
    assert [letter.reason for letter in made.books.letters] == ["malformed"]
    assert made.rows is None


def test_a_sequence_number_at_the_end_of_the_range_is_parked() -> None:
    record = Sealer(UUID(int=1), "metrics").seal(logged(1.0), SUBJECT)
    made = prepared([encode(msgspec.structs.replace(decode(record), seq=2**63 - 1))])
    assert [letter.reason for letter in made.books.letters] == ["malformed"]


@pytest.mark.parametrize("name", ["loss", RUN])
def test_a_name_with_another_ones_hash_is_parked(name: str | UUID) -> None:
    made = prepared([Sealer(UUID(int=1), "metrics").seal(logged(1.0), SUBJECT)], colliding=[name])
    assert [letter.reason for letter in made.books.letters] == ["collision"]


def test_another_workspaces_points_openings_and_numbers_are_parked() -> None:
    owner, stranger, double = (Sealer(UUID(int=n), "metrics") for n in (1, 2, 1))
    records = [
        owner.seal(ProducerOpened(), SUBJECT),
        stranger.seal(ProducerOpened(rank=5), SUBJECT),
        double.seal(ProducerOpened(rank=5), SUBJECT),
        double.seal(logged(66.0), SUBJECT),
        stranger.seal(logged(77.0), SUBJECT),
        owner.seal(logged(1.0), SUBJECT),
        stranger.seal(RunResumed(attempt=2, from_step=0), SUBJECT),
    ]
    workspaces = ["team" if place in (0, 5) else "strangers" for place in range(7)]
    made = prepared(records, workspaces=workspaces)
    assert [(each.incoming.offset, each.reason) for each in made.books.letters] == [
        (offset, "forbidden") for offset in (1, 2, 3, 4, 6)
    ]
    assert made.rows is not None
    assert made.rows.value.tolist() == [1.0]
    assert (made.resumes, made.recompute) == ([], frozenset())
    assert [series.rank for series in made.summaries.series] == [0]
    [entry] = made.books.ledger.entries.values()
    assert (entry.workspace, entry.received) == ("team", ((0, 2),))


def test_small_batches_are_followed_by_a_pause_and_full_ones_by_none() -> None:
    pauses = [pause_after(points) for points in (0, 1_000, 50_000, 200_000, 500_000)]
    assert pauses == [0.05, 0.05, 0.125, 0.25, 0.0]
