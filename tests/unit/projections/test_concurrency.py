"""Who writes on after another process has taken over: the rule, and both folds that apply it."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_api.delivery import concurrent
from speech_experiment_projections import ledger, runs
from speech_experiment_projections.concurrency import Process, overtakes, writes_on
from speech_experiment_projections.recorded import Recorded
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.metrics import pack_calls
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened
from speech_experiment_schemas.runs import RunConfigured, RunOutput, RunResumed
from speech_experiment_schemas.validate import read
from tests.unit.projections.logs import RUN

processes = st.builds(
    Process,
    attempt=st.integers(1, 3),
    rank=st.integers(0, 1),
    host=st.sampled_from("ab"),
    pid=st.integers(1, 2),
    opened=st.integers(0, 9),
)


@given(processes, processes)
def test_of_two_processes_at_most_one_takes_over(one: Process, other: Process) -> None:
    assert not (overtakes(one, other) and overtakes(other, one))
    assert not overtakes(one, one)
    if one.attempt != other.attempt:
        assert overtakes(max(one, other), min(one, other))
    if overtakes(one, other):  # by which the fold looks at later ones alone
        assert (one.attempt, one.opened) > (other.attempt, other.opened)


class Said(NamedTuple):
    """A producer's record, `at` by the broker and made `early` ticks before by its own clock."""

    who: int
    kind: str
    early: int


OPENINGS = {
    0: ProducerOpened(attempt=1, host="a", pid=1),
    1: ProducerOpened(attempt=2, host="a", pid=2),
    2: ProducerOpened(attempt=2, host="b", pid=2),
    3: ProducerOpened(attempt=2, rank=1, host="b", pid=3),
    4: ProducerOpened(attempt=1, host="a", pid=1, role="service"),
}
PAYLOADS: dict[str, msgspec.Struct] = {
    "config": RunConfigured(config={"a": 1}),
    "output": RunOutput(channel="stdout", first=0, lines=["x"]),
    "close": ProducerClosed(reason="lost"),
    "resume": RunResumed(attempt=2, from_step=3),
}
said = st.lists(
    st.builds(
        Said,
        who=st.sampled_from(list(OPENINGS)),
        kind=st.sampled_from(["open", "config", "output", "close", "resume"]),
        early=st.sampled_from([0, 0, 1, 25]),
    ),
    max_size=14,
)
TICK = 1_000


def recorded(log: list[Said], stream: str = "runs") -> list[Recorded]:
    """Each producer opens once, and says nothing after its closing or before its opening."""
    sealers: dict[int, Sealer] = {}
    closed: set[int] = set()
    events = []
    for offset, each in enumerate(log):
        opens = each.kind == "open"
        if each.who in closed or opens == (each.who in sealers):
            continue
        if opens:
            sealers[each.who] = Sealer(UUID(int=1_000 + each.who), stream)
        if each.kind == "close":
            closed.add(each.who)
        now = 1_000_000 + TICK * offset
        payload = OPENINGS[each.who] if opens else PAYLOADS[each.kind]
        if stream == "metrics" and each.kind in ("config", "output"):
            payload = pack_calls([(1, now - TICK * each.early, None, {"loss": 1.0})])
        raw = sealers[each.who].seal(payload, ("run", RUN), ts=now - TICK * each.early)
        envelope, decoded = read(raw)
        assert isinstance(decoded, msgspec.Struct)
        whole = ((envelope.seq, envelope.last + 1),)
        events.append(Recorded(envelope, decoded, 0, offset, now, None, "default", whole))
    return events


def naive(events: list[Recorded]) -> set[UUID]:
    """Every event against the trainers that are open then, and the first one of every attempt."""
    open_now: dict[UUID, Process] = {}
    firsts: dict[int, Process] = {}
    flagged = set()
    for event in events:
        producer, payload = event.envelope.producer, event.payload
        if isinstance(payload, ProducerClosed):
            open_now.pop(producer, None)
            continue
        if isinstance(payload, ProducerOpened) and payload.role == "trainer":
            open_now[producer] = Process(payload.attempt, payload.rank, payload.host, payload.pid, event.time)
        if producer in open_now:
            rivals = [*open_now.values(), *firsts.values()]
            if writes_on(open_now[producer], event.envelope.ts, rivals):
                flagged.add(producer)
            firsts.setdefault(open_now[producer].attempt, open_now[producer])
    return flagged


@given(said)
def test_the_fold_of_a_run_flags_who_writes_on(log: list[Said]) -> None:
    events = recorded(log)
    run = None
    for place, event in enumerate(events, 1):
        before = {} if run is None else run.concurrent
        run = runs.evolve(run, event)
        assert {UUID(hex=name) for name in run.concurrent} == naive(events[:place])
        if run.concurrent != before:
            assert run.version_offset == event.offset


@given(said, st.sampled_from(["runs", "metrics"]))
def test_the_ledger_flags_whose_last_call_came_after_a_take_over(log: list[Said], stream: str) -> None:
    events = recorded(log, stream)
    entries: dict[UUID, ledger.Entry] = {}
    for event in events:
        producer = event.envelope.producer
        entries[producer] = ledger.evolve(entries.get(producer), event)
    calls = [event for event in events if not isinstance(event.payload, ProducerOpened | RunResumed)]
    openings = [event for event in events if isinstance(event.payload, ProducerOpened)]
    rows = [_row(entry) for entry in entries.values()]
    assert naive([*openings, *calls]) - naive(openings) <= concurrent(rows)
    for producer in concurrent(rows):
        clocks = [
            event.envelope.ts if stream == "runs" else event.time
            for event in calls
            if event.envelope.producer == producer and not isinstance(event.payload, ProducerClosed)
        ]
        assert clocks
        assert max(clocks) > min(event.time for event in openings)


def _row(entry: ledger.Entry) -> dict[str, object]:
    from datetime import UTC, datetime, timedelta

    opened = entry.opened
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=entry.opened_at or 0)
    return {
        "producer": entry.producer,
        "role": opened.role if opened else None,
        "attempt": opened.attempt if opened else None,
        "rank": opened.rank if opened else None,
        "host": opened.host if opened else None,
        "pid": opened.pid if opened else None,
        "opened_at": None if entry.opened_at is None else moment,
        "last_call": entry.last_call,
    }


def flags(*log: Said) -> list[int]:
    run = None
    for event in recorded(list(log)):
        run = runs.evolve(run, event)
    return sorted(UUID(hex=name).int - 1_000 for name in (run.concurrent if run else {}))


def test_an_older_attempt_that_writes_on_is_flagged_and_what_arrives_late_is_not() -> None:
    begun = (Said(0, "open", 0), Said(0, "config", 0), Said(1, "open", 0), Said(1, "resume", 0))
    assert flags(*begun) == []
    assert flags(*begun, Said(0, "config", 0)) == [0]
    assert flags(*begun, Said(0, "output", 0)) == [0]
    assert flags(*begun, Said(0, "config", 3), Said(0, "close", 0)) == []
    assert flags(*begun, Said(1, "close", 0), Said(0, "config", 0)) == [0]


def test_two_processes_of_one_attempt_and_rank_are_but_not_two_ranks() -> None:
    assert flags(Said(1, "open", 0), Said(2, "open", 0), Said(1, "config", 0)) == [1]
    assert flags(Said(1, "open", 0), Said(2, "open", 0), Said(2, "config", 0)) == []
    assert flags(Said(1, "open", 0), Said(3, "open", 0), Said(1, "config", 0), Said(3, "config", 0)) == []
    assert flags(Said(0, "open", 0), Said(4, "open", 0), Said(0, "config", 0), Said(4, "config", 0)) == []


def test_a_trainer_of_an_older_attempt_that_only_begins_is_one_too() -> None:
    assert flags(Said(1, "open", 0), Said(0, "open", 0)) == [0]
    assert flags(Said(1, "open", 0), Said(0, "open", 25)) == []
