"""A run folded out of its records is what the plain loops and the other folds make of them."""

from __future__ import annotations

from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections import replay, runs
from speech_experiment_projections.effective import Resume, cutoffs
from speech_experiment_projections.metrics import Piece
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.replay import MetricsFold, RunFold
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.metrics import MetricsLogged, pack_calls
from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.runs import RunResumed
from tests.unit.metrics.naive import calls, comparable, naive_summaries
from tests.unit.projections.logs import RUN, admitted, fold_run, record, run_logs, seal

PRODUCERS = [UUID(int=500 + i) for i in range(3)]

openings = st.builds(ProducerOpened, rank=st.integers(0, 1), attempt=st.integers(1, 3))
resumes = st.builds(RunResumed, attempt=st.integers(2, 3), from_step=st.none() | st.integers(-1, 4))
batches = st.lists(calls, min_size=1, max_size=4).map(pack_calls)
metrics_logs = st.lists(
    st.tuples(st.integers(0, 2), st.one_of(openings, resumes, batches, batches)), max_size=12
)


@given(run_logs, st.lists(st.integers(0, 13), max_size=5))
def test_a_run_is_the_fold_of_what_the_ledger_admits(
    log: list[tuple[int, msgspec.Struct]], repeated: list[int]
) -> None:
    raws = seal(("run", RUN), log)
    raws += [raws[index] for index in repeated if index < len(raws)]
    fold = RunFold()
    for offset, raw in enumerate(raws):
        fold.take(record(raw, offset)._replace(accepted=()))
    expected = fold_run(admitted(raws))
    assert fold.run is not None
    assert expected is not None
    assert runs.dump(fold.run) == runs.dump(expected)


def test_a_record_of_another_workspace_is_refused() -> None:
    raws = seal(("run", RUN), [(0, ProducerOpened()), (1, ProducerOpened())])
    fold, metrics = RunFold(), MetricsFold()
    for taking in (fold, metrics):
        taking.take(record(raws[0], 0))
        taking.take(record(raws[1], 1, workspace="other"))
        assert taking.refused == 1


def _records(log: list[tuple[int, msgspec.Struct]], repeated: list[int]) -> list[Recorded]:
    sealers = [Sealer(producer, "metrics") for producer in PRODUCERS]
    raws = []
    for number, payload in log:
        count = len(payload.calls) // 4 if isinstance(payload, MetricsLogged) else 1
        raws.append(sealers[number].seal(payload, ("run", RUN), count=count))
    raws += [raws[index] for index in repeated if index < len(raws)]
    return [record(raw, offset)._replace(accepted=()) for offset, raw in enumerate(raws)]


def _pieces(records: list[Recorded]) -> list[Piece]:
    """What counts, with what is known at the end; the first opening of a producer holds."""
    speakers: dict[UUID, tuple[int, int]] = {}
    resumed = []
    first = {(each.envelope.producer, each.envelope.seq): each for each in reversed(records)}
    new = sorted(first.values(), key=lambda each: each.offset)
    for each in new:
        match each.payload:
            case ProducerOpened() as opened:
                speakers.setdefault(each.envelope.producer, (opened.rank, opened.attempt))
            case RunResumed() as resume:
                resumed.append(Resume(resume.attempt, resume.from_step))
    cut = cutoffs(resumed)
    found = []
    for each in new:
        if isinstance(each.payload, MetricsLogged):
            producer = each.envelope.producer
            rank, attempt = speakers.get(producer, (0, 1))
            place = (each.partition, each.offset, each.envelope.seq)
            found.append(Piece(RUN, rank, producer, *place, cut.last_step(attempt), each.payload))
    return found


@pytest.mark.parametrize("flush", [1, 400_000])
@given(metrics_logs, st.lists(st.integers(0, 11), max_size=4))
def test_metrics_are_summed_up_as_they_count_in_the_end(
    flush: int, log: list[tuple[int, msgspec.Struct]], repeated: list[int]
) -> None:
    records = _records(log, repeated)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "FLUSH_POINTS", flush)
        fold = _folded(MetricsFold(), records)
        if fold.outdated:
            fold = _folded(MetricsFold(fold.known), records)
        assert not fold.outdated
        found = {each.series: comparable(each) for each in fold.summaries()}
    wanted = naive_summaries(sorted(_pieces(records), key=lambda piece: piece.offset))
    assert found == {series: comparable(each) for series, each in wanted.items()}


def _folded(fold: MetricsFold, records: list[Recorded]) -> MetricsFold:
    for each in records:
        fold.take(each)
    return fold
