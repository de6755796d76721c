import math
from pathlib import Path

import pytest

from speech_experiment_tracker.demo.decoding import DecodingPoint, Hypothesis, grid
from speech_experiment_tracker.demo.scoring import score, score_sets
from speech_experiment_tracker.demo.utterances import Utterance, read_transcription


def test_counts_are_pooled_over_utterances() -> None:
    found = score(["a b c", "d e"], ["a x c", "d e f"])
    assert (found.words, found.substitutions, found.deletions, found.insertions) == (5, 1, 0, 1)
    assert found.wer == pytest.approx(0.4)


def test_nothing_recognised_is_all_deleted() -> None:
    assert score(["one two"], [""]).wer == 1.0


def test_each_test_set_has_its_own_score() -> None:
    utterances = [Utterance(str(n), "ab"[n % 2], Path("x.wav"), "yes no") for n in range(4)]
    hypotheses = [Hypothesis(str(n), "yes no" if n % 2 else "yes", 0.1) for n in range(4)]
    assert {name: found.wer for name, found in score_sets(utterances, hypotheses).items()} == {
        "a": 0.5,
        "b": 0.0,
    }


def test_transcripts_are_read_with_and_without_marks(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("<s> ten of  clubs  </s> (001)\none one (man.ah.11a)\n\n")
    assert read_transcription(path) == {"001": "ten of clubs", "man.ah.11a": "one one"}


def test_the_default_beam_keeps_the_default_word_beam() -> None:
    assert math.log10(DecodingPoint(1e-48, 6.5).word_beam) == pytest.approx(math.log10(7e-29), abs=0.1)
    assert len({point.name for point in grid()}) == 9
