"""A drain that dies at any moment: whatever was sent is sent again with the same bytes, and nothing is left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from speech_experiment_schemas import decode
from speech_experiment_schemas.envelope import digest
from speech_experiment_schemas.runs import RunNoted
from speech_experiment_tracker.drain import journal as journals
from speech_experiment_tracker.drain.lanes import void_for
from speech_experiment_tracker.spool.page import read_ack
from speech_experiment_tracker.spool.producers import Producer

from .spools import calls_of, has_no_holes, lane_of, make_producer

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("log"), st.integers(1, 400)),
        st.tuples(st.just("seal"), st.just(0)),
        st.tuples(st.just("answer"), st.integers(0, 5)),
        st.tuples(st.just("lost answer"), st.integers(0, 5)),
        st.tuples(st.just("refuse"), st.integers(1, 5)),
        st.tuples(st.just("crash"), st.just(0)),
        st.tuples(st.just("crash and lose the acknowledgements"), st.just(0)),
    ),
    max_size=30,
)


class Server:
    """Keeps what arrived first under each sequence number, and notices anything else under it."""

    def __init__(self) -> None:
        self.records: dict[int, bytes] = {}
        self.refused: set[bytes] = set()

    def take(self, record: bytes) -> None:
        first = self.records.setdefault(decode(record).seq, record)
        assert first == record, "two records under one sequence number"


class World:
    """A producer, its lane, and the server; `logged` counts the calls."""

    def __init__(self, spool: Path) -> None:
        self.producer: Producer = make_producer(spool)
        self.server = Server()
        self.logged = 0
        self.lane = lane_of(self.producer)
        self.synced = 0

    @property
    def _book(self) -> Path:
        return self.lane.journal.book.path

    def log(self, count: int) -> None:
        keys = tuple(f"metric/{n}" for n in range(40))
        for _ in range(count):
            self.producer.metrics.log_checked(keys, [0.5] * 40, self.logged, None, 1)
            self.logged += 1

    def seal(self, *, dead: bool = False) -> int:
        sealed = self.lane.advance(dead=dead)
        self._sync()
        self.lane.remove_read()
        return sealed

    def send(self, count: int, *, answered: bool, refuse: bool = False) -> None:
        batch = list(self.lane.journal.waiting)[:count]
        voids: dict[int, bytes] = {}
        for place, sealed in enumerate(batch):
            if refuse and not sealed.void and sealed.seq not in self.server.records and not voids:
                voids[place] = void_for(sealed.record, "malformed", "is not wanted")
            else:
                self.server.take(sealed.record)
        if answered:
            self.lane.journal.acknowledge(len(batch), voids, [(0, 1)])
            if voids:
                self._sync()
            self.lane.journal.book.flush()

    def _sync(self) -> None:
        self.lane.journal.book.sync()
        self.synced = self._book.stat().st_size

    def crash(self, *, lose_acknowledgements: bool = False) -> None:
        if lose_acknowledgements:  # as a power cut does to what is not on the disk yet
            os.truncate(self._book, min(self.synced, self._book.stat().st_size))
        self.lane = lane_of(self.producer)

    def step(self, what: str, count: int) -> None:
        match what:
            case "log":
                self.log(count)
            case "seal":
                self.seal()
            case "answer" | "lost answer":
                self.send(count, answered=what == "answer")
            case "refuse":
                self.send(count, answered=True, refuse=True)
            case _:
                self.crash(lose_acknowledgements="lose" in what)

    def finish(self) -> None:
        self.producer.close("finished")
        while self.seal(dead=True) or self.lane.journal.waiting:
            self.send(100, answered=True)
        assert self.lane.done


@settings(max_examples=60, deadline=None)
@given(STEPS)
@example([("log", 44), ("seal", 0), ("refuse", 2), ("crash", 0)])  # acknowledged behind a refused one
def test_crashes_neither_lose_nor_change_nor_repeat(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journals, "COMPACT_AT", 20_000)
        world = World(tmp_path_factory.mktemp("spool"))
        for what, count in steps:
            world.step(what, count)
        world.finish()
    records = [decode(world.server.records[seq]) for seq in sorted(world.server.records)]
    assert has_no_holes(records)
    assert records[-1].type == "producer.closed"
    voided = sum(record.count for record in records if record.type == "seq.voided")
    assert len(calls_of(records)) + voided == world.logged + (records[0].type == "seq.voided")
    assert read_ack(world.producer.place, "metrics").closed
    world.producer.release()
    world.lane.close()


def test_the_chain_of_digests_goes_on_after_a_crash(tmp_path: Path) -> None:
    producer = make_producer(tmp_path)
    records = []
    for number in range(6):
        producer.emit(RunNoted(notes=str(number)))
        lane = lane_of(producer, "runs")
        lane.advance(dead=False)
        records += [sealed.record for sealed in lane.journal.waiting]
        lane.journal.acknowledge(len(lane.journal.waiting), {}, [])
        lane.journal.book.sync()
    envelopes = [decode(record) for record in records]
    assert [envelope.prev for envelope in envelopes] == [b"", *(digest(each) for each in envelopes[:-1])]
    producer.release()


def test_a_journal_torn_at_its_end_is_sealed_anew_from_the_spool(tmp_path: Path) -> None:
    producer = make_producer(tmp_path)
    for number in range(3):
        producer.emit(RunNoted(notes=str(number)))
    lane = lane_of(producer, "runs")
    lane.advance(dead=False)
    before = [sealed.record for sealed in lane.journal.waiting]
    lane.journal.book.flush()
    journal = lane.journal.book.path
    journal.write_bytes(journal.read_bytes()[:-5])
    again = lane_of(producer, "runs")
    again.advance(dead=False)
    after = [sealed.record for sealed in again.journal.waiting]
    assert after[:-1] == before[:-1]  # the last one had never been sent: sending waits for the disk
    assert has_no_holes([decode(record) for record in after])
    assert len(after) == len(before)
    again.close()
    producer.release()
