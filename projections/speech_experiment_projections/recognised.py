"""Reads names of metrics that say what was measured: test set, metric, speaker and decoding point.

Rule 1. A name is cut at `/` into segments and these at `_` into words; hyphens and dots stay inside
words. Exactly one word is a metric (`wer`, `cer`, …, case ignored). Then, of the other words:

- `speaker` or `spk` with the word behind it, or `speaker1272`, names a speaker;
- `beam10`, `lm0.5`, `beam_10`, … and `greedy` are the decoding point, written `beam=10,lm=0.5`;
- what is left before the metric, or in other segments, is the test set; behind the metric in
  its own segment only words that begin with test, dev or eval are;
- a first segment `eval`, `test`, `metrics`, `results` or `scores` is dropped when more is left.

No result:

- words of training or of statistics over results (`train_wer`, `avg_speaker_wer`, `best_wer`);
- with a step, a name without decoding point or speaker whose test set is missing, is just a split
  (`val_wer`) or has no part test, dev or eval (`student_wer`): these are curves;
- accuracies and F scores whose test set has no such part: too many things are called so.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

RULE = 1

_METRICS = {
    **{name: name for name in ("wer", "cer", "mer", "ser", "per", "ter", "wil", "wip", "bleu", "chrf")},
    **{
        name: name
        for name in ("der", "jer", "eer", "mindcf", "mos", "utmos", "dnsmos", "pesq", "stoi", "mcd")
    },
    **{name: name for name in ("f1", "far", "frr")},
    "acc": "accuracy",
    "accuracy": "accuracy",
}
_COMMON = frozenset({"accuracy", "f1", "far", "frr"})
_STATISTICS = frozenset(
    {
        "train", "training", "avg", "average", "mean", "median", "worst", "best", "min", "max", "std",
        "var", "sum", "total", "num", "running", "ema", "smoothed", "delta", "diff", "relative", "oracle",
        "target", "baseline", "loss", "micro", "macro", "ci", "low", "high", "p50", "p90", "p95", "p99",
    }
)  # fmt: skip
_SPLITS = frozenset({"val", "valid", "validation", "dev", "devel", "eval"})
_HEADS = frozenset({"eval", "test", "metrics", "results", "scores"})
_SPEAKER = frozenset({"speaker", "spk"})
_SPEAKER_JOINED = re.compile(r"(?:speaker|spk)-?(\d[\w.-]*)\Z", re.I)
_KNOBS = {
    "beam": "beam",
    "beamsize": "beam",
    "bs": "beam",
    "lm": "lm",
    "lmw": "lm",
    "lmweight": "lm",
    "ilm": "ilm",
    "ctc": "ctc",
    "nbest": "nbest",
    "temp": "temperature",
    "temperature": "temperature",
    "lp": "length_penalty",
    "penalty": "length_penalty",
    "wip": "insertion_penalty",
}
_NUMBER = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
_IS_NUMBER = re.compile(rf"{_NUMBER}\Z", re.I)
_KNOB = re.compile(rf"([a-z]+)[-=]?({_NUMBER})\Z", re.I)
_SET_PART = re.compile(r"(?:test\w*|dev\d*|devel|eval\d*)(?:\Z|[-.])", re.I)
_BOUNDARY = re.compile(r"[-_/.]")


class Recognised(NamedTuple):
    """test_set, speaker and decoding are empty where the name says nothing of them."""

    metric: str
    test_set: str = ""
    speaker: str = ""
    decoding: str = ""


@lru_cache(maxsize=1 << 14)
def recognise(name: str, has_step: bool) -> Recognised | None:
    """What a point of this name is a result of; None when it is none."""
    found = _Reading(name)
    if found.metric is None:
        return None
    place = found.test_set
    parts = _BOUNDARY.split(place)
    of_a_set = any(_SET_PART.match(part) for part in parts)
    if found.metric in _COMMON and not of_a_set:
        return None
    curve = not of_a_set or place.lower() in _SPLITS
    if has_step and curve and not found.decoding and not found.speaker:
        return None
    return Recognised(found.metric, place, found.speaker, found.decoding)


class _Reading:
    """The words of a name, sorted into their roles; metric is None when the name is no result."""

    def __init__(self, name: str) -> None:
        self.metric: str | None = None
        self.speaker = ""
        self._knobs: dict[str, str] = {}
        self._refused = False
        segments = [self._segment(segment.split("_")) for segment in name.split("/")]
        kept = [segment for segment in segments if segment]
        if len(kept) > 1 and kept[0].lower() in _HEADS:
            kept = kept[1:]
        self.test_set = "/".join(kept)
        if self._refused:
            self.metric = None

    @property
    def decoding(self) -> str:
        return ",".join(f"{knob}={value}" if value else knob for knob, value in sorted(self._knobs.items()))

    def _segment(self, words: list[str]) -> str:
        """Takes its words in; returns what is left of them for the test set."""
        left: list[str] = []
        behind = False
        position = 0
        while position < len(words):
            word = words[position]
            following = words[position + 1] if position + 1 < len(words) else ""
            taken = self._decoding(word, following) or self._person(word, following)
            if not taken:
                taken = 1
                if self._is_metric(word):
                    behind = True
                elif behind and not _SET_PART.match(word):
                    self._refused = True
                else:
                    left.append(word)
            position += taken
        return "_".join(left)

    def _is_metric(self, word: str) -> bool:
        lower = word.lower()
        metric = _METRICS.get(lower)
        if lower in _STATISTICS or not word or (metric and self.metric):
            self._refused = True
        if metric and not self.metric:
            self.metric = metric
        return metric is not None

    def _decoding(self, word: str, following: str) -> int:
        """How many words name a decoding parameter."""
        if word.lower() == "greedy":
            self._knobs["greedy"] = ""
            return 1
        joined = _KNOB.match(word)
        if joined and joined[1].lower() in _KNOBS:
            self._knobs[_KNOBS[joined[1].lower()]] = _number(joined[2])
            return 1
        if word.lower() in _KNOBS and _IS_NUMBER.match(following):
            self._knobs[_KNOBS[word.lower()]] = _number(following)
            return 2
        return 0

    def _person(self, word: str, following: str) -> int:
        """How many words name a speaker; one without a name, or a second one, is none."""
        joined = _SPEAKER_JOINED.match(word)
        if not joined and word.lower() not in _SPEAKER:
            return 0
        named = joined[1] if joined else following
        if not named or self.speaker or named.lower() in _METRICS or named.lower() in _STATISTICS:
            self._refused = True
        self.speaker = named
        return 1 if joined else 2


def _number(text: str) -> str:
    """The shortest form: 010 → 10, 0.50 → 0.5."""
    return f"{float(text):.10g}"
