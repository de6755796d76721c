"""Alignments: counted as the tools count, fast or slow, alone or in bulk."""

from __future__ import annotations

import jiwer
import kaldialign
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections.scoring.alignment import Scorer, align, count, count_one, counts_of
from speech_experiment_projections.scoring.counts import Counts, total

texts = st.lists(st.sampled_from("a b c d bb".split()), max_size=9)
pairs = st.lists(st.tuples(texts, texts), max_size=12)
scorers = st.sampled_from(["jiwer", "kaldi", "sclite"])


def kaldi_compute_wer(reference: list[str], hypothesis: list[str]) -> Counts:
    """The recursion of Kaldi's compute-wer: a row a hypothesis token, ties as it breaks them."""
    # (total, insertions, deletions, substitutions)
    row = [(i, 0, i, 0) for i in range(len(reference) + 1)]
    for word in hypothesis:
        new = [(row[0][0] + 1, row[0][1] + 1, row[0][2], row[0][3])]
        for i, wanted in enumerate(reference, 1):
            wrong = int(word != wanted)
            insert, delete, substitute = row[i][0] + 1, new[i - 1][0] + 1, row[i - 1][0] + wrong
            if substitute < insert and substitute < delete:
                _, ins, dele, sub = row[i - 1]
                new.append((substitute, ins, dele, sub + wrong))
            elif delete < insert:
                _, ins, dele, sub = new[i - 1]
                new.append((delete, ins, dele + 1, sub))
            else:
                _, ins, dele, sub = row[i]
                new.append((insert, ins + 1, dele, sub))
        row = new
    _, ins, dele, sub = row[-1]
    return Counts(len(reference) - sub - dele, sub, dele, ins)


@pytest.mark.parametrize(
    ("scorer", "errors"), [("jiwer", 5), ("kaldi", 5), ("sclite", 6)], ids=["jiwer", "kaldi", "sclite"]
)
def test_tools_disagree_even_on_the_total(scorer: Scorer, errors: int) -> None:
    assert count_one(scorer, "a b c d e".split(), "d e x y z".split()).errors == errors


@given(pairs)
def test_jiwer_scorer_counts_as_jiwer(given_pairs: list[tuple[list[str], list[str]]]) -> None:
    for (reference, hypothesis), row in zip(given_pairs, _count("jiwer", given_pairs), strict=True):
        theirs = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
        assert row == Counts(theirs.hits, theirs.substitutions, theirs.deletions, theirs.insertions)


@given(pairs)
def test_kaldi_scorer_counts_as_compute_wer(given_pairs: list[tuple[list[str], list[str]]]) -> None:
    for pair, row in zip(given_pairs, _count("kaldi", given_pairs), strict=True):
        assert row == kaldi_compute_wer(*pair)


def least_sclite_cost(reference: list[str], hypothesis: list[str]) -> int:
    """The plain recursion."""
    row = [3 * j for j in range(len(hypothesis) + 1)]
    for i, word in enumerate(reference, 1):
        new = [3 * i]
        for j, other in enumerate(hypothesis, 1):
            new.append(min(row[j - 1] + 4 * (word != other), row[j] + 3, new[j - 1] + 3))
        row = new
    return row[-1]


@given(pairs)
def test_sclite_scorer_minimises_its_costs_with_most_pairs(
    given_pairs: list[tuple[list[str], list[str]]],
) -> None:
    for pair, row in zip(given_pairs, _count("sclite", given_pairs), strict=True):
        assert 4 * row.substitutions + 3 * (row.deletions + row.insertions) == least_sclite_cost(*pair)
        theirs = kaldialign.edit_distance(*pair, sclite_mode=True)
        assert row.errors <= theirs["total"] or row.substitutions < theirs["sub"]
        assert counts_of(align("sclite", *pair)) == row


def test_kaldialign_and_sclite_break_ties_differently() -> None:
    """Real sclite: three substitutions and two deletions; kaldialign's sclite mode finds a hit and six gaps."""
    pair = "d c e c b".split(), "b a a".split()
    assert count_one("sclite", *pair) == Counts(0, 3, 2, 0)
    assert kaldialign.edit_distance(*pair, sclite_mode=True)["total"] == 6


@given(scorers, texts, texts)
def test_the_steps_say_what_the_counts_say(
    scorer: Scorer, reference: list[str], hypothesis: list[str]
) -> None:
    steps = align(scorer, reference, hypothesis)
    assert [step.reference for step in steps if step.reference is not None] == reference
    assert [step.hypothesis for step in steps if step.hypothesis is not None] == hypothesis
    assert counts_of(steps).errors == count_one(scorer, reference, hypothesis).errors


@given(texts, texts)
def test_the_steps_of_jiwer_are_its_counts(reference: list[str], hypothesis: list[str]) -> None:
    assert counts_of(align("jiwer", reference, hypothesis)) == count_one("jiwer", reference, hypothesis)


@given(scorers, pairs)
def test_lengths_add_up(scorer: Scorer, given_pairs: list[tuple[list[str], list[str]]]) -> None:
    for (reference, hypothesis), row in zip(given_pairs, _count(scorer, given_pairs), strict=True):
        assert (row.reference, row.hypothesis) == (len(reference), len(hypothesis))
        assert min(row) >= 0


def test_pooled_counts_have_the_pooled_rate() -> None:
    pooled = total([Counts(9, 1, 0, 0), Counts(0, 0, 0, 3), Counts(88, 0, 2, 0)])
    assert pooled.rate == 6 / 100
    assert Counts(insertions=2).rate is None


def test_an_uneven_number_of_texts_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 references, but 1 hypotheses"):
        count("jiwer", [["a"], ["b"]], [["a"]])


def _count(scorer: Scorer, given_pairs: list[tuple[list[str], list[str]]]) -> list[Counts]:
    rows = count(scorer, [pair[0] for pair in given_pairs], [pair[1] for pair in given_pairs])
    return [Counts(*row) for row in rows.tolist()]
