"""Measurements that scripts log: the facts in the log, what was scored beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speech_experiment_schemas.artifacts import ArtifactLogged
from speech_experiment_schemas.catalogue import decode_payload
from speech_experiment_schemas.measurements import MeasurementLogged
from speech_experiment_tracker import Client, TrackerError

from .gateway import Gateway

TURNS = [("r1", "A", 0.0, 10.0), ("r2", "B", 0.0, 5.0)]


def payloads(gateway: Gateway, kind: type) -> list[Any]:
    return [found for record in gateway.records if isinstance(found := decode_payload(record), kind)]


def test_every_task_is_logged_with_its_definition(gateway: Gateway, tmp_path: Path) -> None:
    dice = np.random.default_rng(1)
    scores = np.concatenate((dice.normal(2, 1, 50), dice.normal(0, 1, 200)))
    client = Client(api_url=gateway.url, api_key="key", on_error="raise")
    with client.start_run("evaluate") as run:
        run.log_diarization(
            "callhome",
            TURNS,
            [("r1", "x", 0.0, 9.0), ("r2", "y", 0.0, 5.0)],
            name="eend",
            decoding={"threshold": 0.5},
        )
        run.log_verification("voxceleb1-o", [1] * 50 + [0] * 200, scores, p_target=0.05)
        run.log_keyword_spotting(
            "wake", [("hey", "r", 1, 2)], [("hey", "r", 1, 2, 0.9)], seconds=3_600, threshold=0.5
        )
        run.log_listening_test(
            "ljspeech", [(f"l{i}", f"u{j}", "vits", 4) for i in range(3) for j in range(3)]
        )
        run.log_synthesis(
            "ljspeech",
            spoken={"u1": "hello there"},
            recognised={"u1": "hello dare"},
            recogniser="whisper-tiny-1",
        )
    logged = payloads(gateway, MeasurementLogged)
    assert [each.definition.task for each in logged] == [
        "diarization",
        "verification",
        "spotting",
        "listening",
        "intelligibility",
    ]
    der, eer, hits, mos, heard = logged
    assert der.values["der"] == pytest.approx(1 / 15)
    assert der.items.ids == ["r1", "r2"]
    assert der.items.columns["missed"] == [1.0, 0.0]
    assert (der.name, der.decoding) == ("eend", {"threshold": 0.5})
    assert eer.definition.settings["p_target"] == 0.05
    assert eer.intervals["eer"].low <= eer.values["eer"] <= eer.intervals["eer"].high
    assert hits.values["frr"] == 0
    assert mos.values["mos"] == 4
    assert heard.values["rate"] == 0.5
    kept = {each.path for each in payloads(gateway, ArtifactLogged)}
    assert {path for each in logged for path in each.artifacts.values()} == kept
    assert sorted(eer.artifacts) == ["det", "scores", "trials"]


def test_many_parts_go_to_an_artifact(gateway: Gateway) -> None:
    turns = [(f"r{i}", "A", 0.0, 1.0) for i in range(2_001)]
    client = Client(api_url=gateway.url, api_key="key", on_error="raise")
    with client.start_run("evaluate") as run:
        run._log_result("big", _cheap(turns), {}, {})
    (logged,) = payloads(gateway, MeasurementLogged)
    assert (logged.items.total, logged.items.ids) == (2_001, [])
    assert logged.artifacts["items"].endswith("items.json")


def _cheap(turns: list[tuple[str, str, float, float]]) -> Any:
    from speech_experiment_projections.scoring.definitions import define
    from speech_experiment_projections.scoring.diarization import Components, Diarization

    rows = {name: Components(total=1.0, correct=1.0, speakers=1) for name, *_ in turns}
    definition = define("diarization", "pyannote.metrics", collar=0.0, skip_overlap=False, uem="given")
    return Diarization(definition=definition, recordings=rows, missing=[])


def test_what_cannot_be_measured_says_why_and_stops_nothing(
    gateway: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.rttm"
    bad.write_text("SPEAKER r1 1 0 ten <NA> <NA> A <NA>\n")
    with Client(api_url=gateway.url, api_key="key").start_run("evaluate") as run:
        run.log_diarization("callhome", TURNS, bad)
    assert f"{bad}:1: duration is 'ten', not a number" in capsys.readouterr().err
    assert payloads(gateway, MeasurementLogged) == []
    with (
        Client(api_url=gateway.url, api_key="key", on_error="raise").start_run("evaluate") as run,
        pytest.raises(TrackerError, match=r"row 1 is \('r',\), no Turn"),
    ):
        run.log_diarization("callhome", [("r", "A", 0.0, 1.0), ("r",)], TURNS)
