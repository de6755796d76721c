"""Alignments of a hypothesis to its reference, counted and spelled out as a named tool does.

Tools disagree. jiwer and Kaldi both minimise the number of errors, so their totals are equal, but of
several alignments with that number they may choose different ones, and so report other substitutions,
deletions and insertions. sclite minimises a weighted cost (substitution 4, deletion and insertion 3),
and may find more errors: reference `a b c d e`, hypothesis `d e x y z` is 5 errors for jiwer and Kaldi,
6 for sclite. A scorer is therefore part of every score.

jiwer   jiwer 4: unit costs, the alignment of rapidfuzz's Levenshtein.editops
kaldi   Kaldi's compute-wer (edit-distance-inl.h): unit costs, ties as kaldialign breaks them
sclite  SCTK's sclite without time marks, ties as it breaks them (see `sclite`)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import sclite
from .counts import Counts

Scorer = Literal["jiwer", "kaldi", "sclite"]
VERSIONS: dict[Scorer, int] = {"jiwer": 1, "kaldi": 1, "sclite": 1}
"""Rises with every change of what a scorer counts."""
Tokens = Sequence[str]
Operation = Literal["hit", "substitution", "deletion", "insertion"]

_GAP = ""
"""Stands for no token in kaldialign's pairs; no tokeniser makes it."""


_LARGEST: dict[Scorer, int] = {"jiwer": 10**10, "kaldi": 10**8, "sclite": 10**8}
"""Reference times hypothesis tokens of one pair: beyond, an alignment takes a gigabyte or many seconds."""


class TooLongError(ValueError):
    """Texts whose alignment would take more memory or time than any utterance is worth."""


class Step(NamedTuple):
    """One column of an alignment; None where a side has no token."""

    operation: Operation
    reference: str | None
    hypothesis: str | None


def count(scorer: Scorer, references: Sequence[Tokens], hypotheses: Sequence[Tokens]) -> NDArray[np.int64]:
    """Counts of many pairs: an array [pairs, 4] of hits, substitutions, deletions and insertions.

    Raises ValueError when there are not as many hypotheses as references, TooLongError for a pair of whole books.
    """
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references, but {len(hypotheses)} hypotheses")
    if not references:
        return np.zeros((0, 4), np.int64)
    sizes = _sizes(references), _sizes(hypotheses)
    _refuse_books(scorer, *sizes)
    if scorer == "sclite":
        substitutions, errors = _count_all(_sclite, references, hypotheses)
    else:
        substitutions, errors = _count_least(
            _jiwer if scorer == "jiwer" else _kaldi, references, hypotheses, *sizes
        )
    longer = sizes[1] - sizes[0]
    deletions = (errors - substitutions - longer) // 2
    insertions = deletions + longer
    return np.column_stack((sizes[0] - substitutions - deletions, substitutions, deletions, insertions))


def count_one(scorer: Scorer, reference: Tokens, hypothesis: Tokens) -> Counts:
    """Counts of one pair."""
    return Counts(*count(scorer, [reference], [hypothesis])[0].tolist())


def align(scorer: Scorer, reference: Tokens, hypothesis: Tokens) -> list[Step]:
    """The alignment, in the order of the texts. Raises TooLongError as `count` does."""
    if len(reference) * len(hypothesis) > _LARGEST[scorer]:
        _refuse_books(scorer, _sizes([reference]), _sizes([hypothesis]))
    if scorer == "jiwer":
        return _align_jiwer(reference, hypothesis)
    if scorer == "sclite":
        return _align_sclite(reference, hypothesis)
    import kaldialign

    pairs = kaldialign.align(reference, hypothesis, _GAP)
    return [_step(left or None, right or None) for left, right in pairs]


def counts_of(steps: Sequence[Step]) -> Counts:
    """The counts of an alignment."""
    operations = [step.operation for step in steps]
    return Counts(*(operations.count(each) for each in ("hit", "substitution", "deletion", "insertion")))


def _refuse_books(
    scorer: Scorer, reference_sizes: NDArray[np.int64], hypothesis_sizes: NDArray[np.int64]
) -> None:
    cells = reference_sizes * hypothesis_sizes
    place = int(cells.argmax())
    if cells[place] > _LARGEST[scorer]:
        raise TooLongError(
            f"a pair of {reference_sizes[place]} reference and {hypothesis_sizes[place]} hypothesis tokens is too "
            f"long for the scorer {scorer!r}: cut the recording into utterances"
        )


def _sizes(texts: Sequence[Tokens]) -> NDArray[np.int64]:
    return np.fromiter(map(len, texts), np.int64, len(texts))


Pair = Callable[[Tokens, Tokens], tuple[int, int]]
"""(reference, hypothesis) → (substitutions, errors)"""


def _count_all(
    pair: Pair, references: Sequence[Tokens], hypotheses: Sequence[Tokens]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    found = np.array(list(map(pair, references, hypotheses)), np.int64)
    return found[:, 0], found[:, 1]


def _count_least(
    pair: Pair,
    references: Sequence[Tokens],
    hypotheses: Sequence[Tokens],
    reference_sizes: NDArray[np.int64],
    hypothesis_sizes: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of scorers that minimise errors: only pairs with a choice between alignments are aligned.

    With E errors, and lengths that differ by L, there are E - L - 2k substitutions for some k ≥ 0 of
    insertions paired with deletions: below two errors more than L, nothing is left to choose.
    """
    from rapidfuzz import process
    from rapidfuzz.distance import Levenshtein

    errors: NDArray[np.int64] = process.cpdist(
        references, hypotheses, scorer=Levenshtein.distance, dtype=np.int64
    )
    substitutions = errors - abs(hypothesis_sizes - reference_sizes)
    for i in np.flatnonzero(substitutions >= 2).tolist():
        substitutions[i] = pair(references[i], hypotheses[i])[0]
    return substitutions, errors


def _jiwer(reference: Tokens, hypothesis: Tokens) -> tuple[int, int]:
    from rapidfuzz.distance import Levenshtein

    operations = [tag for tag, _, _ in Levenshtein.editops(reference, hypothesis).as_list()]
    return operations.count("replace"), len(operations)


def _kaldi(reference: Tokens, hypothesis: Tokens) -> tuple[int, int]:
    import kaldialign

    found: dict[str, Any] = kaldialign.edit_distance(reference, hypothesis)
    return found["sub"], found["total"]


def _sclite(reference: Tokens, hypothesis: Tokens) -> tuple[int, int]:
    """kaldialign's counts are sclite's where no other alignment can cost the same."""
    import kaldialign

    found: dict[str, Any] = kaldialign.edit_distance(reference, hypothesis, sclite_mode=True)
    if sclite.is_settled(found["sub"], found["del"], found["ins"]):
        return found["sub"], found["total"]
    return sclite.count(reference, hypothesis)


def _align_sclite(reference: Tokens, hypothesis: Tokens) -> list[Step]:
    return [
        _step(None if i is None else reference[i], None if j is None else hypothesis[j])
        for i, j in sclite.align(reference, hypothesis)
    ]


def _align_jiwer(reference: Tokens, hypothesis: Tokens) -> list[Step]:
    from rapidfuzz.distance import Levenshtein

    steps: list[Step] = []
    operations: Any = Levenshtein.opcodes(reference, hypothesis).as_list()
    for operation, i, i_end, j, j_end in operations:
        if operation == "equal":
            steps += map(_hit, reference[i:i_end])
        elif operation == "replace":
            pairs = zip(reference[i:i_end], hypothesis[j:j_end], strict=True)
            steps += [_make(Step, ("substitution", *pair)) for pair in pairs]
        elif operation == "delete":
            steps += [_make(Step, ("deletion", word, None)) for word in reference[i:i_end]]
        else:
            steps += [_make(Step, ("insertion", None, word)) for word in hypothesis[j:j_end]]
    return steps


_make: Any = tuple.__new__
"""Step(…) without the call of its constructor, which takes twice the time of the alignment itself."""


@lru_cache(maxsize=1 << 16)
def _hit(word: str) -> Step:
    return Step("hit", word, word)


def _step(reference: str | None, hypothesis: str | None) -> Step:
    if reference == hypothesis:
        return Step("hit", reference, hypothesis)
    if reference is None:
        return Step("insertion", None, hypothesis)
    if hypothesis is None:
        return Step("deletion", reference, None)
    return Step("substitution", reference, hypothesis)
