"""Scoring profiles: what counts as an error, stated in full, so that numbers under one profile can be compared.

A profile says how texts are brought into one spelling, what is counted, by whose alignment, and what a missing
hypothesis or an empty reference means. It never changes: another setting is another profile, or another version. Its
identity is a hash of all it says, of the versions of the tools and of the Unicode data behind it, and of what its
normalisers make of a set of golden texts; where any of these differs, it is another profile under the same name, and
its scores do not stand beside the old ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from . import alignment, networks
from .alignment import Scorer, Step
from .networks import Costs
from .normalisers import Name
from .preparation import Preparation, primary
from .rules import Rules
from .scripts import Script
from .units import Unit

Form = Literal["as_written", "NFC", "NFKC"]
Missing = Literal["deletions", "present_only", "strict"]
EmptyReference = Literal["insertions", "left_out", "strict"]
Fragments = Literal["as_written", "deletable", "prefix"]
Hesitations = Literal["as_written", "removed", "deletable", "alike"]
Counted = NDArray[np.int64]

DEFAULT = "basic-wer"
_SCLITE_COSTS, _UNIT_COSTS = Costs(4, 3), Costs(1, 1)
_TAKES_CASE = frozenset(("basic", "cjk", "english", "whisper-basic", "whisper-marks"))


class NotScoredError(ValueError):
    """A strict rule of the profile forbids to score these texts; `places` says which of them."""

    def __init__(self, message: str, places: Sequence[int]) -> None:
        super().__init__(message)
        self.places = tuple(places)


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """Everything a score depends on, but for the texts.

    normaliser       of every language that `normalisers` does not name
    normalisers      language (`en`, `zh`; `en-GB` and `eng` are `en`) → normaliser
    rules            spellings that count as the same, after the normaliser
    form             Unicode form that texts are brought into first
    script           of Chinese characters
    case             as_written or lower; normalisers other than `none` take case away
    punctuation      as_written or removed; likewise
    unit             what is counted: words, characters, phones, a mixture
    scorer           whose alignment; see `alignment`
    missing          an utterance without a hypothesis is all deletions, is left out (the coverage says so), or
                     forbids a score; it is never the same as an empty hypothesis, which is all deletions always
    empty_reference  an utterance with nothing to say counts the insertions, is left out, or forbids a score
    alternations     `{ a / b / @ }` in a text is a choice: whichever costs least
    deletable        words that may be missing on either side at no cost
    fragments        words that begin or end with a hyphen: as written, deletable, or right when the other side has
                     a word that goes on like them (references only; as sclite -F)
    hesitation_words and what is made of them: nothing, removed, deletable, or all alike
    """

    name: str
    version: int = 1
    normaliser: Name = "basic"
    normalisers: dict[str, Name] = {}
    rules: Rules | None = None
    form: Form = "NFC"
    script: Script = "as_written"
    case: Literal["as_written", "lower"] = "lower"
    punctuation: Literal["as_written", "removed"] = "removed"
    unit: Unit = "word"
    scorer: Scorer = "jiwer"
    missing: Missing = "deletions"
    empty_reference: EmptyReference = "insertions"
    alternations: bool = False
    deletable: tuple[str, ...] = ()
    fragments: Fragments = "as_written"
    hesitation_words: tuple[str, ...] = ()
    hesitations: Hesitations = "as_written"

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("name: a profile needs one")
        used = {self.normaliser, *self.normalisers.values()} & _TAKES_CASE
        for field in ("case", "punctuation"):
            if used and getattr(self, field) == "as_written":
                raise ValueError(
                    f"{field}: 'as_written', but the normaliser {min(used)!r} takes it away: use the normaliser 'none'"
                )
        if self.hesitations != "as_written" and not self.hesitation_words:
            raise ValueError("hesitation_words: say which words are hesitations")
        if self.has_choices and self.unit.endswith("_with_spaces"):
            raise ValueError(
                f"unit: {self.unit!r} cannot be counted where words may be missing: count without spaces"
            )
        if self.fragments == "prefix" and self.unit != "word":
            raise ValueError("fragments: 'prefix' is for words")

    def __hash__(self) -> int:
        return hash((self.name, self.version, self.normaliser, self.unit))

    @cached_property
    def has_choices(self) -> bool:
        """Whether a prepared text may hold choices (see `networks`)."""
        made = self.rules is not None and any(len(rule.targets) > 1 for rule in self.rules.words)
        deletable = self.deletable or self.hesitations == "deletable" or self.fragments != "as_written"
        return bool(self.alternations or deletable or made)

    @cached_property
    def identity(self) -> bytes:
        """32 bytes: the SHA-256 of `statement`."""
        return hashlib.sha256(self.statement).digest()

    @cached_property
    def statement(self) -> bytes:
        """Canonical JSON of all that the identity covers."""
        from .identity import statement_of

        return statement_of(self)

    def prepare(self, text: str, language: str | None = None) -> tuple[str, ...]:
        """The tokens of a text; the same for references and hypotheses, and for nothing but the text and language.

        Where the profile has choices, the tokens are for `count` and `align` only.
        """
        return _preparation(self, primary(language))(text)

    def count(
        self, references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str] | None]
    ) -> Counted:
        """Counts of prepared texts, [utterances, 4]: hits, substitutions, deletions, insertions.

        A hypothesis that is missing is None. What the profile leaves out is a row of zeros: see `counted`.

        Raises ValueError when there are not as many hypotheses as references, NotScoredError where a strict rule is broken,
        alignment.TooLongError for what is too long to align.
        """
        kept = self.counted(references, hypotheses)
        given = [hypothesis or () for hypothesis in hypotheses]
        if self.has_choices:
            references, given = self._resolved(references, given)
        if kept.all():
            return alignment.count(self.scorer, references, given)
        counts = np.zeros((len(references), 4), np.int64)
        places = np.flatnonzero(kept).tolist()
        counts[kept] = alignment.count(
            self.scorer, [references[place] for place in places], [given[place] for place in places]
        )
        return counts

    def counted(
        self, references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str] | None]
    ) -> NDArray[np.bool_]:
        """Which utterances the profile counts; raises as `count` does."""
        if len(references) != len(hypotheses):
            raise ValueError(f"{len(references)} references, but {len(hypotheses)} hypotheses")
        kept = np.ones(len(references), np.bool_)
        if None in hypotheses:
            self._rule(kept, [h is None for h in hypotheses], self.missing, "no hypothesis")
        if self.empty_reference != "insertions":
            self._rule(kept, [not r for r in references], self.empty_reference, "an empty reference")
        return kept

    def align(self, reference: Sequence[str], hypothesis: Sequence[str]) -> list[Step]:
        """The alignment of two prepared texts; the steps are those that `count` counts."""
        if self.has_choices:
            (reference,), (hypothesis,) = self._resolved([reference], [hypothesis])
        return alignment.align(self.scorer, reference, hypothesis)

    def _rule(self, kept: NDArray[np.bool_], holds: Sequence[bool], rule: str, what: str) -> None:
        found = np.flatnonzero(holds).tolist()
        if rule == "strict" and found:
            raise NotScoredError(
                f"{len(found)} utterances have {what}, which the profile {self.name!r} does not allow", found
            )
        if rule in ("present_only", "left_out"):
            kept[found] = False

    def _resolved(
        self, references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]
    ) -> tuple[list[Sequence[str]], list[Sequence[str]]]:
        costs = _SCLITE_COSTS if self.scorer == "sclite" else _UNIT_COSTS
        lefts, rights = list(references), list(hypotheses)
        for place, (reference, hypothesis) in enumerate(zip(references, hypotheses, strict=True)):
            if self.fragments == "prefix":
                reference = networks.with_completions(reference, hypothesis)
            if networks.OPEN in reference or networks.OPEN in hypothesis:
                lefts[place], rights[place] = networks.resolve(reference, hypothesis, costs)
        return lefts, rights


@lru_cache(maxsize=256)
def _preparation(profile: Profile, language: str) -> Preparation:
    return Preparation(profile, language)
