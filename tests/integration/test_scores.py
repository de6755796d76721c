"""Evaluations from log calls to scores: what was recognised is scored by the system, and again when references change."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from uuid import uuid4

import pytest

from speech_experiment_infra.state import stack_status
from speech_experiment_tracker import Client
from tests.conftest import RunningStack
from tests.faults.stack import speech_tracker
from tests.integration.evaluation_tools import HYPOTHESES, REFERENCES, a_name, board, register, scored

pytestmark = pytest.mark.stack


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
