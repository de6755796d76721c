from __future__ import annotations

from collections import Counter

from speech_experiment_consumers.lanes import lanes
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.experiments import ExperimentCreated
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.producers import ProducerClosed
from speech_experiment_schemas.runs import RunStarted


def test_every_run_is_in_one_lane_with_all_its_records() -> None:
    dealt: Counter[int] = Counter()
    for _ in range(400):
        sealer, run = Sealer(uuid7(), "runs"), uuid7()
        started = RunStarted(experiment=uuid7(), experiment_name="e", name="r")
        records = [sealer.seal(each, ("run", run)) for each in (started, ProducerClosed(reason="exit"))]
        [found] = {tuple(lane.number for lane in lanes(4) if lane.has(each)) for each in records}
        assert len(found) == 1
        dealt[found[0]] += 1
    assert min(dealt[number] for number in range(4)) > 50


def test_what_is_about_no_run_or_cannot_be_read_is_in_the_first_lane() -> None:
    created = Sealer(uuid7(), "runs").seal(ExperimentCreated(name="e"), ("experiment", uuid7()))
    for value in (created, b"", b"\xc1garbage", created[: len(created) // 2]):
        assert [lane.number for lane in lanes(3) if lane.has(value)] == [0]
