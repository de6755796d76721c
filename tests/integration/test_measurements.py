"""Measurements of other tasks from log calls to comparisons, now and as of a moment."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from speech_experiment_tracker import Client, TrackerError
from speech_experiment_tracker.cli.root import root
from speech_experiment_tracker.run import Run
from tests.conftest import RunningStack

pytestmark = pytest.mark.stack

REFERENCE = [("r1", "A", 0.0, 10.0), ("r2", "B", 0.0, 5.0)]
GOOD = [("r1", "x", 0.0, 9.0), ("r2", "y", 0.0, 5.0)]
POOR = [("r1", "x", 0.0, 5.0), ("r2", "y", 0.0, 5.0)]


def a_name() -> str:
    """Of a test set that no other test knows."""
    return f"set-{uuid4().hex[:12]}"


def diarized(client: Client, test_set: str, hypothesis: list[Any], **settings: Any) -> Run:
    run = client.start_run("diarizer")
    run.log_diarization(test_set, REFERENCE, hypothesis, **settings)
    assert run.flush("queryable", timeout=60)
    return run


def ask(client: Client, path: str, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.api().get(f"/api/v1/measurements{path}", query)
    return found


def test_systems_are_compared_by_their_newest_measurement(client: Client) -> None:
    name = a_name()
    poor, good = diarized(client, name, POOR), diarized(client, name, POOR)
    before = ask(client, "/comparison", task="diarization", test_set=name)["vector"]
    good.log_diarization(name, REFERENCE, GOOD)
    assert good.flush("queryable", timeout=60)
    board = ask(client, "/comparison", task="diarization", test_set=name)
    assert [row["run_id"] for row in board["measurements"]] == [str(good.id), str(poor.id)]
    assert (board["headline"], board["higher_is_better"]) == ("der", False)
    best = board["measurements"][0]
    assert best["values"]["der"] == pytest.approx(1 / 15)
    assert best["items"]["columns"]["missed"] == [1.0, 0.0]
    assert best["intervals"]["der"]["method"] == "bootstrap of recordings"
    assert best["against_best"] is None
    against = board["measurements"][1]["against_best"]
    assert (against["difference"], against["parts"]) == (pytest.approx(4 / 15), 2)
    assert against["improvement"] < 0.5
    only = ask(client, "", test_set=name, filter=f"id = '{poor.id}'")["measurements"]
    assert [row["run_id"] for row in only] == [str(poor.id)]
    with pytest.raises(TrackerError, match="nonsense"):
        ask(client, "/comparison", task="diarization", test_set=name, filter="nonsense = 1")
    then = ask(client, "/comparison", task="diarization", test_set=name, as_of=before)
    assert {row["values"]["der"] for row in then["measurements"]} == {5 / 15}
    for run in (poor, good):
        run.finish()


def test_numbers_that_do_not_mean_the_same_are_not_compared(client: Client) -> None:
    name = a_name()
    strict, lenient = diarized(client, name, GOOD), diarized(client, name, GOOD, collar=0.5)
    with pytest.raises(TrackerError, match="collar differ between 2 definitions") as refused:
        ask(client, "/comparison", task="diarization", test_set=name)
    assert refused.value.status == 409
    rows = ask(client, "", test_set=name)["measurements"]
    assert [row["run_id"] for row in rows] == [str(lenient.id), str(strict.id)]
    chosen = ask(
        client, "/comparison", task="diarization", test_set=name, definition=rows[1]["identity"][:12]
    )
    assert [row["run_id"] for row in chosen["measurements"]] == [str(strict.id)]
    for run in (strict, lenient):
        run.finish()


def test_frames_and_the_command_line_show_the_same(
    client: Client, stack: RunningStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = a_name()
    runs = [diarized(client, name, hypothesis) for hypothesis in (POOR, GOOD)]
    board = client.compare_measurements("diarization", name)
    assert [row["values"]["der"] for row in board] == [1 / 15, 5 / 15]
    assert len(client.measurements(run=runs[0]).to_pandas()) == 1
    monkeypatch.setenv("SPEECH_TRACKER_URL", stack.url)
    monkeypatch.setenv("SPEECH_TRACKER_API_KEY", stack.key)
    asked = ["measurements", "--task", "diarization", "--test-set", name]
    told = CliRunner().invoke(root, asked, env={"COLUMNS": "160"})
    assert told.exit_code == 0, (told.output, told.exception)
    assert told.output.index("6.67 %") < told.output.index("33.33 %")
    assert "collar = 0, skip_overlap = no" in told.output
    assert "jer" in told.output
    assert "no measurements yet" in CliRunner().invoke(root, [*asked[:3], "--test-set", a_name()]).output
    shown = CliRunner().invoke(root, ["show", str(runs[0].id)], env={"COLUMNS": "160"})
    assert "33.33 %" in shown.output, (shown.output, shown.exception)
    runs.append(diarized(client, name, GOOD, collar=0.5))
    refused = CliRunner().invoke(root, asked, env={"COLUMNS": "160"})
    assert isinstance(refused.exception, TrackerError)
    assert refused.exception.hint == "take one of them: --definition with its id"
    chosen = board[0]["identity"][:8]
    assert chosen in refused.output
    assert CliRunner().invoke(root, [*asked, "--definition", chosen]).exit_code == 0
    for run in runs:
        run.finish()


def test_a_deleted_run_takes_its_measurements_along(client: Client) -> None:
    name = a_name()
    run = diarized(client, name, GOOD)
    run.finish()
    client.delete("run", run.id, reason="wrong references")
    assert ask(client, "", test_set=name)["measurements"] == []
    client.restore("run", run.id)
    assert len(ask(client, "", test_set=name, run=str(run.id))["measurements"]) == 1
