"""Questions about one evaluation: groups, alignments, confusions, its utterances, all that was logged of a recognition."""

from __future__ import annotations

from typing import Any

import pytest

from speech_experiment_tracker import Client, TrackerError
from tests.conftest import RunningStack
from tests.faults.stack import speech_tracker
from tests.integration.evaluation_tools import HYPOTHESES, a_name, register

pytestmark = pytest.mark.stack


def test_breakdowns_and_alignments(client: Client) -> None:
    name = a_name()
    register(client, name)
    run = client.start_run("system")
    evaluation = run.log_evaluation(name, HYPOTHESES)
    assert run.flush("queryable", timeout=60)
    speakers = client.breakdown(evaluation, "speaker", order="worst", intervals=True)
    assert [(row["speaker"], row["errors"], row["tokens"]) for row in speakers] == [("b", 5, 7), ("a", 1, 8)]
    assert all(row["interval"]["low"] <= row["rate"] <= row["interval"]["high"] for row in speakers)
    both = client.breakdown(evaluation, ["speaker", "condition.snr"])
    assert [(row["speaker"], row["condition.snr"], row["utterances"]) for row in both] == [
        ("a", "10", 2),
        ("b", "10", 2),
    ]
    lengths = client.breakdown(evaluation, "length")
    assert [row["length"] for row in lengths] == ["1-2", "3-5", "6-10"]
    aligned = client.alignment([evaluation], "b-1")
    (hypothesis,) = aligned["hypotheses"]
    assert [step["operation"] for step in hypothesis["steps"]] == [
        "hit",
        "deletion",
        "hit",
        "hit",
        "insertion",
    ]
    run.finish()


def test_confusions_add_up_to_the_errors(client: Client, stack: RunningStack) -> None:
    name = a_name()
    register(client, name)
    run = client.start_run(f"{name}-system")
    evaluation = run.log_evaluation(name, HYPOTHESES)
    assert run.flush("queryable", timeout=60)
    found = client.confusions(evaluation)
    assert found["substitutions"] == [
        {"reference": "the", "hypothesis": "a", "count": 1, "utterances": 1, "example": "a-1"}
    ]
    assert [(each["reference"], each["example"]) for each in found["deletions"]] == [
        ("golden", "b-2"),
        ("is", "b-2"),
        ("silence", "b-2"),
        ("two", "b-1"),
    ]
    assert [(each["hypothesis"], each["count"]) for each in found["insertions"]] == [("five", 1)]
    assert found["distinct"] == {"substitutions": 1, "deletions": 4, "insertions": 1}
    assert (found["errors"], found["wrong"], found["aligned"], found["warnings"]) == (6, 3, 3, [])
    assert [(each["by"]["length"], each["errors"]) for each in found["by_length"]] == [
        ("1-2", 0),
        ("3-5", 5),
        ("6-10", 1),
    ]
    client.correct_reference(name, "a-1", "the cat sat on a mat")
    half = run.log_evaluation(name, {"b-1": HYPOTHESES["b-1"]}, decoding={"beam": 1})
    assert run.flush("queryable", timeout=60)
    assert client.flush(60)
    assert client.confusions(evaluation)["substitutions"] == []
    assert client.confusions(evaluation, as_of=found["vector"]) == found
    (deleted,) = client.confusions(half)["deletions"]
    assert (deleted["reference"], client.confusions(half)["missing_tokens"]) == ("two", 11)
    assert len(client.confusions(evaluation, limit=2)["deletions"]) == 2
    told = speech_tracker(
        *("confusions", f"{name}-system", "--on", name, "--at", found["vector"]),
        SPEECH_TRACKER_URL=stack.url,
        SPEECH_TRACKER_API_KEY=stack.key,
    ).stdout
    assert "golden" in told
    assert "6 errors on 15 tokens" in " ".join(told.split())
    run.finish()


def test_the_utterances_of_an_evaluation_are_listed_searched_and_grouped(client: Client) -> None:
    name = a_name()
    register(client, name)
    run = client.start_run("system")
    with run.log_evaluation(name) as evaluation:
        for utterance, text in HYPOTHESES.items():
            if utterance != "a-2":
                evaluation.log(utterance, text)
    assert run.flush("queryable", timeout=60)

    def found(**query: Any) -> dict[str, Any]:
        return client.api().get(f"/api/v1/evaluations/{evaluation.id}/utterances", query)

    whole = found()
    assert (whole["total"], whole["factors"]) == (4, ["speaker", "language", "condition.snr", "length"])
    assert [(each["utterance"], each["errors"]) for each in whole["utterances"]] == [
        ("b-2", 3),
        ("a-2", 2),
        ("b-1", 2),
        ("a-1", 1),
    ]
    missing = whole["utterances"][1]
    assert (missing["reference"], missing["hypothesis"], missing["speaker"]) == ("hello world", None, "a")
    assert (missing["deletions"], missing["tokens"], missing["duration"]) == (2, 2, 2.0)

    def ids(**query: Any) -> list[str]:
        return [each["utterance"] for each in found(**query)["utterances"]]

    assert ids(search="CAT") == ["a-1"]
    assert ids(search="b-") == ["b-2", "b-1"]
    assert ids(where=["speaker=a", "length=6-10"]) == ["a-1"]
    assert ids(where="speaker=nobody") == []
    assert ids(order="list", skip=1, limit=2) == ["a-2", "b-1"]
    assert ids(as_of=whole["vector"]) == ids()
    assert ids(said="the", heard="a") == ["a-1"]
    assert ids(said="two") == ids(heard="five") == ids(heard="five", where="speaker=b") == ["b-1"]
    assert ids(said="the") == ids(said="hello") == ids(heard="five", where="speaker=a") == []
    for query, told in (({"where": "run=x"}, "is no condition"), ({"order": "size"}, "is no order")):
        with pytest.raises(TrackerError, match=told):
            found(**query)
    profiles = client.api().get("/api/v1/profiles")["profiles"]
    assert profiles[0] == {"name": "basic-wer", "applied_at": None}
    run.finish()


def test_all_that_was_logged_of_a_recognition_can_be_asked_for(client: Client, stack: RunningStack) -> None:
    name = a_name()
    register(client, name)
    run = client.start_run("streaming")
    timing = {"device": "H200", "batch_size": 1, "includes_io": False}
    with run.log_evaluation(name, timing=timing) as evaluation:
        for place, (utterance, text) in enumerate(HYPOTHESES.items()):
            if utterance == "b-2":
                continue
            evaluation.log(
                utterance,
                text,
                decode_seconds=0.5 * (place + 1),
                first_partial=0.1,
                final=0.2 + place,
                emission=None if place else 0.05,
                nbest=["the cat", ("a cat", -4.5)] if not place else None,
                confidences=[0.5, 1.0] if not place else None,
                token_times=[(0.0, 0.25), (0.25, 0.5)] if not place else None,
                attention="att/a-1.json" if not place else None,
            )
    run.log_json("att/a-1.json", {"layer": 1})
    assert run.flush("queryable", timeout=60)
    rows = client.utterances(evaluation, order="list")
    assert [each["utterance"] for each in rows] == [*HYPOTHESES]
    first, second, _, missing = (each["decoded"] for each in rows)
    assert first["nbest"] == [{"text": "the cat", "score": None}, {"text": "a cat", "score": -4.5}]
    assert (first["confidences"], first["token_times"]) == ([0.5, 1.0], [[0.0, 0.25], [0.25, 0.5]])
    assert [first[part] for part in ("decode_seconds", "first_partial", "final", "emission")] == [
        0.5,
        0.1,
        0.2,
        0.05,
    ]
    (artifact,) = client.get_run(run).artifacts()
    assert (first["attention"], first["attention_artifact"]) == ("att/a-1.json", artifact["id"])
    assert (second["nbest"], second["emission"], second["attention_artifact"]) == ([], None, None)
    assert missing is None
    assert "decoded" not in client.utterances(evaluation, decoded=False)[0]
    (row,) = client.latency(evaluation)
    assert (row["timing"], row["timed"], row["coverage"]) == (timing, 3, 0.75)
    assert (row["rtf"], row["rtfx"]) == (0.5, 2.0)  # 3 s of 6 s of audio
    assert (row["decode"]["p50"], row["decode"]["max"], row["final"]["utterances"]) == (1.0, 1.5, 3)
    assert row["emission"] == {name: 1 if name == "utterances" else 0.05 for name in row["emission"]}
    cell = client.scores([name])[0][name]
    assert (cell["rtf"], cell["rtfx"], cell["timing"]) == (0.5, 2.0, timing)
    other = client.start_run("elsewhere")
    slower = other.log_evaluation(name, HYPOTHESES, timing=timing | {"device": "CPU"})
    assert other.flush("queryable", timeout=60)
    both = client.api().get("/api/v1/latency", {"evaluation": [str(evaluation.id), str(slower.id)]})
    assert both["differs"] == ["device"]
    assert both["systems"][1]["decode"] is None
    for bad in ("no id", None):
        with pytest.raises(TrackerError, match="evaluation"):
            client.latency(bad or [])
    assert client.utterances(evaluation, order="list", as_of=rows.vector).rows == rows.rows
    server = {"SPEECH_TRACKER_URL": stack.url, "SPEECH_TRACKER_API_KEY": stack.key}
    told = speech_tracker("utterances", str(evaluation.id), "--decoded", **server).stdout
    assert all(each in told for each in ("3. best: a cat  -4.5", "0.50 1.00", "0.25–0.50", "att/a-1.json"))
    told = speech_tracker("latency", str(evaluation.id), str(slower.id), **server)
    assert "device=H200" in " ".join(told.stdout.split())
    assert "device differ" in told.stderr
    for each in (run, other):
        each.finish()
