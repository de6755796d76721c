from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections import ledger
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.refusal import Refused
from speech_experiment_schemas.envelope import Envelope, encode_payload
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened, SeqVoided
from speech_experiment_schemas.runs import RunTagged
from tests.unit.projections.logs import admitted, seal

RUN, PRODUCER = UUID(int=1), UUID(int=2)
CALLS = 40


def envelope(seq: int, count: int, name: str = "metrics.logged") -> Envelope:
    return Envelope(
        type=name,
        v=1,
        id=uuid7(),
        subject=("run", RUN),
        producer=PRODUCER,
        stream="metrics",
        seq=seq,
        count=count,
        ts=0,
        salt=bytes(16),
        prev=b"",
        data=encode_payload({}),
    )


def receive(
    envelopes: Sequence[Envelope], payload: object = None
) -> tuple[ledger.Entry | None, list[tuple[int, int]]]:
    entry: ledger.Entry | None = None
    taken: list[tuple[int, int]] = []
    for offset, each in enumerate(envelopes):
        accepted = ledger.admit(entry, each)
        if accepted:
            recorded = Recorded(each, payload, 0, offset, offset, None, "default", accepted)  # type: ignore[arg-type]
            entry = ledger.evolve(entry, recorded)
            taken += accepted
    return entry, taken


@st.composite
def cuts(draw: st.DrawFn) -> list[tuple[int, int]]:
    """All calls, cut into records anywhere."""
    edges = sorted({0, CALLS, *draw(st.lists(st.integers(1, CALLS - 1), max_size=10))})
    return list(pairwise(edges))


@given(st.lists(cuts(), min_size=1, max_size=4), st.integers())
def test_each_call_counts_once_whatever_the_order_repetition_and_cut(
    deliveries: list[list[tuple[int, int]]], seed: int
) -> None:
    records = [envelope(start, stop - start) for delivery in deliveries for start, stop in delivery]
    random.Random(seed).shuffle(records)
    entry, taken = receive(records)
    assert entry is not None
    assert entry.received == ((0, CALLS),)
    assert sorted(n for start, stop in taken for n in range(start, stop)) == list(range(CALLS))


def test_a_late_record_fills_its_gap_in_pieces() -> None:
    entry, taken = receive([envelope(0, 10), envelope(20, 10), envelope(5, 20)])
    assert taken == [(0, 10), (20, 30), (10, 20)]
    assert entry is not None
    assert entry.received == ((0, 30),)


def test_the_digest_is_that_of_the_set_of_records() -> None:
    records = [envelope(i, 1) for i in range(8)]
    forward, _ = receive(records)
    backward, _ = receive([*reversed(records), *records])
    assert forward is not None
    assert backward is not None
    assert forward.digest == backward.digest != bytes(32)


def test_frames_are_kept_and_a_voided_range_counts_as_received() -> None:
    opened = ProducerOpened(rank=3)
    entry, _ = receive([envelope(0, 1)], opened)
    voided = Recorded(envelope(1, 5), SeqVoided(reason="dropped"), 0, 1, 1, None, "default", ((1, 6),))
    entry = ledger.evolve(entry, voided)
    closed = Recorded(envelope(6, 1), ProducerClosed(reason="finished"), 0, 2, 2, None, "default", ((6, 7),))
    entry = ledger.evolve(entry, closed)
    assert entry.opened == opened
    assert entry.voided == ((1, 6),)
    assert entry.last_seq == 6
    answer = ledger.delivery(entry.received, entry.voided, entry.last_seq)
    assert (answer.verdict, answer.received, answer.voided) == ("complete", 2, 5)


def test_delivery_names_the_holes() -> None:
    assert ledger.delivery(((0, 3), (5, 9)), (), 11).missing == [(3, 4), (9, 11)]
    assert ledger.delivery(((0, 3),), (), None).verdict == "open"
    assert ledger.delivery(((1, 3),), (), None).missing == [(0, 0)]
    assert ledger.delivery((), (), 0).verdict == "missing"


def test_the_first_opening_of_a_producer_holds() -> None:
    log: list[tuple[int, msgspec.Struct]] = [
        (0, RunTagged(tags={"a": "1"})),
        (0, ProducerOpened(rank=1)),
        (0, ProducerOpened(rank=2)),
    ]
    entry = None
    for event in admitted(seal(("run", RUN), log)):
        entry = ledger.evolve(entry, event)
    assert entry is not None
    assert entry.opened is not None
    assert (entry.opened.rank, entry.opened_offset) == (1, 1)


def said(offset: int, workspace: str, *, run: UUID = RUN, seq: int = 0, stream: str = "metrics") -> Recorded:
    changed = msgspec.structs.replace(envelope(seq, 1), subject=("run", run), stream=stream)
    return Recorded(changed, ProducerOpened(), 0, offset, offset, None, workspace, ())


def take(accounts: ledger.Accounts, recorded: Recorded) -> ledger.Intervals:
    recorded = recorded._replace(accepted=accounts.admit(recorded))
    if recorded.accepted:
        accounts.record(recorded)
    return recorded.accepted


def test_a_run_belongs_to_the_workspace_of_its_first_record() -> None:
    accounts = ledger.Accounts()
    assert take(accounts, said(0, "team"))
    for stranger in (said(1, "strangers"), said(2, "strangers", seq=7)):
        with pytest.raises(Refused, match="belongs to another workspace") as refused:
            accounts.admit(stranger)
        assert refused.value.reason == "forbidden"
    assert take(accounts, said(3, "team", seq=7)) == ((7, 8),)
    assert [entry.workspace for entry in accounts.entries.values()] == ["team"]


@pytest.mark.parametrize("stranger_first", [False, True])
def test_numbers_under_another_ones_producer_id_are_counted_apart(stranger_first: bool) -> None:
    """Whichever is read first: partitions have no order among each other."""
    accounts = ledger.Accounts()
    pair = [said(0, "team"), said(0, "strangers", run=UUID(int=9))]
    for each in reversed(pair) if stranger_first else pair:
        assert take(accounts, each) == ((0, 1),)
    assert take(accounts, said(1, "team")) == ()
    assert accounts.owners == {RUN: "team", UUID(int=9): "strangers"}


def test_what_the_server_says_in_control_is_one_account() -> None:
    accounts = ledger.Accounts()
    take(accounts, said(0, "team", stream="control"))
    take(accounts, said(1, "others", run=UUID(int=9), seq=1, stream="control"))
    [entry] = accounts.entries.values()
    assert entry.received == ((0, 2),)
    assert not accounts.owners
