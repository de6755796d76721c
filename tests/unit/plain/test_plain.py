"""Plain files scored from the command line: folders of any shape, gates, profiles, plans, and clear refusals."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from speech_experiment_tracker.cli.root import root
from speech_experiment_tracker.errors import TrackerError
from speech_experiment_tracker.plain.layout import find

from ..scoring.tools import needs_sctk

Write = Callable[[str, str], Path]
WORDS = "the cat sat on mat and dog ran over hill with some friends".split()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, content: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    return written


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(root, [*map(str, arguments)], catch_exceptions=True)


def document(*arguments: str | Path) -> Any:
    found = run(*arguments, "--json")
    assert found.exit_code in (0, 1), found.output
    return msgspec.json.decode(found.stdout_bytes)


def refused(*arguments: str | Path) -> str:
    found = run(*arguments)
    assert isinstance(found.exception, TrackerError), found.output
    return str(found.exception)


def corpus(write: Write, folder: str, *, utterances: int = 300, speakers: int = 25, **systems: float) -> None:
    """A set whose systems change words at some rate."""
    dice = random.Random(folder)
    said = [(f"s{i % speakers:02d}-u{i}", dice.choices(WORDS, k=12)) for i in range(utterances)]
    write(f"{folder}/ref.trn", "".join(f"{' '.join(words)} ({name})\n" for name, words in said))
    for system, rate in systems.items():
        heard = ((name, [f"{w}x" if dice.random() < rate else w for w in words]) for name, words in said)
        write(f"{folder}/{system}.trn", "".join(f"{' '.join(words)} ({name})\n" for name, words in heard))


def found_in(root: Path) -> dict[str, list[str]]:
    return {each.name: sorted(each.systems) for each in find(root)}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["clean/ref.trn", "clean/base.trn", "clean/big.trn"], {"clean": ["base", "big"]}),
        (
            ["ref-clean.txt", "base-clean.txt", "ref-other.txt", "base-other.txt"],
            {"clean": ["base"], "other": ["base"]},
        ),
        (["clean_ref.txt", "clean_big.txt"], {"clean": ["big"]}),
        (["exp/big/clean/score_wer/ref.trn", "exp/big/clean/score_wer/hyp.trn"], {"clean": ["exp/big"]}),
        (["clean/ref.trn", "clean/hyp-big.trn", "clean/result.txt.log"], {"clean": ["big"]}),
        (["clean/big.jsonl", "clean/base.jsonl"], {"clean": ["base", "big"]}),
        (["clean/ref/text", "clean/ref/utt2spk", "clean/big/text"], {"clean": ["big"]}),
    ],
)
def test_folders_of_many_shapes(
    write: Write, tmp_path: Path, files: list[str], expected: dict[str, list[str]]
) -> None:
    for name in files:
        write(name, "a (s-u)\n")
    assert found_in(tmp_path) == expected


def test_a_file_that_belongs_to_no_set_is_named(write: Write, tmp_path: Path) -> None:
    for name in ("ref-clean.txt", "base-clean.txt", "ref-other.txt", "strange.txt"):
        write(name, "a\n")
    with pytest.raises(TrackerError, match=r"strange.txt belongs to none of the sets clean, other"):
        find(tmp_path)
    with pytest.raises(TrackerError, match="no hypotheses beside a reference"):
        find(write("empty/ref.trn", "a (s-u)\n").parent)


def test_from_a_folder_to_a_leaderboard(write: Write, tmp_path: Path) -> None:
    corpus(write, "clean", base=0.12, big=0.05, large=0.051)
    corpus(write, "noisy", base=0.3, big=0.15)
    board = document("score", tmp_path, "--by", "speaker")
    assert [each["system"] for each in board["systems"]] == ["big", "base", "large"]
    big, base, large = (each["sets"] for each in board["systems"])
    assert big["clean"]["reference_tokens"] == 3600
    assert big["clean"]["interval"]["low"] < big["clean"]["rate"] < big["clean"]["interval"]["high"]
    assert big["clean"]["interval"]["drawn"] == "speakers"
    assert (big["clean"]["tied_with_best"], large["clean"]["tied_with_best"]) == (True, True)
    assert base["clean"]["tied_with_best"] is False
    assert base["clean"]["p_against_best"] < 0.001
    assert board["systems"][2]["macro_over_sets"] is None
    assert len(board["groups"]["noisy"]["big"]) == 25
    shown = run("score", tmp_path)
    assert shown.exit_code == 0
    assert "basic-wer" in shown.stdout
    latex = run("score", tmp_path, "--latex").stdout
    assert latex.count(r"\\") == 4
    assert r"\textbf{" in latex


def test_coverage_stands_beside_the_rate(write: Write, tmp_path: Path) -> None:
    write("clean/ref.trn", "a b (s1-u1)\nc d (s2-u2)\n")
    write("clean/half.trn", "a b (s1-u1)\nx (s9-u9)\n")
    all_of_it = document("score", tmp_path)
    assert all_of_it["systems"][0]["sets"]["clean"]["deletions"] == 2
    assert any(
        "1 hypotheses of utterances that the reference does not have" in note for note in all_of_it["notes"]
    )
    present = document("score", tmp_path, "--profile", "kaldi-wer-present")["systems"][0]["sets"]["clean"]
    assert (present["rate"], present["coverage"], present["scored"], present["utterances"]) == (0, 0.5, 1, 2)
    assert "no hypothesis" in refused("score", tmp_path, "--profile", "sclite-wer")


def test_what_cannot_be_matched_is_refused(write: Write, tmp_path: Path) -> None:
    write("a/ref.txt", "hello world\nthe cat\n")
    write("a/big.txt", "hello world\n")
    assert "big.txt: 1 lines, but " in refused("score", tmp_path / "a")
    write("b/ref.trn", "a (s-u1)\n")
    write("b/big.trn", "a (s-x1)\n")
    assert "none of its utterances is in the reference: 's-x1' here, 's-u1' there" in refused(
        "score", tmp_path / "b"
    )
    write("c/one.jsonl", '{"id": "u", "text": "a", "pred_text": "a"}\n')
    write("c/two.jsonl", '{"id": "u", "text": "b", "pred_text": "a"}\n')
    assert "the reference of 'u' is not that of" in refused("score", tmp_path / "c")
    assert (
        "no utterance has the condition 'gender'" in refused("score", tmp_path / "b2", "--by", "gender")
        if (write("b2/ref.trn", "a (s-u1)\n") and write("b2/big.trn", "a (s-u1)\n"))
        else False
    )


def test_rules_and_profiles_out_of_files(write: Write, tmp_path: Path) -> None:
    write("r/set/ref.trn", "the colour (s-u1)\n")
    write("r/set/big.trn", "the color (s-u1)\n")
    rules = write("mine.toml", 'name = "us"\n[words]\n"colour" = "color"\n')
    assert document("score", tmp_path / "r")["systems"][0]["sets"]["set"]["errors"] == 1
    ruled = document("score", tmp_path / "r", "--rules", rules)
    assert ruled["systems"][0]["sets"]["set"]["errors"] == 0
    assert ruled["profile"]["name"] == "basic-wer+us"
    own = run("profiles", "show", "basic-wer", "--json").stdout.replace(
        '"unit": "word"', '"unit": "character"'
    )
    named = document("score", tmp_path / "r", "--profile", write("own.json", own))
    assert named["systems"][0]["sets"]["set"]["reference_tokens"] == 9
    assert "there is no profile 'nope'" in refused("score", tmp_path / "r", "--profile", "nope")
    broken = write("broken.json", '{"name": "x", "unit": "sentence"}')
    assert "broken.json: Invalid enum value 'sentence'" in refused(
        "score", tmp_path / "r", "--profile", broken
    )


def test_the_gate_opens_and_shuts(write: Write, tmp_path: Path) -> None:
    corpus(write, "clean", old=0.08, new=0.079, bad=0.2)
    files = [tmp_path / "clean" / f"{name}.trn" for name in ("new", "bad", "old", "ref")]
    new, bad, old, ref = files
    assert run("gate", new, "--against", old, "--ref", ref, "--max-regress", "1%").exit_code == 0
    shut = document("gate", bad, "--against", old, "--ref", ref, "--max-regress", "1%", "--by", "speaker")
    assert shut["passed"] is False
    assert shut["checks"][0]["verdict"] == "regressed"
    assert shut["checks"][0]["set"] == "clean"
    assert len(shut["checks"]) == 26
    assert run("gate", bad, "--against", old, "--ref", ref).exit_code == 1
    assert (
        run("gate", bad, "--against", old, "--ref", ref, "--max-regress", "500%", "--relative").exit_code == 0
    )
    assert run("gate", bad, "--against", old, "--ref", ref, "--max-regress", "0.2").exit_code == 2
    assert "there is no such file or folder" in refused("gate", "nope", "--against", old)


def test_the_gate_takes_folders(write: Write, tmp_path: Path) -> None:
    for side, rate in (("new", 0.05), ("old", 0.05)):
        corpus(write, side, clean=rate, noisy=rate, utterances=40)
    (tmp_path / "new" / "ref.trn").unlink()
    text = (tmp_path / "old" / "ref.trn").rename(tmp_path / "r.trn").read_text()
    for name in ("clean", "noisy"):
        write(f"refs/{name}.trn", text)
        for side in ("new", "old"):
            write(f"{side}/{name}.trn", text)
    found = document("gate", tmp_path / "new", "--against", tmp_path / "old", "--ref", tmp_path / "refs")
    assert [(each["set"], each["verdict"]) for each in found["checks"]] == [
        ("clean", "passed"),
        ("noisy", "passed"),
    ]
    (tmp_path / "refs" / "noisy.trn").unlink()
    assert "the set 'noisy' has no file in" in refused(
        "gate", tmp_path / "new", "--against", tmp_path / "old", "--ref", tmp_path / "refs"
    )


def test_plans(write: Write, tmp_path: Path) -> None:
    assert document("power", "--wer", "5%", "--delta", "0.2%")["utterances_needed"] > 10_000
    assert document("power", "--seed-sd", "0.2%", "--delta", "0.1%")["seeds_needed_of_each"] == 64
    corpus(write, "p", old=0.1, new=0.08)
    pilot = (
        "--pilot",
        tmp_path / "p/old.trn",
        "--pilot",
        tmp_path / "p/new.trn",
        "--ref",
        tmp_path / "p/ref.trn",
    )
    found = document("power", "--delta", "1%", *pilot)
    assert (found["pilot_utterances"], found["pilot_speakers"]) == (300, 25)
    assert run("power", "--delta", "1%").exit_code == 2
    assert "goes with --pilot and --on" in run("power", "--delta", "1%", "--common", *pilot).output
    assert "rates of" in refused("power", "--wer", "5%", "--delta", "9%")


def test_every_profile_is_listed() -> None:
    listed = run("profiles")
    assert listed.exit_code == 0
    assert "basic-wer" in listed.stdout
    assert run("profiles", "show").exit_code == 2
    assert '"normaliser"' in run("profiles", "show", "zh-cer", "--json").stdout


@needs_sctk
def test_stm_against_ctm_by_sclite(write: Write, tmp_path: Path) -> None:
    write(
        "t/ref.stm",
        "rec A anna 0.0 2.50 <o,f0,female> hello {a / b} World\nrec A bob 2.5 3 ignore_time_segment_in_scoring\n"
        "rec A bob 3 4 <o,f0,male> good, bye:x\nrec B bob 0 4 silence\n",
    )
    write(
        "t/big.ctm",
        "rec A 0.1 0.2 hello 0.9\nrec A 0.5 0.2 b\nrec A 0.9 0.2 word\nrec A 2.6 0.2 noise\nrec A 3.3 0.2 good,\n"
        "rec A 3.5 0.2 bye:x\nrec A 3.8 0.2 extra\n",
    )
    found = document("score", tmp_path, "--profile", "sclite-wer", "--by", "labels")
    cell = found["systems"][0]["sets"]["t"]
    assert [cell[name] for name in ("hits", "substitutions", "deletions", "insertions")] == [4, 1, 1, 1]
    assert found["groups"]["t"]["big"]["o,f0,male"]["insertions"] == 1
    assert "an stm is scored by time, by sclite" in refused("score", tmp_path)
    write("t/ref.stm", "rec A anna 0 2 a\nrec A bob 1 3 b\n")
    assert "overlaps with" in refused("score", tmp_path, "--profile", "sclite-wer")


def test_scoring_by_time_without_the_tool_says_what_to_install(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_experiment_tracker.plain.timed._PLACES", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    write("t/ref.stm", "rec A anna 0 2 a\n")
    write("t/big.ctm", "rec A 0 1 a\n")
    assert "apt-get install sctk" in refused("score", tmp_path, "--profile", "sclite-wer")
