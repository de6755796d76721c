from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections import experiments
from speech_experiment_projections.refusal import Refused
from speech_experiment_projections.run_rows import experiment_row
from speech_experiment_schemas.experiments import (
    ExperimentArchived,
    ExperimentCreated,
    ExperimentLinked,
    ExperimentRenamed,
    ExperimentUpdated,
)
from speech_experiment_schemas.ids import experiment_id
from speech_experiment_schemas.runs import RunStarted
from tests.unit.projections.logs import (
    EXPERIMENT,
    RUN,
    TARGETS,
    admitted,
    experiment_logs,
    fold_experiment,
    record,
    seal,
)

Log = list[tuple[int, msgspec.Struct]]


def folded(*payloads: msgspec.Struct) -> Any:
    return fold_experiment(admitted(seal(("experiment", EXPERIMENT), [(0, each) for each in payloads])))


@given(experiment_logs, st.integers(0, 10))
def test_folding_a_prefix_and_then_the_rest_equals_folding_all(log: Log, cut: int) -> None:
    events = admitted(seal(("experiment", EXPERIMENT), log))
    half = fold_experiment(events[:cut])
    stored = None if half is None else experiments.load(experiments.dump(half))
    assert fold_experiment(events[cut:], stored) == fold_experiment(events)


@given(experiment_logs)
def test_every_state_makes_a_row(log: Log) -> None:
    row = experiment_row(folded(*(payload for _, payload in log)))
    assert row.name
    assert "\0" not in row.tags + row.name


def test_creating_is_get_or_create() -> None:
    state = folded(
        ExperimentCreated(name=" Conformer ", task="asr", tags={"a": "1"}),
        ExperimentCreated(name="Conformer", task="tts", description="later", tags={"a": "2", "b": "3"}),
    )
    assert (state.birth_name, state.task, state.description) == ("Conformer", "asr", "later")
    assert state.tags == {"a": "1", "b": "3"}


def test_the_birth_name_survives_a_rename() -> None:
    state = folded(ExperimentCreated(name="A"), ExperimentRenamed(name="B"))
    assert (state.name, state.birth_name) == ("B", "A")
    early = folded(ExperimentRenamed(name="B"), ExperimentCreated(name="A"))
    assert (early.name, early.birth_name) == ("B", "A")


def test_updates_archive_and_links() -> None:
    state = folded(
        ExperimentCreated(name="A", tags={"x": "1", "y": "2"}),
        ExperimentUpdated(description="d", tags={"x": ""}),
        ExperimentArchived(),
        ExperimentLinked(kind="follows", target=TARGETS[0]),
        ExperimentLinked(kind="related_to", target=TARGETS[1]),
        ExperimentLinked(kind="follows", target=TARGETS[0], removed=True),
    )
    assert (state.tags, state.description, state.archived) == ({"y": "2"}, "d", True)
    assert state.links == [("related_to", TARGETS[1])]


def test_a_placeholder_from_a_run_is_replaced_by_the_creation() -> None:
    started = RunStarted(experiment=EXPERIMENT, experiment_name="From a run", name="r")
    (raw,) = seal(("run", RUN), [(0, started)])
    placeholder = experiments.of_run(record(raw, 0), started)
    assert (placeholder.name, placeholder.birth_name) == ("From a run", None)
    (created,) = seal(("experiment", EXPERIMENT), [(1, ExperimentCreated(name="Real"))])
    event = record(created, 5)
    assert experiments.evolve(placeholder, event) == experiments.evolve(None, event)


def test_another_workspace_is_refused() -> None:
    (raw,) = seal(("experiment", EXPERIMENT), [(1, ExperimentRenamed(name="Mine now"))])
    with pytest.raises(Refused):
        experiments.evolve(folded(ExperimentCreated(name="A")), record(raw, 9, workspace="elsewhere"))


def test_a_strangers_run_does_not_take_an_experiment_that_is_still_to_come() -> None:
    subject = experiment_id("team", "Conformer")
    [started] = seal(("run", RUN), [(0, RunStarted(experiment=subject, experiment_name="mine", name="r"))])
    strange = record(started, 0, workspace="strangers")
    placeholder = experiments.of_run(strange, strange.payload)  # type: ignore[arg-type]
    [created] = seal(("experiment", subject), [(0, ExperimentCreated(name="Conformer", task="asr"))])
    born = experiments.evolve(placeholder, record(created, 1, workspace="team"))
    assert (born.workspace, born.name, born.birth_name) == ("team", "Conformer", "Conformer")
    with pytest.raises(Refused):
        experiments.evolve(placeholder, record(created, 1, workspace="others"))
    with pytest.raises(Refused):
        experiments.evolve(born, record(created, 2, workspace="strangers"))
