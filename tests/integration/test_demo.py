"""The demo as a user runs it; every number it shows is measured again from what the server kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jiwer
import pytest

from speech_experiment_tracker.demo.archive import recordings_dir
from speech_experiment_tracker.demo.classifier import Classifier, examples
from speech_experiment_tracker.demo.digits import split, spoken_digits
from speech_experiment_tracker.errors import TrackerError
from tests.conftest import RunningStack

pytestmark = pytest.mark.stack
Answer = dict[str, Any]
Get = Callable[..., Any]
NOISY_SETS = ("demo-clean", "demo-babble", "demo-room")


@pytest.fixture(scope="module")
def recordings() -> Path:
    try:
        return recordings_dir()
    except TrackerError as error:
        pytest.skip(f"no recordings: {error}")


@pytest.fixture(scope="module")
def answer(stack: RunningStack, recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Answer:
    """What `speech-tracker demo --json` says at its end."""
    home = tmp_path_factory.mktemp("demo")
    environment = {
        **os.environ,
        "SPEECH_TRACKER_URL": stack.url,
        "SPEECH_TRACKER_API_KEY": stack.key,
        "SPEECH_TRACKER_SPOOL_DIR": str(home / "spool"),
        "XDG_CONFIG_HOME": str(home / "config"),
    }
    command = [sys.executable, "-m", "speech_experiment_tracker.cli", "demo", "--json"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Leaderboard" in ended.stderr
    found: Answer = json.loads(ended.stdout)
    return found | {"said": ended.stderr}


@pytest.fixture
def get(stack: RunningStack) -> Get:
    def ask(path: str, **parameters: Any) -> Any:
        headers = {"Authorization": f"Bearer {stack.key}"}
        answered = httpx.get(f"{stack.url}/api/v1{path}", params=parameters, headers=headers, timeout=60)
        answered.raise_for_status()
        return answered.json() if "json" in answered.headers["content-type"] else answered.content

    return ask


def _artifact(get: Get, run: Answer, path: str) -> Any:
    [found] = [each for each in get(f"/runs/{run['id']}/artifacts")["artifacts"] if each["path"] == path]
    return get(f"/artifacts/{found['id']}/content")


def test_the_leaderboard_is_in_order_and_covers_the_grid(answer: Answer) -> None:
    assert len({json.dumps(run["config"]["decoding"]) for run in answer["decodings"]}) == 9
    rates = [run["metrics"]["wer"] for run in answer["decodings"]]
    assert rates == sorted(rates)
    assert rates[0] < 0.5 < rates[-1]


def test_word_error_rates_follow_from_the_transcripts_kept(answer: Answer, get: Get) -> None:
    for run in answer["decodings"]:
        rows = _artifact(get, run, "results/utterances.json")
        assert len(rows) == 13
        pooled = jiwer.wer([row["reference"] for row in rows], [row["hypothesis"] for row in rows])
        assert run["metrics"]["wer"] == pytest.approx(pooled)
        for test_set, metrics in run["test_sets"].items():
            mine = [row for row in rows if test_set in ("", row["test_set"])]
            rate = jiwer.wer([row["reference"] for row in mine], [row["hypothesis"] for row in mine])
            assert metrics["wer"] == pytest.approx(rate)


def test_the_last_checkpoint_is_the_model_that_was_scored(
    answer: Answer, recordings: Path, get: Get, tmp_path: Path
) -> None:
    inputs, targets = examples(split(spoken_digits(recordings))[1])
    for run in answer["classifiers"]:
        (tmp_path / "model.npz").write_bytes(_artifact(get, run, f"step{run['config']['steps']}.npz"))
        predicted = Classifier.load(tmp_path / "model.npz").evaluate(inputs, targets)[1]
        assert run["metrics"]["tidigits-dev_accuracy"] == pytest.approx(float((predicted == targets).mean()))


def test_curves_are_whole_and_training_learnt_something(answer: Answer, get: Get) -> None:
    for run in answer["classifiers"]:
        curve = get(f"/runs/{run['id']}/curves", key="train_loss", points=0)["curves"]["train_loss"]
        assert curve["step"] == list(range(1, run["config"]["steps"] + 1))
        assert sum(curve["value"][-20:]) < sum(curve["value"][:20]) / 4


def test_a_training_was_killed_and_went_on_from_its_checkpoint(answer: Answer, get: Get) -> None:
    resumed = answer["resumed"]
    assert resumed["killed_after"] >= resumed["resumed_from"] == 200
    for line in ("killed with -9 after step", "resumed as attempt 2", "each of 400 steps once"):
        assert line in " ".join(answer["said"].split())
    run = get(f"/runs/{resumed['run_id']}")
    assert (run["attempts"], run["status"]) == (2, "finished")
    assert [(each["attempt"], each["from_step"]) for each in run["resumes"]] == [(2, 200)]
    curve = get(f"/runs/{resumed['run_id']}/curves", key="train_loss", points=0, abandoned=True)
    points = curve["curves"]["train_loss"]
    tail = [step for step, dead in zip(points["step"], points["abandoned"], strict=True) if dead]
    assert tail == list(range(201, max(tail) + 1))
    assert max(tail) >= resumed["killed_after"]
    streams = get(f"/runs/{resumed['run_id']}/delivery", timeout=30)["streams"]
    assert {
        each["close_reason"] for each in streams if each["attempt"] == 1 and each["role"] == "trainer"
    } == {"lost"}


def test_the_server_counts_what_two_systems_recognised_in_noise(answer: Answer, get: Get) -> None:
    assert len(answer["systems"]) == 2
    for system in answer["systems"]:
        assert [system[name]["coverage"] for name in NOISY_SETS] == [1.0, 1.0, 1.0]
        for name in NOISY_SETS:
            cell = system[name]
            flips = get("/flips", a=cell["evaluation"], b=cell["evaluation"], limit=1_000)
            assert flips["utterances"] == flips["alike"] == cell["utterances"]
    rates = {(row["run"], row["condition.noise"]): row for row in answer["noise"]}
    assert len(rates) == 2 * 4  # clean, two ratios, a room
    for row in rates.values():
        assert row["interval"]["low"] <= row["rate"] <= row["interval"]["high"]
        assert row["errors"] == row["substitutions"] + row["deletions"] + row["insertions"]
    for system in answer["systems"]:
        mine = {noise: row["rate"] for (run, noise), row in rates.items() if run == system["run_id"]}
        assert mine["none"] < mine["room"]
        assert mine["none"] < mine["babble 20 dB"] < mine["babble 10 dB"]
    assert "Robustness, counted by the server" in answer["said"]
    assert [each["test_set"] for each in answer["significance"]] == list(NOISY_SETS)
    for each in answer["significance"]:
        assert [row["run_id"] for row in each["systems"]] == [
            system["run_id"] for system in answer["systems"]
        ]
        other = each["systems"][1]["difference"]
        assert other["interval"]["low"] <= other["difference"] <= other["interval"]["high"]
    assert "really another system than" in answer["said"]


def test_everything_was_delivered(answer: Answer, get: Get) -> None:
    for run in (*answer["classifiers"], *answer["decodings"]):
        delivery = get(f"/runs/{run['id']}/delivery", timeout=30)
        assert delivery["verdict"] == "complete"
