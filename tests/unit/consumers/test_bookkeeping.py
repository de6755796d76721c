from __future__ import annotations

from uuid import UUID

import pytest

from speech_experiment_consumers.dead_letters import RUN, WINDOW, PoisonGuard
from speech_experiment_consumers.intake import Accepted, Letter, take_in
from speech_experiment_consumers.positions import Position, advance, fresh, record_hash
from speech_experiment_consumers.sink import Incoming, PoisonLimit, PositionGap
from speech_experiment_projections.reading import origin
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.control import WorkspaceCreated
from speech_experiment_schemas.envelope import encode_payload
from speech_experiment_schemas.ids import partition_of
from speech_experiment_schemas.runs import RunFinished
from speech_experiment_schemas.stamps import REPLAYED_FROM, stamp

SUBJECT = ("run", UUID(int=77))


def incoming(offset: int, value: bytes = b"x", partition: int = 0, topic: str = "runs") -> Incoming:
    return Incoming(topic, partition, offset, 1_700_000_000_000, None, value, stamp("key:a", "team"))


def test_records_below_the_position_are_skipped() -> None:
    batch = [incoming(offset) for offset in range(3, 8)]
    assert [each.offset for each in fresh({0: Position(0, 5)}, batch)] == [5, 6, 7]
    assert fresh({0: Position(0, 50)}, batch) == []


def test_partitions_are_followed_apart_and_repetitions_within_a_batch_skipped() -> None:
    batch = [incoming(0), incoming(4, partition=1), incoming(1), incoming(0), incoming(5, partition=1)]
    found = fresh({0: Position(0), 1: Position(1, 4)}, batch)
    assert [(each.partition, each.offset) for each in found] == [(0, 0), (1, 4), (0, 1), (1, 5)]


def test_a_gap_stops_everything() -> None:
    with pytest.raises(PositionGap, match="offset 2 was expected, 3 came"):
        fresh({0: Position(0, 1)}, [incoming(1), incoming(3)])


def test_positions_name_the_first_and_the_last_record() -> None:
    moved = advance({0: Position(0)}, [incoming(0, b"a"), incoming(1, b"b"), incoming(2, b"c")], "cluster")
    assert moved[0][:6] == (0, 3, "cluster", 0, record_hash(b"a"), record_hash(b"c"))
    further = advance(moved, [incoming(3, b"d")], "cluster")
    assert further[0][:6] == (0, 4, "cluster", 0, record_hash(b"a"), record_hash(b"d"))
    assert advance(moved, [], "cluster") == moved


def sealed(subject: tuple[str, UUID] = SUBJECT) -> bytes:
    return Sealer(UUID(int=5), "runs").seal(RunFinished(), subject)


def test_an_event_is_taken_in_with_its_stamps() -> None:
    taken = take_in(incoming(9, sealed()), 1)
    assert isinstance(taken, Accepted)
    assert taken.recorded.workspace == "team"
    assert taken.recorded.actor == "key:a"
    assert taken.recorded.time == 1_700_000_000_000_000
    assert taken.recorded.payload == RunFinished()


def reason(record: Incoming, partitions: int = 1) -> str:
    letter = take_in(record, partitions)
    assert isinstance(letter, Letter)
    return letter.reason


def test_what_is_no_event_of_this_topic_is_parked_with_its_reason() -> None:
    control = Sealer(UUID(int=5), "control").seal(WorkspaceCreated(name="w"), ("workspace", UUID(int=6)))
    unknown = Sealer(UUID(int=5), "runs").seal_raw("run.teleported", 1, encode_payload({}), SUBJECT)
    newer = Sealer(UUID(int=5), "runs").seal_raw("run.finished", 9, encode_payload({}), SUBJECT)
    assert reason(incoming(0, b"garbage")) == "malformed"
    assert reason(incoming(0, b"")) == "malformed"
    assert reason(incoming(0, control)) == "forbidden"
    assert reason(incoming(0, sealed(), topic="artifacts")) == "malformed"
    assert reason(incoming(0, unknown)) == "unknown_type"
    assert reason(incoming(0, newer)) == "unknown_type"
    right = partition_of(SUBJECT[1].bytes, 24)
    assert reason(incoming(0, sealed(), partition=(right + 1) % 24), 24) == "wrong_partition"
    assert isinstance(take_in(incoming(0, sealed(), partition=right), 24), Accepted)


def test_a_replayed_record_says_where_it_comes_from() -> None:
    record = incoming(9, sealed())._replace(headers=[(REPLAYED_FROM, b"runs/3/17")])
    taken = take_in(record, 1)
    assert isinstance(taken, Accepted)
    assert taken.recorded.replayed == (3, 17)
    assert origin("nonsense") is None


def fail(guard: PoisonGuard, times: int) -> None:
    for _ in range(times):
        guard.failed("x")


def test_a_run_of_failures_stops_the_worker() -> None:
    guard = PoisonGuard()
    for _ in range(RUN - 1):
        guard.failed("x")
    with pytest.raises(PoisonLimit, match="200 in a row"):
        guard.failed("x")


def test_more_than_half_failing_stops_the_worker() -> None:
    guard = PoisonGuard()
    for index in range(WINDOW):
        if index % 2:
            guard.failed("x")
        else:
            guard.note(False)
    guard.note(False)
    with pytest.raises(PoisonLimit, match="last 1000 records failed"):
        fail(guard, 20)


def test_a_few_failures_do_not() -> None:
    guard = PoisonGuard()
    for index in range(5 * WINDOW):
        if index % 3 == 0:
            guard.failed("x")
        else:
            guard.note(False)


def test_a_copy_counts_for_itself() -> None:
    guard = PoisonGuard()
    for _ in range(RUN - 1):
        guard.copy().failed("x")
    for _ in range(RUN - 1):
        guard.failed("x")
