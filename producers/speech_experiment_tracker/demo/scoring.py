"""Word error rates by jiwer, pooled over the utterances of a test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .decoding import Hypothesis
from .utterances import Utterance


@dataclass(frozen=True, slots=True)
class Score:
    """Error counts of some utterances against `words` reference words."""

    words: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def wer(self) -> float:
        """Errors divided by reference words; above 1 when much was inserted."""
        return self.errors / self.words


def score(references: Sequence[str], hypotheses: Sequence[str]) -> Score:
    """Counts of the alignment with the fewest errors (Levenshtein, all costs 1)."""
    import jiwer

    counted = jiwer.process_words(list(references), list(hypotheses))
    words = counted.hits + counted.substitutions + counted.deletions
    return Score(words, counted.substitutions, counted.deletions, counted.insertions)


def score_sets(utterances: Sequence[Utterance], hypotheses: Sequence[Hypothesis]) -> Mapping[str, Score]:
    """Test set → its score, in the order in which the sets first appear."""
    texts = {hypothesis.utterance: hypothesis.text for hypothesis in hypotheses}
    by_set: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        by_set.setdefault(utterance.test_set, []).append(utterance)
    return {
        test_set: score([each.reference for each in members], [texts[each.id] for each in members])
        for test_set, members in by_set.items()
    }
