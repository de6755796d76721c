"""The pure part of a verification: what the log says, and what differs from it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from struct import pack, unpack
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections import runs
from speech_experiment_projections.evidence import Evidence, gather
from speech_experiment_projections.findings import Finding, when
from speech_experiment_projections.ledger import Account
from speech_experiment_projections.ledger_check import (
    Stored,
    check_ledger,
    check_log,
    points_of,
    records_with_points,
    stored_form,
)
from speech_experiment_projections.point_digests import point_digests
from speech_experiment_projections.points_check import compare_points, compare_records
from speech_experiment_projections.reading import Rejected, read_record
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.row_check import RunTables, check_run
from speech_experiment_projections.run_rows import derived_columns, run_row
from speech_experiment_projections.texts import clean_text
from speech_experiment_projections.trees import params
from speech_experiment_schemas import Sealer, decode
from speech_experiment_schemas.envelope import encode
from speech_experiment_schemas.ids import key_hash
from speech_experiment_schemas.metrics import Call, pack_calls
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened, SeqVoided
from tests.unit.projections.logs import RUN, record, run_logs, seal

PRODUCER = UUID(int=1)
SUBJECT = ("run", RUN)
ACCOUNT: Account = (PRODUCER, RUN, "default")


def read(records: Sequence[bytes], topic: str = "metrics") -> list[Recorded | Rejected]:
    return [read_record(topic, 0, i, 1_000 + i, raw, [], 1) for i, raw in enumerate(records)]


def call(step: int, **points: float) -> Call:
    return step, 1_000_000 + step, None, points


def speech(*calls: Sequence[Call]) -> list[bytes]:
    """An opening, a record for each group of calls, a closing."""
    sealer = Sealer(PRODUCER, "metrics")
    records = [sealer.seal(ProducerOpened(), SUBJECT)]
    records += [sealer.seal(pack_calls(group), SUBJECT, count=len(group)) for group in calls]
    return [*records, sealer.seal(ProducerClosed(reason="finished"), SUBJECT)]


def spoken() -> list[bytes]:
    return speech([call(0, loss=1.0), call(1, loss=2.0)], [call(2, loss=3.0, lr=0.1)], [call(3, loss=4.0)])


def metrics(records: Sequence[bytes]) -> Evidence:
    return gather("metrics", [RUN], {}, read(records))


def stored(evidence: Evidence) -> dict[Account, Stored]:
    return {account: stored_form(entry) for account, entry in evidence.accounts.entries.items()}


def test_a_ledger_that_follows_the_log_is_clean() -> None:
    evidence = metrics(spoken())
    assert [*check_ledger(evidence, stored(evidence)), *check_log(evidence)] == []


def test_a_lost_interval_is_named_with_its_records() -> None:
    evidence = metrics(spoken())
    kept = stored(evidence)
    kept[ACCOUNT] = kept[ACCOUNT]._replace(received=((0, 3), (4, 6)))
    [finding] = check_ledger(evidence, kept)
    assert (finding.where, finding.kind, finding.calls) == ("ledger", "missing", [(3, 3)])
    assert (finding.offsets, finding.since, finding.producer) == ((2, 2), when(1_002_000), PRODUCER)
    assert finding.next_step == "speech-tracker rebuild metrics"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda kept: kept.clear(), "missing"),
        (lambda kept: kept.update({(UUID(int=9), RUN, "default"): kept[ACCOUNT]}), "surplus"),
        (lambda kept: kept.update({ACCOUNT: kept[ACCOUNT]._replace(digest=bytes(32))}), "changed"),
        (lambda kept: kept.update({ACCOUNT: kept[ACCOUNT]._replace(last_seq=99)}), "changed"),
        (lambda kept: kept.update({ACCOUNT: kept[ACCOUNT]._replace(received=((0, 60),))}), "surplus"),
    ],
)
def test_other_damage_to_the_ledger(change: Callable[[Any], None], kind: str) -> None:
    evidence = metrics(spoken())
    kept = stored(evidence)
    change(kept)
    assert [each.kind for each in check_ledger(evidence, kept)] == [kind]


def test_a_call_that_never_arrived_is_no_broken_chain() -> None:
    records = spoken()
    [finding] = check_log(metrics([*records[:2], *records[3:]]))
    assert (finding.where, finding.kind, finding.calls) == ("log", "missing", [(3, 3)])


def test_a_forged_record_breaks_the_chain() -> None:
    records = spoken()
    forged = msgspec.structs.replace(decode(records[2]), salt=bytes(16))
    [finding] = check_log(metrics([*records[:2], encode(forged), *records[3:]]))
    assert (finding.kind, finding.calls, finding.offsets) == ("broken", [(4, 4)], (3, 3))


def test_repetitions_new_cuts_and_refused_records_are_no_breaks() -> None:
    records = spoken()
    anew = speech([call(0, loss=1.0)], [call(1, loss=2.0), call(2, loss=3.0, lr=0.1)], [call(3, loss=4.0)])
    void = Sealer(PRODUCER, "metrics", seq=3, prev=decode(records[2]).prev).seal(
        SeqVoided(reason="refused"), SUBJECT
    )
    for log in ([*records, *records], [*records, *anew], [*records[:2], *records[3:], void]):
        evidence = metrics(log)
        assert list(check_log(evidence)) == []
        assert list(check_ledger(evidence, stored(evidence))) == []


def test_a_parked_record_is_not_expected_in_the_tables() -> None:
    evidence = gather("metrics", [RUN], {(0, 2): "failed"}, read(spoken()))
    assert evidence.accounts.entries[ACCOUNT].received == ((0, 3), (4, 6))
    assert points_of(evidence.lines[ACCOUNT])[0] == 3
    assert list(check_log(evidence)) == []


calls = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**40), 2**40),
        st.integers(0, 2**50),
        st.none() | st.floats(allow_nan=False),
        st.dictionaries(st.sampled_from(["a", "b", "loss"]), st.floats(), min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=12,
)


@given(calls, st.integers(1, 11))
def test_digests_of_points_do_not_depend_on_the_cut(logged: list[Call], cut: int) -> None:
    whole, _ = point_digests([(5, pack_calls(logged))])
    parts = [(5, pack_calls(logged[:cut]))]
    if logged[cut:]:
        parts.append((5 + cut, pack_calls(logged[cut:])))
    cut_up, sizes = point_digests(parts)
    assert sizes.sum() == len(whole)
    assert np.array_equal(np.sort(whole), np.sort(cut_up))


@given(calls, st.data())
def test_digests_of_points_see_every_change(logged: list[Call], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(logged) - 1))
    step, time, epoch, points = logged[at]
    key = next(iter(points))
    changed = data.draw(
        st.sampled_from(
            [
                (7 if step is None else None, time, epoch, points),
                (step, time + 1, epoch, points),
                (step, time, 1.5 if epoch is None else epoch + 1e9 if abs(epoch) < 1e6 else 0.5, points),
                (step, time, epoch, {**points, key: 0.125 if points[key] != 0.125 else 0.25}),
            ]
        )
    )
    others = [*logged[:at], changed, *logged[at + 1 :]]
    if msgspec.to_builtins(pack_calls(others)) != msgspec.to_builtins(pack_calls(logged)):
        one, other = (point_digests([(5, pack_calls(each))])[0].sum() for each in (logged, others))
        assert one != other


def rows(evidence: Evidence) -> dict[int, tuple[int, int]]:
    return {offset: row[:2] for offset, row in records_with_points(evidence.lines[ACCOUNT]).items()}


def test_records_whose_points_are_gone_are_named_by_stretch() -> None:
    evidence = metrics(spoken())
    assert compare_records(evidence, ACCOUNT, rows(evidence)) == ([], [])
    kept = {offset: row for offset, row in rows(evidence).items() if offset == 2}
    findings, suspects = compare_records(evidence, ACCOUNT, {**kept, 77: (5, 1)})
    assert [(each.kind, each.calls, each.offsets) for each in findings] == [
        ("missing", [(1, 2)], (1, 1)),
        ("missing", [(4, 4)], (3, 3)),
        ("surplus", [], (77, 77)),
    ]
    assert suspects == []
    assert compare_records(evidence, ACCOUNT, {**rows(evidence), 2: (1, 5)}).suspects == [2]


def points(logged: Sequence[Call], first: int) -> list[tuple[int, int, int, int]]:
    """The rows of a record as ClickHouse gives them."""
    digests, _ = point_digests([(first, pack_calls(logged))])
    places = [
        (first + i, key, value) for i, (_, _, _, each) in enumerate(logged) for key, value in each.items()
    ]
    return [
        (seq, key_hash(key), int(mark), unpack("<Q", pack("<d", value))[0])
        for (seq, key, value), mark in zip(places, digests.tolist(), strict=True)
    ]


def test_single_points_are_named_with_both_values() -> None:
    logged = [call(0, loss=1.0, lr=0.5), call(1, loss=2.0)]
    evidence = metrics(speech(logged))
    payload = pack_calls(logged)
    right = points(logged, 1)

    def found(stored: list[tuple[int, int, int, int]]) -> list[Finding]:
        return list(compare_points(evidence, ACCOUNT, 1, payload, stored))

    assert found(right) == []
    [gone] = found([each for each in right if each[:2] != (2, key_hash("loss"))])
    assert (gone.kind, gone.calls, gone.offsets) == ("missing", [(2, 2)], (1, 1))
    assert "call 2: loss" in gone.what
    [changed] = found([*points([call(0, loss=9.0, lr=0.5)], 1), right[-1]])
    assert (changed.kind, changed.calls) == ("changed", [(1, 1)])
    assert "loss is 9.0, the log says 1.0" in changed.what
    [twice] = found([*right, right[0]])
    assert (twice.kind, twice.calls) == ("surplus", [(1, 1)])


def test_of_a_record_that_overlaps_only_the_new_calls_are_expected() -> None:
    one, other = Sealer(PRODUCER, "metrics"), Sealer(PRODUCER, "metrics")
    first, second = [call(0, loss=1.0)], [call(0, loss=1.0), call(1, loss=2.0)]
    log = [
        sealer.seal(pack_calls(calls), SUBJECT, count=len(calls))
        for sealer, calls in ((one, first), (other, second))
    ]
    evidence = metrics(log)
    assert points_of(evidence.lines[ACCOUNT])[0] == 2
    right = points(second, 0)
    assert list(compare_points(evidence, ACCOUNT, 1, pack_calls(second), right[1:])) == []
    [surplus] = compare_points(evidence, ACCOUNT, 1, pack_calls(second), right)
    assert (surplus.kind, surplus.calls) == ("surplus", [(0, 0)])
    [missing] = compare_points(evidence, ACCOUNT, 1, pack_calls(second), [])
    assert (missing.kind, missing.calls) == ("missing", [(1, 1)])


def tables(evidence: Evidence, **changes: Any) -> RunTables:
    """A run's rows, as the projection writes them."""
    run = evidence.folded[RUN]
    row = run_row(run)._asdict() | msgspec.structs.asdict(derived_columns(run)) | {"state": runs.dump(run)}
    versions = evidence.versions[RUN]
    following = [*(offset for offset, _ in versions[1:]), None]
    return RunTables(
        row | changes,
        frozenset((key, str(param.num), param.txt) for key, param in params(run.config).items()),
        frozenset((clean_text(key), clean_text(value)) for key, value in run.tags.items()),
        frozenset(run.links),
        {offset: (after, md5) for (offset, md5), after in zip(versions, following, strict=True)},
        evidence.output.get(RUN, {}),
        frozenset(beat.offset for beat in evidence.beats.get(RUN, [])),
    )


@given(run_logs)
def test_rows_that_follow_the_log_are_clean_and_no_row_is_missing(
    log: list[tuple[int, msgspec.Struct]],
) -> None:
    evidence = gather("runs", [RUN], {}, [record(raw, i) for i, raw in enumerate(seal(SUBJECT, log))])
    right = tables(evidence)
    assert list(check_run(evidence, RUN, right)) == []
    assert [each.kind for each in check_run(evidence, RUN, right._replace(row=None))] == ["missing"]


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("config", '{"lr": 2}', "column config is {'lr': 2}, the log says {'lr': 1.5}"),
        ("status", "finished", "column status is 'finished', the log says 'running'"),
        ("state", runs.dump, "the stored state"),
    ],
)
def test_a_changed_column_is_named(column: str, value: Any, told: str) -> None:
    from speech_experiment_schemas.runs import RunConfigured, RunTagged

    log = [(0, RunConfigured(config={"lr": 1.5})), (0, RunTagged(tags={"a": "b"}))]
    evidence = gather("runs", [RUN], {}, [record(raw, i) for i, raw in enumerate(seal(SUBJECT, log))])
    if column == "state":
        value = runs.dump(msgspec.structs.replace(evidence.folded[RUN], notes="other"))
    [finding] = check_run(evidence, RUN, tables(evidence, **{column: value}))
    assert told in finding.what
    right = tables(evidence)
    for lacking in (right._replace(params=frozenset()), right._replace(tags=frozenset())):
        assert [each.kind for each in check_run(evidence, RUN, lacking)] == ["missing"]
    cut = right._replace(versions={0: right.versions[0]})
    assert [(each.kind, each.offsets) for each in check_run(evidence, RUN, cut)] == [("missing", (1, 1))]


def test_many_small_records_are_digested_in_bulk_alike() -> None:
    dice = random.Random(1)
    groups = [[call(i, loss=dice.random())] for i in range(500)]
    evidence = metrics(speech(*groups))
    total, mark = points_of(evidence.lines[ACCOUNT])
    one_by_one = [point_digests([(i + 1, pack_calls(group))])[0].sum() for i, group in enumerate(groups)]
    assert (total, mark) == (500, int(np.array(one_by_one).sum()))
