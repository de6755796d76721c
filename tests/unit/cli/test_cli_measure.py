"""`speech-tracker measure` on files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from speech_experiment_tracker import TrackerError
from speech_experiment_tracker.cli.measured import comparison_table, main_numbers
from speech_experiment_tracker.cli.root import root

FILES = {
    "ref.rttm": "SPEAKER r1 1 0 10 <NA> <NA> A <NA>\nSPEAKER r2 1 0 10 <NA> <NA> A <NA>\n",
    "hyp.rttm": "SPEAKER r1 1 0 9 <NA> <NA> x <NA>\nSPEAKER r2 1 0 10 <NA> <NA> x <NA>\n",
    "ref.stm": "s1 1 a 0 1 Hello there\n",
    "hyp.stm": "s1 1 b 0 1 hello\n",
    "trials": "a u1 target\na u2 nontarget\nb u1 nontarget\nb u3 target\n",
    "scores": "a u1 2.5\na u2 -1\nb u1 3\nb u3 4\n",
    "said.tsv": "hey r1 1 2\nhey r1 8 9\n",
    "heard.tsv": "hey r1 1.1 2.1 0.9\nhey r1 20 21 0.7\n",
    "ratings.csv": "listener,item,system,score\nl1,u1,a,4\nl2,u1,a,5\nl1,u1,b,3\nl2,u1,b,3\n",
    "spoken": "u1 the cat sat\nu2 yes\n",
    "recognised": "u1 the cat sad\nu2 yes\n",
    "bad.rttm": "SPEAKER r1 1 0 ten <NA> <NA> A <NA>\n",
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def a_row(run: str, **values: float | None) -> dict[str, Any]:
    return {
        "run_id": "0" * 36,
        "run": run,
        "name": None,
        "headline": next(iter(values)),
        "values": values,
        "intervals": {"der": {"low": 0.01, "high": 0.04}},
    }


def test_what_people_look_at_stands_first_in_columns_that_fit() -> None:
    rows = [a_row("a", der=0.02, total=9.0, jer=0.1, confusion=1.5), a_row("b", der=0.03, jer=None)]
    assert main_numbers(rows[0]) == ["der", "jer", "confusion"]
    assert main_numbers(a_row("c", **{"mos.b": 4, "difference.b-a": 1, "mos.a": 3})) == [
        "mos.b",
        "mos.a",
        "difference.b-a",
    ]
    wide, hidden = comparison_table(rows, 100)
    assert [column.header for column in wide.columns] == ["id", "run", "der", "jer", "confusion"]
    assert list(wide.columns[2].cells) == ["2.00 % (1.00 % … 4.00 %)", "3.00 % (1.00 % … 4.00 %)"]
    assert hidden == 0
    narrow, hidden = comparison_table(rows, 40)
    assert [column.header for column in narrow.columns] == ["id", "run", "der"]
    assert hidden == 2


def measured(command: str) -> dict[str, Any]:
    told = CliRunner().invoke(root, ["measure", *command.split(), "--json"])
    assert told.exit_code == 0, (told.output, told.exception)
    found: dict[str, Any] = json.loads(told.output)
    return found


def test_diarization(files: Path) -> None:
    found = measured("diarization ref.rttm hyp.rttm --collar 0.5")
    assert found["values"]["der"] == pytest.approx(0.75 / 19)
    assert found["definition"]["settings"]["collar"] == 0.5
    assert found["items"]["rows"]["r2"]["missed"] == 0
    assert found["intervals"]["der"]["method"] == "bootstrap of recordings"


def test_meeting(files: Path) -> None:
    pytest.importorskip("meeteval")
    assert measured("meeting ref.stm hyp.stm")["values"]["cpwer"] == 1
    found = measured("meeting ref.stm hyp.stm --profile basic-wer --measure tcpwer --collar 5")
    assert found["values"]["tcpwer"] == 0.5
    assert found["definition"]["settings"]["profile"].startswith("basic-wer-1 ")


def test_verification(files: Path) -> None:
    found = measured("verification trials scores --p-target 0.5 --eer interpolated --calibrated")
    assert found["values"]["eer"] == 0.5
    assert {"min_dcf_normalised", "min_dcf_unnormalised", "actual_dcf_normalised", "cllr"} <= found[
        "values"
    ].keys()


def test_spotting_with_a_threshold_from_a_development_set(files: Path) -> None:
    options = "--seconds 3600 --false-alarms-per-hour 0 --dev devset said.tsv heard.tsv 3600"
    found = measured(f"spotting said.tsv heard.tsv {options}")
    assert found["values"]["threshold"] == 0.9
    assert found["values"]["frr"] == 0.5
    assert found["definition"]["settings"]["threshold_from"].startswith("tuned on devset")
    told = CliRunner().invoke(root, "measure spotting said.tsv heard.tsv --seconds 3600".split())
    assert isinstance(told.exception, TrackerError)


def test_listening(files: Path) -> None:
    found = measured("listening ratings.csv")
    assert (found["values"]["mos.a"], found["values"]["difference.a-b"]) == (4.5, 1.5)
    assert found["items"]["rows"]["b"]["ratings"] == 2


def test_intelligibility(files: Path) -> None:
    found = measured("intelligibility spoken recognised --recogniser pocketsphinx-5.1")
    assert found["values"]["rate"] == 0.25
    assert found["definition"]["settings"]["recogniser"] == "pocketsphinx-5.1"


def test_synthesis_of_two_folders(files: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    pytest.importorskip("pyworld")
    dice = np.random.default_rng(1)
    for folder in ("recorded", "made"):
        (files / folder).mkdir()
        soundfile.write(files / folder / "u1.wav", dice.normal(0, 0.1, 8_000), 16_000)
    found = measured("synthesis recorded made --f0 dio")
    assert found["values"]["mcd"] > 0
    assert found["definition"]["settings"]["order"] == 24
    (files / "made" / "u2.wav").write_bytes(b"")
    told = CliRunner().invoke(root, "measure synthesis recorded made".split())
    assert "'recorded' has no 'u2'" in str(told.exception)


def test_people_read_per_cent_and_the_definition(files: Path) -> None:
    told = CliRunner().invoke(root, "measure diarization ref.rttm hyp.rttm".split(), env={"COLUMNS": "120"})
    assert "5.00 %" in told.output
    assert "collar = 0, skip_overlap = no, uem = extent of reference and hypothesis" in told.output
    assert "pyannote.metrics" in told.output


def test_a_bad_line_is_told_with_its_place(files: Path) -> None:
    told = CliRunner().invoke(root, "measure diarization ref.rttm bad.rttm".split())
    assert isinstance(told.exception, TrackerError)
    assert "bad.rttm:1: duration is 'ten', not a number" in str(told.exception)
