"""Beside NIST's tools: to the last count with sclite and sc_stats, and where our profiles differ on purpose."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pytest

from speech_experiment_projections.scoring.alignment import align, count_one
from speech_experiment_projections.scoring.built_in import PROFILES
from speech_experiment_projections.scoring.profiles import Profile
from speech_experiment_projections.scoring.significance import mapsswe, mcnemar, segment_errors

from .tools import SCTK, needs_sctk

SCLITE = PROFILES["sclite-wer"]
_PATH = re.compile(r'<PATH id="\(\w+-u(\d+)\)"[^\n]*>\n?(.*?)\n?</PATH>', re.S)


def recorded(text: str) -> list[tuple[str, str, tuple[int, int, int, int]]]:
    """`reference | hypothesis | C S D I` of each line."""
    parts = [line.split("|") for line in text.strip().splitlines()]
    return [(one, other, tuple(map(int, counts.split()))) for one, other, counts in parts]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "counts"),
    recorded("""
a b c d e|d e x y z|2 0 3 3
d c e c b|b a a|0 3 2 0
c e b d|b d a a d d|1 3 0 2
e c a c a b e|b a c d d a|2 4 1 0
d d c c c d|c b b a c a c e|2 4 0 2
e e b|b d c a c d|0 3 0 3
e e a b d d a e|d c d e d e d c|2 5 1 1
b a a|d c b|0 3 0 0
The CAT|the cat|2 0 0 0
th- cat|the cat|1 1 0 0
{ gonna / going to / @ } go|go|1 0 0 0
b a d { @ / @ / c d } { @ / b } c|d c c|3 0 3 0
{ a / a / a } c { @ / c d / c d }|c c b e|2 1 1 1
e b d { c / b } b|e b|2 0 3 0
"""),
)
def test_what_sclite_2_4_10_printed(
    reference: str, hypothesis: str, counts: tuple[int, int, int, int]
) -> None:
    found = SCLITE.count([SCLITE.prepare(reference)], [SCLITE.prepare(hypothesis)])
    assert tuple(found[0].tolist()) == counts


def texts(dice: random.Random, number: int, *, choices: bool = False) -> list[str]:
    def word() -> str:
        if choices and dice.random() < 0.1:
            return "{ " + " / ".join(dice.sample(["a", "b", "c d", "x", "@"], 2)) + " }"
        return dice.choice("abcde")

    return [" ".join(word() for _ in range(dice.randrange(9))) for _ in range(number)]


def write_trn(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line} (s{i % 10}-u{i})\n" for i, line in enumerate(lines)))
    return path


def run_sclite(
    folder: Path, references: list[str], hypotheses: list[str], *options: str
) -> dict[int, list[str]]:
    """Utterance → the operations that sclite prints."""
    files = write_trn(folder / "ref.trn", references), write_trn(folder / "hyp.trn", hypotheses)
    command = [
        SCTK / "sclite",
        "-r",
        files[0],
        "trn",
        "-h",
        files[1],
        "trn",
        "-i",
        "rm",
        "-o",
        "sgml",
        "stdout",
        *options,
    ]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {int(number): re.findall(r"(?:^|:)([CSDI]),", steps) for number, steps in _PATH.findall(printed)}


def ours(profile: Profile, reference: str, hypothesis: str) -> list[str]:
    steps = profile.align(profile.prepare(reference), profile.prepare(hypothesis))
    return ["C" if step.operation == "hit" else step.operation[0].upper() for step in steps]


@needs_sctk
@pytest.mark.parametrize("seed", range(3))
def test_every_step_is_that_of_sclite(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    references, hypotheses = texts(dice, 1_000), texts(dice, 1_000)
    theirs = run_sclite(tmp_path, references, hypotheses)
    assert len(theirs) == 1_000
    for place, steps in theirs.items():
        assert ours(SCLITE, references[place], hypotheses[place]) == steps


@needs_sctk
def test_choices_are_read_as_sclite_reads_them(tmp_path: Path) -> None:
    """To the last error; of readings that cost the same, one in a thousand of such dense choices is another."""
    dice = random.Random(5)
    references, hypotheses = texts(dice, 1_000, choices=True), texts(dice, 1_000)
    theirs = run_sclite(tmp_path, references, hypotheses)
    same = 0
    for place, steps in theirs.items():
        mine = ours(SCLITE, references[place], hypotheses[place])
        weight = {"C": 0, "S": 4, "D": 3, "I": 3}
        assert sum(map(weight.__getitem__, mine)) == sum(map(weight.__getitem__, steps))
        same += sorted(mine) == sorted(steps)
    assert same >= 0.995 * len(theirs)


@needs_sctk
def test_fragments_by_prefix_are_sclites_option_f(tmp_path: Path) -> None:
    profile = msgspec.structs.replace(SCLITE, name="f", fragments="prefix")
    references, hypotheses = ["th- cat", "a -ation b", "th- x"], ["the cat", "a nation b", "a x"]
    theirs = run_sclite(tmp_path, references, hypotheses, "-F")
    for place, steps in theirs.items():
        assert ours(profile, references[place], hypotheses[place]) == steps


@needs_sctk
def test_known_difference_a_deleted_optional_word_counts_as_right_for_sclite(tmp_path: Path) -> None:
    """With -D it stays in the reference as a hit; here it leaves the reference. The errors are the same."""
    theirs = run_sclite(tmp_path, ["(uh) yes"], ["yes"], "-D")
    assert theirs[0] == ["C", "C"]
    assert ours(msgspec.structs.replace(SCLITE, name="d", deletable=("uh",)), "uh yes", "yes") == ["C"]


@needs_sctk
def test_matched_pairs_and_mcnemar_are_those_of_sc_stats(tmp_path: Path) -> None:
    dice = random.Random(2)
    words = "the cat sat on mat and dog ran over hill with some friends".split()
    said = [dice.choices(words, k=12) for _ in range(200)]
    heard = [
        [[dice.choice(words) if dice.random() < rate else word for word in text] for text in said]
        for rate in (0.06, 0.04)
    ]
    write_trn(tmp_path / "ref.trn", [" ".join(text) for text in said])
    alignments = b""
    for name, system in zip(("one", "two"), heard, strict=True):
        path = write_trn(tmp_path / f"{name}.trn", [" ".join(text) for text in system])
        command = [
            SCTK / "sclite",
            "-r",
            tmp_path / "ref.trn",
            "trn",
            "-h",
            path,
            "trn",
            "-i",
            "rm",
            "-o",
            "sgml",
        ]
        subprocess.run(command, capture_output=True, check=True)
        alignments += (tmp_path / f"{name}.trn.sgml").read_bytes()
    steps = [
        [align("sclite", text, other) for text, other in zip(said, system, strict=True)] for system in heard
    ]
    pairs = list(zip(*steps, strict=True))

    printed = sc_stats(alignments, "mapsswe")
    found = mapsswe(pairs)
    assert found.units == int(printed.split("# segs:")[1].split(")")[0])
    assert f"{abs(found.statistic):.3f}" == printed.split("Z Stat:")[1].split(")")[0].strip().lstrip("-")
    totals = re.search(r"Totals\s+\d+\s+(\d+)\s+(\d+)", printed)
    assert totals
    segments = [segment for pair in pairs for segment in segment_errors(*pair)]
    assert tuple(map(sum, zip(*segments, strict=True))) == tuple(map(int, totals.groups()))

    table = sc_stats(alignments, "mcn")
    cells = re.search(r"corr\s+(\d+)\s+(\d+)\s+incorr\s+(\d+)\s+(\d+)", table)
    assert cells
    wrong = [np.array([any(step.operation != "hit" for step in text) for text in system]) for system in steps]
    assert mcnemar(*wrong).statistic == int(cells[3])
    assert int((~wrong[0] & wrong[1]).sum()) == int(cells[2])


def sc_stats(alignments: bytes, test: str) -> str:
    command = [SCTK / "sc_stats", "-p", "-t", test, "-v", "-n", "-"]
    return subprocess.run(command, input=alignments, capture_output=True, check=True).stdout.decode()


def test_kaldi_and_jiwer_disagree_with_sclite_on_the_total() -> None:
    pair = "a b c d e".split(), "d e x y z".split()
    assert [count_one(scorer, *pair).errors for scorer in ("jiwer", "kaldi", "sclite")] == [5, 5, 6]  # type: ignore[arg-type]
