"""Evaluations from log calls to scores: what was recognised is scored by the system, and again when references change."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from speech_experiment_infra.state import stack_status
from speech_experiment_projections.scoring.replicates import compare_seeds
from speech_experiment_tracker import Client, TrackerError
from speech_experiment_tracker.run import Run
from tests.conftest import RunningStack
from tests.faults.stack import speech_tracker

pytestmark = pytest.mark.stack

REFERENCES = {
    "a-1": "the cat sat on the mat",
    "a-2": "hello world",
    "b-1": "one two three four",
    "b-2": "silence is golden",
}
HYPOTHESES = {"a-1": "the cat sat on a mat", "a-2": "Hello, world!", "b-1": "one three four five", "b-2": ""}


@pytest.fixture
def client(stack: RunningStack, tmp_path: Path) -> Client:
    return Client(stack.url, stack.key, spool_dir=tmp_path / "spool", on_error="raise")


def a_name() -> str:
    """Of a test set or system that no other test knows."""
    return f"set-{uuid4().hex[:12]}"


def scored(client: Client, run: Run, **query: Any) -> list[dict[str, Any]]:
    """The run's evaluations, once all that was logged is queryable."""
    assert run.flush("queryable", timeout=60)
    answer = client.api().get("/api/v1/evaluations", {"run": str(run.id), **query})
    return answer["evaluations"]


def register(client: Client, name: str) -> None:
    rows = [
        {"id": name_, "reference": text, "speaker": name_[0], "duration": 2.0, "conditions": {"snr": 10}}
        for name_, text in REFERENCES.items()
    ]
    client.register_test_set(name, rows, language="en")
    assert client.flush(60)


def test_an_evaluation_on_a_registered_set_is_scored(client: Client) -> None:
    name = a_name()
    register(client, name)
    run = client.start_run("system")
    with run.log_evaluation(name, decoding={"beam": 10}, checkpoint="epoch10.pt") as evaluation:
        for utterance, text in HYPOTHESES.items():
            evaluation.log(utterance, text, decode_seconds=0.5)
    (row,) = scored(client, run)
    score = row["score"]
    assert (row["state"], row["registered"], row["revision"], row["hypotheses"]) == ("complete", True, 1, 4)
    assert (score["errors"], score["tokens"], score["rate"]) == (6, 15, 0.4)
    assert [score[name] for name in ("substitutions", "deletions", "insertions", "hits")] == [1, 4, 1, 10]
    assert (score["coverage"], score["wrong"], score["speakers"]) == (1.0, 3, 2)
    assert score["mean_of_speakers"] == pytest.approx((1 / 8 + 5 / 7) / 2)
    assert score["mean_of_utterances"] == pytest.approx((1 / 6 + 0 + 2 / 4 + 1) / 4)
    assert (score["rtf"], score["rtfx"]) == (0.25, 4.0)
    run.finish()


def test_references_of_ones_own_need_no_set(client: Client) -> None:
    run = client.start_run("system")
    run.log_evaluation(a_name(), HYPOTHESES, REFERENCES)
    (row,) = scored(client, run)
    assert (row["registered"], row["revision"], row["score"]["rate"]) == (False, None, 0.4)
    run.finish()


def test_hypotheses_wait_for_the_set_that_is_registered_later(client: Client) -> None:
    name = a_name()
    run = client.start_run("early")
    run.log_evaluation(name, HYPOTHESES)
    (row,) = scored(client, run)
    assert row["score"] is None
    register(client, name)
    (row,) = scored(client, run)
    assert row["score"]["rate"] == 0.4
    run.finish()


def board(client: Client, name: str, run: Run, **query: Any) -> Any:
    """The cell of a run on a set, and the answer's vector."""
    frame = client.scores([name], **query)
    row = next(row for row in frame if row["run_id"] == str(run.id))
    return row[name], frame.vector


def test_a_corrected_reference_scores_every_system_again_and_the_past_stays(client: Client) -> None:
    name = a_name()
    register(client, name)
    runs = [client.start_run(f"system {number}") for number in range(2)]
    evaluations = []
    for number, run in enumerate(runs):
        texts = HYPOTHESES | ({"b-2": "silence is golden"} if number else {})
        evaluations.append(run.log_evaluation(name, texts))
        assert run.flush("queryable", timeout=60)
    before, vector = board(client, name, runs[0])
    assert (before["revision"], before["errors"], before["differs"]) == (1, 6, [])
    client.correct_reference(name, "a-1", "the cat sat on a mat", reason="heard again")
    client.correct_references(name, {"b-1": "one three four five", "nobody": "x"})
    assert client.flush(60)
    after, _ = board(client, name, runs[0])
    assert (after["revision"], after["errors"], after["tokens"]) == (3, 3, 15)
    assert board(client, name, runs[1])[0]["errors"] == 0
    assert board(client, name, runs[0], as_of=vector)[0] == before
    (row,) = scored(client, runs[0])
    assert row["score"]["flags"]["not_in_list"] == 1
    revisions = client.api().get(f"/api/v1/test-sets/{name}")["revisions"]
    assert [(each["number"], each["base"], each["corrected"]) for each in revisions] == [
        (3, 1, 2),
        (2, 1, 1),
        (1, 1, 0),
    ]
    assert revisions[1]["reason"] == "heard again"
    register(client, name)  # the same list again changes nothing
    assert board(client, name, runs[0])[0]["revision"] == 3
    flips = client.flips(evaluations[0], evaluations[1])
    assert [(flip["utterance"], flip["change"]) for flip in flips] == [("b-2", -3)]
    assert flips[0]["a"] == {"hypothesis": "", "errors": 3}
    old = client.flips(evaluations[0], evaluations[1], as_of=vector)
    assert [flip["reference"] for flip in old] == ["silence is golden"]
    for run in runs:
        run.finish()


def test_languages_count_the_same_however_many_sets_they_have(client: Client) -> None:
    named = {language: [a_name() for _ in range(sets)] for language, sets in {"en": 2, "hi": 1}.items()}
    own = a_name()
    for language, names in named.items():
        for name in names:
            client.register_test_set(name, [{"id": "1", "reference": "a b c d"}], language=language)
    run = client.start_run("polyglot")
    run.log_evaluation(named["en"][0], {"1": "a b c d"})
    run.log_evaluation(named["en"][1], {"1": "a b c x"})
    run.log_evaluation(named["hi"][0], {"1": "x x c d"})
    run.log_evaluation(own, {"1": "a b x x"}, {"1": "a b c d"}, language="yo")
    other = client.start_run("monoglot")
    other.log_evaluation(named["en"][0], {"1": "a b c d"})
    assert all(each.flush("queryable", timeout=60) for each in (run, other))
    sets = [*named["en"], *named["hi"], own]
    frame = client.scores(sets)
    row = next(row for row in frame if row["run_id"] == str(run.id))
    assert row["by_language"] == {"en": 0.125, "hi": 0.5, "yo": 0.5}
    assert (row["macro_over_sets"], row["macro_over_languages"]) == (0.3125, 0.375)
    assert row["missing_languages"] == 0
    less = next(row for row in frame if row["run_id"] == str(other.id))
    assert (less["macro_over_languages"], less["missing_languages"]) == (0.0, 2)
    before = frame.vector
    client.register_test_set(
        named["hi"][0], [{"id": "1", "reference": "a b c d"}], language="en", description="was wrong"
    )
    assert client.flush(60)
    (now,) = (row for row in client.scores(sets) if row["run_id"] == str(run.id))
    assert now["by_language"] == {"en": 0.25, "yo": 0.5}
    (then,) = (row for row in client.scores(sets, as_of=before) if row["run_id"] == str(run.id))
    assert then["by_language"] == row["by_language"]
    for each in (run, other):
        each.finish()


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


def many(client: Client, name: str, speakers: int = 24) -> list[str]:
    """A set of five utterances for each speaker; its ids."""
    ids = [f"{speaker}-{place}" for speaker in range(speakers) for place in range(5)]
    rows = [
        {
            "id": each,
            "reference": f"{SAID} {each[-1]}",
            "speaker": each.split("-")[0],
            "conditions": {"noise": "babble" if int(each[-1]) < 2 else "none"},
        }
        for each in ids
    ]
    client.register_test_set(name, rows, language="en")
    assert client.flush(60)
    return ids


SAID = "the quick brown fox jumps over the lazy dog"


def test_systems_differ_or_tie_with_the_best(client: Client, stack: RunningStack) -> None:
    name = a_name()
    ids = many(client, name)
    wrong = {"good": 0, "alike": 0, "bad": 3}
    runs = {}
    for system, errors in wrong.items():
        run = runs[system] = client.start_run(f"{name}-{system}")
        texts = {
            each: " ".join([*["no"] * errors, *SAID.split()[errors:], each[-1]])
            for each in ids
            if each != ids[0]
        } | {ids[0]: "nothing" if system == "alike" else SAID}
        run.log_evaluation(name, texts)
        assert run.flush("queryable", timeout=60)
    answer = client.significance([*runs.values()], test_set=name)
    systems = answer["systems"]
    assert [each["run"].rsplit("-", 1)[1] for each in systems] == list(wrong)
    assert [(each["best"], each["tied"]) for each in systems] == [(True, True), (False, True), (False, False)]
    assert (answer["drawn"], answer["speakers"]) == ("speakers", 24)
    (single,) = answer["warnings"]
    assert single.startswith("single seed: ")
    assert answer["against"] == systems[0]["evaluation"]
    assert systems[0]["difference"] is None
    bad = systems[2]["difference"]
    assert bad["interval"]["low"] <= bad["difference"] <= bad["interval"]["high"]
    assert (bad["improvement"], bad["p_adjusted"] <= 0.001) == (0.0, True)
    assert all(bad[test]["p"] < 0.001 for test in ("mapsswe", "wilcoxon", "mcnemar"))
    assert bad["reduction"] < 0
    assert all(each["interval"]["low"] <= each["rate"] <= each["interval"]["high"] for each in systems)
    cells = {row["run_id"]: row[name] for row in client.scores([name], intervals=True)}
    for each in systems:
        sure = cells[each["run_id"]]["certainty"]
        assert ({"low": sure["low"], "high": sure["high"]}, sure["tied"]) == (each["interval"], each["tied"])
        assert sure["p"] == (each["difference"] and each["difference"]["p_adjusted"])
    assert "certainty" not in client.scores([name])[0][name]
    one = client.scores([name], intervals=True, limit=3, filter=f"name = '{name}-bad'")
    assert one[0][name]["certainty"]["tied"]  # alone, it is the best of those that are asked for
    # The same at its vector, to the last digit; and by the ids of evaluations.
    later = runs["bad"].log_evaluation(name, {each: f"{SAID} {each[-1]}" for each in ids})
    assert runs["bad"].flush("queryable", timeout=60)
    assert client.significance([*runs.values()], test_set=name, as_of=answer["vector"]) == answer
    named = [each["evaluation"] for each in systems]
    assert client.significance(named, as_of=answer["vector"])["systems"] == systems
    assert client.significance([*runs.values()], test_set=name)["systems"][2]["evaluation"] == str(later.id)
    assert client.significance(named, against="first")["against"] == named[0]
    server = {"SPEECH_TRACKER_URL": stack.url, "SPEECH_TRACKER_API_KEY": stack.key}
    told = speech_tracker(
        "significance", f"{name}-good", f"{name}-bad", "--on", name, "--at", answer["vector"], **server
    )
    shown = speech_tracker("scores", "-t", name, "--intervals", **server).stdout
    assert "±" in shown
    assert "± half of the 95 % interval by 10,000 draws" in shown
    assert "= " in told.stdout
    assert "not shown to differ from the best, α = 0.05" in " ".join(told.stdout.split())
    for run in runs.values():
        run.finish()


def test_seeds_of_one_configuration_are_replicates(client: Client, stack: RunningStack) -> None:
    name = a_name()
    ids = many(client, name, speakers=4)
    experiment = client.create_experiment(name)
    seeds: dict[tuple[str, int], Run] = {}
    for size, errors in {"small": (40, 42, 44), "large": (20, 21, 22)}.items():
        for seed, wrong in enumerate(errors):
            run = seeds[size, seed] = experiment.start_run(f"{size}-{seed}")
            run.log_config(
                {"model": {"size": size}, "train": {"random_seed": seed}, "out": f"exp/{size}{seed}"}
            )
            spoilt = f"{'no ' * wrong}{SAID} {ids[0][-1]}"
            run.log_evaluation(
                name, {each: spoilt if each == ids[0] else f"{SAID} {each[-1]}" for each in ids}
            )
    alone = client.start_run("alone", tags={"seed": "1"})
    evaluation = alone.log_evaluation(name, {each: f"{SAID} {each[-1]}" for each in ids})
    assert all(each.flush("queryable", timeout=60) for each in (*seeds.values(), alone))

    def configurations(**query: Any) -> dict[str, Any]:
        return {row["run"].split("-")[0]: row for row in client.replicates([name], **query)}

    assert [len(row["runs"]) for row in client.replicates([name])] == [1] * 7  # `out` differs
    found = configurations(apart_from="out")
    tokens = 10 * len(ids)
    small, large = found["small"][name], found["large"][name]
    assert [len(row["runs"]) for row in found.values()] == [1, 3, 3]
    assert small["mean"] == pytest.approx(42 / tokens)
    assert small["sd"] == pytest.approx(2 / tokens)
    assert [each["seed"] for each in large["scores"]] == ["0", "1", "2"]
    assert (small["single_seed"], small["coverage"]) == (False, 1.0)
    assert (found["alone"][name]["best"], found["alone"][name]["single_seed"]) == (True, True)
    assert (small["p"], small["tied"]) == (None, None)  # nothing can be said against a single seed
    both = configurations(apart_from="out", filter=f"experiment = '{name}'")
    assert both["large"][name]["best"]
    assert both["small"][name]["tied"] is False
    assert both["small"][name]["p"] < 0.001
    vector = client.replicates([name]).vector
    again = experiment.start_run("large-2 again")
    again.log_config({"model": {"size": "large"}, "train": {"random_seed": 2}, "out": "exp/large2"})
    again.log_evaluation(name, {each: f"{SAID} {each[-1]}" for each in ids})
    for run in seeds.values():
        run.log_config({"out": "exp"})
    again.log_config({"out": "exp"})
    assert all(each.flush("queryable", timeout=60) for each in (*seeds.values(), again))
    newer = configurations()["large"]
    assert newer[name]["mean"] == pytest.approx((20 + 21) / 3 / tokens)  # the newest run of a seed counts
    assert configurations(apart_from="out", as_of=vector)["large"] == found["large"]
    answer = client.significance([seeds["small", 0], seeds["large", 0], evaluation], test_set=name)
    across = [each["across_seeds"] for each in answer["systems"]]
    assert [(each["seeds"], each["single_seed"]) for each in across] == [(3, False), (3, False), (1, True)]
    assert across[0]["mean"] == pytest.approx(42 / tokens)
    assert any("single seed: alone" in each for each in answer["warnings"])
    against = client.significance([seeds["large", 0], seeds["small", 0]], test_set=name, against="first")
    expected = compare_seeds(
        [wrong / tokens for wrong in (40, 42, 44)], [wrong / tokens for wrong in (20, 21, 0)]
    )
    assert against["systems"][1]["difference"]["welch"]["p"] == pytest.approx(expected.p)
    same = client.significance([seeds["small", 0], seeds["small", 1]], test_set=name)
    assert any("one configuration" in each for each in same["warnings"])
    frame = client.scores([name], intervals=True)
    counted = {row["run"]: row["seeds"] for row in frame}
    assert (counted["large-1"], counted["large-2"], counted["alone"]) == (3, 3, 1)
    server = {"SPEECH_TRACKER_URL": stack.url, "SPEECH_TRACKER_API_KEY": stack.key}
    told = speech_tracker("replicates", "-t", name, **server)
    assert "(3)" in told.stdout
    assert "¹" in told.stdout
    for run in (*seeds.values(), alone, again):
        run.finish()


def test_a_gate_opens_for_what_has_not_regressed(client: Client, stack: RunningStack) -> None:
    names = sorted((a_name(), a_name()))
    ids = many(client, names[0])
    many(client, names[1])
    runs = {system: client.start_run(f"{names[0]}-{system}") for system in ("old", "new")}
    right = {each: f"{SAID} {each[-1]}" for each in ids}
    noisy = {each: text if int(each[-1]) >= 2 else "no no no" for each, text in right.items()}
    for name, systems in ((names[0], (right, noisy)), (names[1], (right, right))):
        for run, texts in zip(runs.values(), systems, strict=True):
            run.log_evaluation(name, texts)
    runs["old"].log_evaluation(f"{names[0]}-old-only", right, right)
    runs["new"].log_evaluation(names[1], right, decoding={"beam": 10})
    for run in runs.values():
        assert run.flush("queryable", timeout=60)
    answer = client.gate(runs["new"], runs["old"], test_sets=names, by=["noise"])
    verdicts = {(each["set"], each["group"]): each["verdict"] for each in answer["checks"]}
    assert verdicts == {
        (names[0], None): "regressed",
        (names[0], "noise babble"): "regressed",
        (names[0], "noise none"): "passed",
        **{(names[1], group): "passed" for group in (None, "noise babble", "noise none")},
    }
    assert not answer["passed"]
    assert f"{names[1]}: the candidate has 2 decodings; the newest is taken: beam=10" in answer["notes"]
    assert client.gate(runs["new"], runs["old"], test_sets=names, max_regress=1)["passed"]
    everything = client.gate(runs["new"], runs["old"], max_regress=1)
    assert [each["verdict"] for each in everything["checks"]] == ["passed", "passed", "not compared"]
    assert (everything["passed"], everything["checks"][2]["warnings"]) == (
        False,
        ["the candidate is not scored on it"],
    )
    old = client.evaluations(runs["old"], test_set=names[1])[0]["id"]
    (alone,) = client.gate(runs["new"], old)["checks"]
    assert (alone["set"], alone["verdict"], alone["difference"]) == (names[1], "passed", 0.0)
    server = {"SPEECH_TRACKER_URL": stack.url, "SPEECH_TRACKER_API_KEY": stack.key}
    asked = ("gate", f"{names[0]}-new", "--against", str(runs["old"].id), "--by", "noise", "--json")
    told = speech_tracker(*asked, "--on", names[1], "--at", answer["vector"], **server)
    shown = json.loads(told.stdout)
    assert (shown["passed"], shown["checks"]) == (
        True,
        client.gate(runs["new"], runs["old"], test_sets=names[1:], by=["noise"], as_of=answer["vector"])[
            "checks"
        ],
    )
    with pytest.raises(RuntimeError, match="exited 1"):
        speech_tracker(*asked, "--on", names[0], **server)
    with pytest.raises(RuntimeError, match="neither such a file or folder nor such a run"):
        speech_tracker("gate", "nobody", "--against", "old", **server)
    with pytest.raises(TrackerError, match=r"there are condition\.noise"):
        client.gate(runs["new"], runs["old"], test_sets=names, by=["accent"])
    for run in runs.values():
        run.finish()


def test_only_like_is_tested_against_like(client: Client) -> None:
    name = a_name()
    register(client, name)
    runs = [client.start_run(f"system {number}") for number in range(3)]
    one = runs[0].log_evaluation(name, HYPOTHESES)
    own = runs[1].log_evaluation(name, HYPOTHESES, REFERENCES | {"a-1": "something else"})
    part = runs[2].log_evaluation(name, {"a-1": REFERENCES["a-1"], "b-1": REFERENCES["b-1"]})
    for run in runs:
        assert run.flush("queryable", timeout=60)
    with pytest.raises(TrackerError, match="references differ") as refused:
        client.significance([one, own])
    assert refused.value.status == 409
    common = client.significance([one, own, part], common=True)
    assert (common["utterances"], common["speakers"], common["common"]) == (1, 1, True)
    halves = client.significance([one, part])
    assert [each["differs"] for each in halves["systems"]] == [[], ["coverage"]]
    assert any("common=true" in warning for warning in halves["warnings"])
    assert any("2 speakers are few" in warning for warning in halves["warnings"])
    # Flips mean the same by it: what both have recognised, with the coverage stated.
    for systems in ([one, own], [one, part], [part, one]):
        flips = client.api().get(
            "/api/v1/flips", {"a": str(systems[0].id), "b": str(systems[1].id), "common": True}
        )
        same = client.significance(systems, common=True)
        assert (flips["utterances"], flips["listed"]) == (same["utterances"], same["listed"])
        assert [flips["rate_a"], flips["rate_b"]] == [each["rate"] for each in same["systems"]]
        assert (flips["common"], flips["differs"]) == (True, [])
        assert flips["covered_a"] == flips["covered_b"] == flips["utterances"]
    flips = client.api().get("/api/v1/flips", {"a": str(one.id), "b": str(part.id)})
    assert [flips[name] for name in ("utterances", "covered_a", "covered_b", "differs")] == [
        4,
        4,
        2,
        ["coverage"],
    ]
    assert [flips["rate_a"], flips["rate_b"]] == [each["rate"] for each in halves["systems"]]
    with pytest.raises(TrackerError, match="references differ"):
        client.flips(one, own)
    with pytest.raises(TrackerError, match="speech-tracker rescore --profile never"):
        client.significance([one, part], profile="never")
    for asked, told in (
        ({"systems": [one]}, "2 to 20 systems"),
        ({"systems": [one, runs[0]], "test_set": name}, "named twice"),
        ({"systems": [one, runs[2]]}, "name a test_set to mean a run"),
        ({"systems": [one, part], "alpha": 2}, "at most 0.5"),
        ({"systems": [one, part], "against": "worst"}, "neither best nor first"),
        ({"systems": [one, part], "test_set": "another"}, "not on 'another'"),
    ):
        with pytest.raises(TrackerError, match=told):
            client.significance(**asked)
    for run in runs:
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


def test_a_decoding_that_was_perhaps_chosen_on_its_set_is_marked(client: Client) -> None:
    name, dev = a_name(), a_name()
    register(client, name)
    register(client, dev)
    tuned, plain = client.start_run("tuned"), client.start_run("plain")
    evaluations = [tuned.log_evaluation(name, HYPOTHESES, decoding={"beam": beam}) for beam in (1, 10)]
    other = plain.log_evaluation(name, HYPOTHESES)
    for run in (tuned, plain):
        assert run.flush("queryable", timeout=60)
    marks = {row["run"]: row[name]["tuned_here"] for row in client.scores([name])}
    assert marks == {"tuned": True, "plain": False}
    assert [row["tuned_here"] for row in client.evaluations(tuned)] == [True, True]
    answer = client.significance([evaluations[1], other])
    told = f"tuned was decoded in 2 ways on {name}, and no two of them on another set"
    assert any(told in each for each in answer["warnings"])
    for beam in (1, 10):
        tuned.log_evaluation(dev, HYPOTHESES, decoding={"beam": beam})
    assert tuned.flush("queryable", timeout=60)
    assert not any(row[name]["tuned_here"] for row in client.scores([name]))
    assert [row["tuned_here"] for row in client.evaluations(tuned, test_set=name)] == [False, False]
    assert not any("2 ways" in each for each in client.significance([evaluations[1], other])["warnings"])
    assert client.significance([evaluations[1], other], as_of=answer["vector"]) == answer
    for run in (tuned, plain):
        run.finish()


def test_another_profile_scores_the_whole_history(client: Client) -> None:
    name = a_name()
    register(client, name)
    run = client.start_run("system")
    run.log_evaluation(name, HYPOTHESES)
    (words,) = scored(client, run)
    client.apply_profile("basic-cer")
    assert client.flush(60)
    (characters,) = scored(client, run, profile="basic-cer")
    assert characters["score"]["tokens"] > words["score"]["tokens"]
    run.log_evaluation(name, REFERENCES, decoding={"beam": 1})
    later = scored(client, run, profile="basic-cer")
    assert [row["score"]["errors"] for row in later] == [0, characters["score"]["errors"]]
    house = f"house-{uuid4().hex[:6]}"
    client.apply_profile(house, {"normaliser": "none", "case": "as_written", "punctuation": "as_written"})
    assert client.flush(60)
    assert scored(client, run, profile=house)[1]["score"]["errors"] == 8
    run.finish()


def test_what_does_not_fit_is_flagged_and_nothing_is_dropped(client: Client) -> None:
    name = a_name()
    register(client, name)
    run = client.start_run("careless")
    given = [*HYPOTHESES.items(), ("a-1", "again"), ("nobody", "knows")][1:]
    run.log_evaluation(name, given)
    (row,) = scored(client, run)
    assert row["hypotheses"] == 5
    score = row["score"]
    assert (score["covered"], score["flags"]["unknown"], score["flags"]["repeated"]) == (4, 1, 0)
    assert score["flags"]["examples"] == {"unknown": ["nobody"]}
    other = client.start_run("half")
    other.log_evaluation(name, {"a-1": REFERENCES["a-1"]})
    assert other.flush("queryable", timeout=60)
    cell, _ = board(client, name, other)
    assert (cell["coverage"], cell["differs"], cell["errors"]) == (0.25, ["coverage"], 9)
    stranger = client.start_run("other references")
    stranger.log_evaluation(name, HYPOTHESES, REFERENCES | {"a-1": "something else"})
    assert stranger.flush("queryable", timeout=60)
    assert board(client, name, stranger)[0]["differs"] == ["references"]
    same = client.start_run("the same references")
    same.log_evaluation(name, HYPOTHESES, REFERENCES)
    assert same.flush("queryable", timeout=60)
    assert board(client, name, same)[0]["differs"] == []
    for each in (run, other, stranger, same):
        each.finish()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "no utterances"),
        ([{"id": "a"}], "utterance 0 ('a') has no reference"),
        ([{"id": "a", "reference": "x"}, {"id": "a", "reference": "y"}], "utterance 1 has the id 'a'"),
        ([{"id": "a", "reference": "x", "duration": -1}], "duration of utterance 0 ('a') is -1 s"),
        ([{"id": "a", "reference": "x" * 1_000_000}], "has 1,000,000 characters"),
        ([{"id": "a", "reference": "\udce9"}], "is not valid Unicode"),
        ([{"id": "a", "reference": "x", "noise": "babble"}], "the field 'noise'"),
        (["a"], "utterance 0 is str 'a'"),
    ],
)
def test_a_bad_list_is_refused_with_the_place(client: Client, rows: list[Any], told: str) -> None:
    with pytest.raises(TrackerError) as caught:
        client.register_test_set(a_name(), rows)
    assert told in str(caught.value)


def test_a_bad_evaluation_names_the_place(client: Client) -> None:
    run = client.start_run("careless")
    with pytest.raises(TrackerError, match="2 hypotheses, but 3 ids"):
        run.log_evaluation("x", ["a", "b"], ids=["1", "2", "3"])
    with pytest.raises(TrackerError, match="3 references, but 2 ids"):
        run.log_evaluation("x", ["a", "b"], ["a", "b", "c"], ids=["1", "2"])
    with pytest.raises(TrackerError, match="2 hypotheses, but 3 references"):
        run.log_evaluation("x", [("1", "a"), ("2", "b")], {"1": "a", "2": "b", "3": "c"})
    with run.log_evaluation("x") as evaluation:
        with pytest.raises(TrackerError, match="hypothesis of utterance 'u' is None"):
            evaluation.log("u", None)  # type: ignore[arg-type]
        with pytest.raises(TrackerError, match="decode_seconds of utterance 'u' is -1 s"):
            evaluation.log("u", "text", decode_seconds=-1)
        with pytest.raises(TrackerError, match=r"duration of utterance 'u' is -0\.5 s"):
            evaluation.log("u", "text", duration=-0.5)
        with pytest.raises(TrackerError, match="hypothesis of utterance 'u' has 1,000,000 characters"):
            evaluation.log("u", "x" * 1_000_000)
        with pytest.raises(
            TrackerError, match="hypothesis of utterance 'u' is not valid Unicode at character 1"
        ):
            evaluation.log("u", "x\udce9")
        with pytest.raises(TrackerError, match=r"utterance 'u': .*nbest: texts or"):
            evaluation.log("u", "text", nbest=[("a", 1, 2)])
    run.finish()


def test_what_is_wrong_with_a_file_is_told_with_its_line(client: Client, tmp_path: Path) -> None:
    run = client.start_run("careless")
    files = {
        "latin.trn": ("hello (a-1)\ncaf\u00e9 (a-2)\n".encode("latin-1"), "latin.trn:2"),
        "picture.trn": (b"\x89PNG\r\n\x1a\n\x00\x00", "picture.trn"),
        "empty.trn": (b"", "empty.trn"),
    }
    for name, (content, place) in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TrackerError, match=place):
            run.log_evaluation("x", tmp_path / name)
        with pytest.raises(TrackerError, match=place):
            client.register_test_set(a_name(), tmp_path / name)
    run.finish()


def test_an_evaluation_of_nothing_and_repeated_utterances_are_kept_and_flagged(client: Client) -> None:
    name = a_name()
    register(client, name)
    run = client.start_run("careless")
    run.log_evaluation(name, {}, name="nothing")
    run.log_evaluation(name, [("a-2", "hello world"), ("a-2", "hello"), ("zzz", "x"), ("zzz", "y")])
    repeated, nothing = scored(client, run)
    assert (nothing["state"], nothing["hypotheses"]) == ("complete", 0)
    assert (nothing["score"]["coverage"], nothing["score"]["deletions"]) == (0.0, 15)
    assert repeated["hypotheses"] == 4
    flags = repeated["score"]["flags"]
    assert (flags["repeated"], flags["unknown"]) == (1, 2)
    assert flags["examples"] == {"repeated": ["a-2"], "unknown": ["zzz", "zzz"]}
    assert (repeated["score"]["covered"], repeated["score"]["hits"]) == (1, 2)  # the first of them counts
    run.finish()


def test_a_hundred_thousand_utterances(client: Client) -> None:
    name = a_name()
    words = "the quick brown fox jumps over a lazy dog today".split()
    references = {
        f"u{number}": " ".join([*words[number % 5 :], str(number % 97)]) for number in range(100_000)
    }
    client.register_test_set(
        name, [{"id": key, "reference": text, "speaker": key[-2:]} for key, text in references.items()]
    )
    assert client.flush(120)
    run = client.start_run("large")
    with run.log_evaluation(name) as evaluation:
        for number, (key, text) in enumerate(references.items()):
            evaluation.log(key, text if number % 10 else text.replace("fox", "box"))
    (row,) = scored(client, run)
    score = row["score"]
    assert (score["utterances"], score["coverage"], score["deletions"], score["insertions"]) == (
        100_000,
        1.0,
        0,
        0,
    )
    assert score["substitutions"] == sum(
        "fox" in references[f"u{number}"] for number in range(0, 100_000, 10)
    )
    assert len(client.breakdown(evaluation, "speaker")) == 110
    run.finish()


def test_scores_survive_the_death_of_their_worker(client: Client, stack: RunningStack) -> None:
    """Killed at any moment, it leaves nothing half done and does nothing twice."""
    name = a_name()
    register(client, name)
    run = client.start_run("killed")
    for number in range(12):
        run.log_evaluation(name, HYPOTHESES, decoding={"beam": number})
        if number % 4 == 1:
            client.correct_reference(name, "a-1", f"the cat sat on {number} mat")
        if number % 3 == 2:
            pid = stack_status(stack.data_dir)["children"]["consumers-scores"]["pid"]
            if pid:
                os.kill(pid, signal.SIGKILL)
    assert client.flush(120)
    rows = scored(client, run)
    assert len(rows) == 12
    assert {row["score"]["errors"] for row in rows} == {6}
    assert {row["revision"] for row in rows} == {4}
    run.finish()


def test_scores_win_over_names_in_the_questions_about_runs(client: Client) -> None:
    name = f"{a_name()}-test"
    register(client, name)
    run = client.start_run("both")
    run.log_metric(f"{name}_wer", 0.9)
    run.log_metric(f"{name}_ter", 0.3)
    assert run.flush("queryable", timeout=60)
    shown = client.get_run(run.id)
    assert shown["test_sets"][name] == {"wer": 0.9, "ter": 0.3}
    run.log_evaluation(name, HYPOTHESES, decoding={"beam": 10})
    assert run.flush("queryable", timeout=60)
    time.sleep(1.1)  # what has scores is asked again after a second
    now = client.get_run(run.id)["test_sets"][name]  # and by other profiles, where others have applied some
    assert (now["wer"], now["ter"]) == (0.4, 0.3)
    assert client.get_run(run.id, as_of=shown.vector)["test_sets"][name] == {"wer": 0.9, "ter": 0.3}
    for query in (f"wer['{name}'] = 0.4", f"wer['{name}'] < 0.5 and not wer['{name}'] > 0.5"):
        assert [found.id for found in client.search_runs(query)] == [run.id]
    assert not client.search_runs(f"wer['{name}'] = 0.9")
    assert [found.id for found in client.search_runs(f"wer['{name}'] = 0.9", as_of=shown.vector)] == [run.id]
    ordered = client.search_runs(order_by=f"wer['{name}']", limit=1)
    assert ordered[0].id == run.id
    board = client.leaderboard(test_sets=[name])
    assert [(row["decoding"], row["wer"]) for row in board] == [("beam=10", {name: 0.4})]
    again = client.leaderboard(test_sets=[name], as_of=board.vector)
    assert again.rows == board.rows
    run.finish()


def test_plain_scripts_are_scored_too(client: Client, stack: RunningStack) -> None:
    name = a_name()
    run = client.start_run("plain")
    rows = [
        {"utterance_id": each, "wer": 0.0, "hyp": HYPOTHESES[each], "ref": text}
        for each, text in REFERENCES.items()
    ]
    run.log_metrics({f"{name}_wer": 0.25, f"{name}_cer": 0.1})
    run.log_json(f"results/{name}_utterances.json", rows)
    run.log_json("results/other.json", rows)
    (row,) = scored(client, run)
    assert (row["test_set"], row["registered"], row["score"]["errors"]) == (name, False, 6)
    assert (row["score"]["logged"], row["score"]["logged_mean"], row["score"]["logged_differs"]) == (
        0.25,
        0.0,
        True,
    )
    server = {"SPEECH_TRACKER_URL": stack.url, "SPEECH_TRACKER_API_KEY": stack.key}
    told = speech_tracker("evaluations", "--test-set", name, **server).stdout
    assert "plain itself logged 25.00 % of all and 0.00 % as the mean of its utterances" in told
    honest = client.start_run("honest")
    honest.log_metric(f"{name}_wer", 40.0)
    honest.log_json(f"results/{name}_utterances.json", [{**each, "wer": None} for each in rows])
    (row,) = scored(client, honest)
    assert (row["score"]["logged"], row["score"]["logged_differs"]) == (40.0, False)
    for each in (run, honest):
        each.finish()


def test_files_of_other_tools_are_taken_as_they_are(client: Client, tmp_path: Path) -> None:
    name = a_name()
    data = tmp_path / "data"
    data.mkdir()
    (data / "text").write_text("".join(f"{each} {text}\n" for each, text in REFERENCES.items()))
    (data / "utt2spk").write_text("".join(f"{each} {each[0]}\n" for each in REFERENCES))
    (tmp_path / "hyp.trn").write_text("".join(f"{text} ({each})\n" for each, text in HYPOTHESES.items()))
    assert client.register_test_set(name, data, language="en").utterances == 4
    assert client.flush(60)
    run = client.start_run("from files")
    evaluation = run.log_evaluation(name, tmp_path / "hyp.trn")
    (row,) = scored(client, run)
    assert (row["registered"], row["score"]["errors"], row["score"]["speakers"]) == (True, 6, 2)
    assert [each["speaker"] for each in client.breakdown(evaluation, "speaker")] == ["a", "b"]
    run.finish()


def test_a_rebuild_gives_the_same_scores(client: Client, stack: RunningStack) -> None:
    """With corrections, references of one's own and several profiles in the log, the two versions hold the same."""
    name = a_name()
    register(client, name)
    run = client.start_run("rebuilt")
    evaluation = run.log_evaluation(name, HYPOTHESES, decoding={"beam": 2})
    run.log_evaluation(a_name(), HYPOTHESES, REFERENCES)
    client.mark_reference(name, "b-1", "two people speak")
    client.mark_reference(name, "a-1", "unclear")
    client.correct_reference(name, "a-1", "the cat sat on a mat")
    assert client.flush(60)
    before = scored(client, run)
    vector = client.scores([name]).vector
    assert vector is not None
    places = (
        f"scores?test_set={name}",
        f"breakdown?evaluation={evaluation.id}&by=speaker",
        f"evaluations?run={run.id}",
        f"marks?test_set={name}&state=all",
    )
    answers = [client.api().get(f"/api/v1/{place}&as_of={vector}") for place in places]
    done = speech_tracker(
        "rebuild", "scores", "--json", SPEECH_TRACKER_URL=stack.url, SPEECH_TRACKER_API_KEY=stack.key
    )
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["phase"], last["findings"]["equal"]) == ("done", True), last
    time.sleep(1.2)  # every reader has read the pointer anew
    assert [client.api().get(f"/api/v1/{place}&as_of={vector}") for place in places] == answers
    assert scored(client, run) == before
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
