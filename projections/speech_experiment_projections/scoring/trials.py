"""Trials and scores of speaker verification, as Kaldi and VoxCeleb write them.

trials   `enrolled test target|nontarget` (Kaldi) or `1|0 enrolled test` (VoxCeleb), one a line
scores   `enrolled test score`
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite, nan
from typing import NamedTuple

from .lines import BadLine, split_lines

Pair = tuple[str, str]
_KALDI = {"target": True, "nontarget": False}
_VOXCELEB = {"1": True, "0": False}


class Trials(NamedTuple):
    """Trials with their scores, in the order of the trials.

    enrolled, test  sides of each trial
    targets         whether both are of one speaker
    scores          higher for the same speaker
    """

    enrolled: list[str]
    test: list[str]
    targets: list[bool]
    scores: list[float]


def read_trials(lines: Iterable[str], source: str = "trials") -> dict[Pair, bool]:
    """{(enrolled, test): whether it is a target}; raises BadLine for another format and a trial given twice."""
    found: dict[Pair, bool] = {}
    for number, text in enumerate(lines, 1):
        fields = text.lstrip("\ufeff").split()
        if len(fields) == 3:
            pair, target = (fields[0], fields[1]), _KALDI.get(fields[2])
            if target is None:
                pair, target = (fields[1], fields[2]), _VOXCELEB.get(fields[0])
            if target is not None and pair not in found:
                found[pair] = target
                continue
        _refuse_trial(text, f"{source}:{number}")
    return found


def _refuse_trial(text: str, place: str) -> None:
    """Raises BadLine for what is neither a comment nor empty."""
    for line in split_lines([text], place):
        if len(line.fields) == 3 and (line.fields[2] in _KALDI or line.fields[0] in _VOXCELEB):
            raise BadLine(f"{place}: gives the trial {text.strip()!r:.200} a second time")
        raise BadLine(
            f"{place}: is no trial; expected `enrolled test target|nontarget` or `1|0 enrolled test`"
        )


def join_scores(trials: dict[Pair, bool], lines: Iterable[str], source: str = "scores") -> Trials:
    """The trials with the scores of a file.

    Raises BadLine for a score of no trial, or given twice, and ValueError for trials without a score.
    """
    found: dict[Pair, float] = {}
    for number, text in enumerate(lines, 1):
        try:
            enrolled, test, score = text.lstrip("\ufeff").split()
            pair, value = (enrolled, test), float(score)
        except ValueError:
            pair, value = ("", ""), nan
        if pair in trials and pair not in found and isfinite(value):
            found[pair] = value
        else:
            _refuse_score(text, trials, f"{source}:{number}")
    if len(found) < len(trials):
        first = next(pair for pair in trials if pair not in found)
        raise ValueError(
            f"{source} has no score for {len(trials) - len(found):,} of {len(trials):,} trials, first for {' '.join(first)}"
        )
    return Trials(
        [pair[0] for pair in trials],
        [pair[1] for pair in trials],
        list(trials.values()),
        [found[pair] for pair in trials],
    )


def _refuse_score(text: str, trials: dict[Pair, bool], place: str) -> None:
    """Raises BadLine for what is neither a comment nor empty."""
    for line in split_lines([text], place):
        fields = line.fields
        if len(fields) != 3:
            raise BadLine(f"{place}: has {len(fields)} fields, expected `enrolled test score`")
        if (fields[0], fields[1]) not in trials:
            raise BadLine(f"{place}: scores {fields[0]} {fields[1]}, which is no trial")
        try:
            finite = isfinite(float(fields[2]))
        except ValueError:
            raise BadLine(f"{place}: score is {fields[2][:40]!r}, not a number") from None
        problem = (
            f"scores {fields[0]} {fields[1]} a second time" if finite else f"score is {fields[2]}, not finite"
        )
        raise BadLine(f"{place}: {problem}")
