"""What is wrong with test sets, evaluations and files is refused with its place, or kept and flagged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from speech_experiment_tracker import Client, TrackerError
from tests.integration.evaluation_tools import HYPOTHESES, REFERENCES, a_name, board, register, scored

pytestmark = pytest.mark.stack


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
