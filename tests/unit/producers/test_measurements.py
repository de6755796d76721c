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
        pytest.raises(TrackerError, match=r"row 1 is \('r',\); give \(recording, speaker, start, end\)"),
    ):
        run.log_diarization("callhome", [("r", "A", 0.0, 1.0), ("r",)], TURNS)


HIT = ("hey", "r", 1.0, 2.0, 0.5)
NAN = float("nan")


@pytest.mark.parametrize(
    ("method", "given", "settings", "problem"),
    [
        ("log_diarization", (None, TURNS), {}, "reference is None"),
        ("log_diarization", ([("r", "A", "0", "1")], TURNS), {}, "reference turn 0 lasts from '0' to '1' s"),
        ("log_diarization", (TURNS, TURNS), {"collar": 30}, "no speech of the reference is evaluated"),
        ("log_diarization", (TURNS, TURNS), {"nam": "eend"}, "there is no argument 'nam'"),
        ("log_diarization", (TURNS, TURNS), {"decoding": "beam10"}, "decoding is 'beam10'"),
        ("log_verification", ([1, 0], [0.5, NAN]), {}, "the score of trial 1 is nan"),
        ("log_verification", ([1, 0], ["a", "b"]), {}, "scores are no numbers"),
        ("log_verification", ([], []), {}, "needs target and non-target trials"),
        ("log_keyword_spotting", ([HIT[:4]], [HIT]), {"threshold": NAN}, "threshold is nan"),
        (
            "log_keyword_spotting",
            ([HIT[:4]], [HIT]),
            {"false_alarms_per_hour": 1},
            "without a development set",
        ),
        ("log_keyword_spotting", ([], [HIT]), {"development": ("d", [], [], 9)}, "'d' has no hit"),
        ("log_keyword_spotting", ([], [HIT]), {"development": ("d", [], [HIT], 9)}, "has no reference"),
        ("log_listening_test", ([("", "u1", "vits", 4)],), {}, "rating 0 has no listener"),
        ("log_listening_test", ([("l1", "u1", "vits", "4")],), {}, "is '4', not a number"),
        ("log_listening_test", ([("l1", "u1", "vits", 4)],), {"kind": "dmos"}, "kind is 'dmos'"),
        ("log_synthesis", (), {}, "nothing is given"),
        ("log_synthesis", (), {"spoken": {"u1": "hello"}}, "recognised is missing"),
    ],
)
def test_bad_input_is_one_error_that_names_it(
    gateway: Gateway, method: str, given: tuple[Any, ...], settings: dict[str, Any], problem: str
) -> None:
    settings |= {"seconds": 3_600} if method == "log_keyword_spotting" else {}
    client = Client(api_url=gateway.url, api_key="key", on_error="raise")
    with client.start_run("evaluate") as run, pytest.raises(TrackerError, match=problem):
        getattr(run, method)("set", *given, **settings)


def test_the_development_set_chooses_the_threshold(gateway: Gateway) -> None:
    said = [("hey", "r", 10.0 * i, 10.0 * i + 1) for i in range(4)]
    heard = [(*each, 0.9 - 0.1 * i) for i, each in enumerate(said)]
    dev = ("dev", said, [*heard, ("hey", "r", 105.0, 106.0, 0.75)], 3_600)
    client = Client(api_url=gateway.url, api_key="key", on_error="raise")
    with client.start_run("evaluate") as run:
        run.log_keyword_spotting("wake", said, heard, seconds=3_600, development=dev, beta=3_000)
        run.log_keyword_spotting("wake", said, heard, seconds=3_600, development=dev, beta=10)
        run.log_keyword_spotting("noise", [], heard, seconds=3_600, development=dev)
    strict, lenient, noise = payloads(gateway, MeasurementLogged)
    # The false alarm costs β / 3,596: more than the two references below it are worth, or less.
    assert strict.values["threshold"] == pytest.approx(0.8)
    assert lenient.values["threshold"] == pytest.approx(0.6)
    assert strict.definition.settings["threshold_from"] == "tuned on dev, best term-weighted value"
    assert next(iter(noise.values)) == "false_alarms_per_hour"
    assert noise.values["frr"] is None
