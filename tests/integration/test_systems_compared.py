"""Systems beside each other: which really differ, seeds of one configuration, the release gate, what is not comparable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from speech_experiment_projections.scoring.replicates import compare_seeds
from speech_experiment_tracker import Client, TrackerError
from speech_experiment_tracker.run import Run
from tests.conftest import RunningStack
from tests.faults.stack import speech_tracker
from tests.integration.evaluation_tools import HYPOTHESES, REFERENCES, SAID, a_name, many, register

pytestmark = pytest.mark.stack


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


def test_two_systems_tell_how_much_data_a_difference_takes(
    client: Client, stack: RunningStack, tmp_path: Path
) -> None:
    """Asked of the server, or of the same texts in files: the same."""
    name = a_name()
    ids = many(client, name, speakers=6)
    references = {each: f"{SAID} {each[-1]}" for each in ids}
    texts = {"one": references | {ids[0]: "no"}, "two": references | {ids[7]: "quick fox", ids[9]: "lazy"}}
    runs = {system: client.start_run(f"{name}-{system}") for system in texts}
    for system, run in runs.items():
        run.log_evaluation(name, texts[system])
        run.finish()
        assert run.flush("queryable", timeout=60)
    answer = client.power(runs["one"], runs["two"], 0.01, test_set=name)
    assert (answer["pilot_utterances"], answer["pilot_speakers"]) == (len(ids), 6)
    assert client.power(runs["one"], runs["two"], 0.02, test_set=name)["utterances_needed"] == pytest.approx(
        answer["utterances_needed"] / 4, abs=1
    )
    with pytest.raises(TrackerError, match="fraction that is not zero") as refused:
        client.power(runs["one"], runs["two"], 0.0, test_set=name)
    assert refused.value.status == 400
    for system, said in {"ref": references, **texts}.items():
        lines = [f"{text} ({each.replace('-', '_')}-{each})" for each, text in said.items()]
        (tmp_path / f"{system}.trn").write_text("\n".join(lines) + "\n")
    server = {"SPEECH_TRACKER_URL": stack.url, "SPEECH_TRACKER_API_KEY": stack.key}
    asked = ("power", "--delta", "1%", "--json")
    on_server = speech_tracker(
        *asked, "--pilot", f"{name}-one", "--pilot", f"{name}-two", "--on", name, **server
    )
    files = [str(tmp_path / f"{system}.trn") for system in ("one", "two", "ref")]
    in_files = speech_tracker(*asked, "--pilot", files[0], "--pilot", files[1], "--ref", files[2])
    found = json.loads(on_server.stdout)
    assert found["speakers_needed"] == answer["speakers_needed"] > 1
    assert json.loads(in_files.stdout)["utterances_needed"] == found["utterances_needed"]


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
