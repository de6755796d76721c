"""Beside jiwer, meeteval and Kaldi's tools, on one random corpus; and Whisper's normaliser on real English."""

from __future__ import annotations

import ast
import random
import sysconfig
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from speech_experiment_projections.scoring.built_in import PROFILES
from speech_experiment_projections.scoring.intervals import rate_interval
from speech_experiment_projections.scoring.normalisers import English

DICE = random.Random(4)
WORDS = "the cat sat on a mat and dog ran over hill".split()
REFERENCES = [DICE.choices(WORDS, k=DICE.randrange(1, 20)) for _ in range(2_000)]
HYPOTHESES = [
    [DICE.choice(WORDS) if DICE.random() < 0.2 else word for word in text if DICE.random() > 0.1]
    for text in REFERENCES
]


def counts(profile: str) -> list[int]:
    found: list[int] = PROFILES[profile].count(REFERENCES, HYPOTHESES).sum(axis=0).tolist()
    return found


def test_jiwer() -> None:
    theirs = jiwer.process_words(
        [" ".join(each) for each in REFERENCES], [" ".join(each) for each in HYPOTHESES]
    )
    assert counts("as-written") == [theirs.hits, theirs.substitutions, theirs.deletions, theirs.insertions]


def test_meeteval() -> None:
    meeteval: Any = pytest.importorskip("meeteval")
    theirs = [
        meeteval.wer.wer.siso.siso_word_error_rate(" ".join(left), " ".join(right))
        for left, right in zip(REFERENCES, HYPOTHESES, strict=True)
    ]
    hits, *errors = counts("as-written")
    assert sum(errors) == sum(each.errors for each in theirs)
    assert hits + errors[0] + errors[1] == sum(each.length for each in theirs)


def test_scorers_with_unit_costs_agree_on_totals_and_not_on_their_parts() -> None:
    kaldi, levenshtein = counts("kaldi-wer"), counts("as-written")
    assert sum(kaldi[1:]) == sum(levenshtein[1:])
    assert sum(counts("sclite-wer")[1:]) >= sum(kaldi[1:])


def test_intervals_are_those_of_compute_wer_bootci() -> None:
    """Kaldi prints mean ± 1.96 deviations of the rates of 10,000 draws of as many utterances."""
    found = PROFILES["kaldi-wer"].count(REFERENCES, HYPOTHESES)
    errors, words = found[:, 1:].sum(axis=1), found[:, :3].sum(axis=1)
    dice = np.random.default_rng(1)
    rates = []
    for _ in range(2_000):
        drawn = dice.integers(0, len(words), len(words))
        rates.append(errors[drawn].sum() / words[drawn].sum())
    ours = rate_interval(errors, words)
    assert 1.96 * ours.standard_error == pytest.approx(1.96 * float(np.std(rates)), rel=0.06)
    assert ours.value == pytest.approx(float(np.mean(rates)), abs=ours.standard_error / 10)
    assert ours.high - ours.low == pytest.approx(2 * 1.96 * ours.standard_error, rel=0.05)


def real_english() -> Iterator[str]:
    """Lines of the docstrings of the standard library: sentences, numbers, quotes, names, code, what not."""
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("[a-h]*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8", errors="replace"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                yield from filter(str.strip, (ast.get_docstring(node) or "").splitlines())


def test_whispers_english_normaliser_is_equal_on_a_corpus() -> None:
    whole, fast = EnglishTextNormalizer(), English()
    corpus = list(islice(real_english(), 2_000))
    assert len(corpus) == 2_000
    assert [fast(line) for line in corpus] == [" ".join(whole(line).split()) for line in corpus]
