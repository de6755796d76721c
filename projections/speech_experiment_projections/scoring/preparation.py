"""From a text to the tokens that are counted, as a profile wants it.

In this order: Unicode form, script, choices and fragments found, normaliser, case and punctuation, rules,
hesitations and deletable words, units. Where a text has choices or fragments, what stands between them is
normalised piece by piece.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from .networks import NONCHARACTER, Choice, flat, parse
from .normalisers import normaliser, without_punctuation
from .rules import Rewriter
from .scripts import converter
from .units import TOKENISERS

if TYPE_CHECKING:
    from .profiles import Profile

HESITATION = "%hesitation"
"""What all hesitations become under `alike`."""
_FRAGMENT = re.compile(r"(?<!\S)(?:-\w\S*|\S*\w-)(?!\S)")
_THREE_LETTERS = {
    "ara": "ar", "ben": "bn", "ces": "cs", "cmn": "zh", "deu": "de", "eng": "en", "fra": "fr", "hin": "hi",
    "ita": "it", "jpn": "ja", "kor": "ko", "nld": "nl", "pol": "pl", "por": "pt", "rus": "ru", "spa": "es",
    "swe": "sv", "tam": "ta", "tel": "te", "tha": "th", "tur": "tr", "ukr": "uk", "vie": "vi", "zho": "zh",
}  # fmt: skip


def primary(language: str | None) -> str:
    """The language that a tag names, without region and script: `en` for `en-GB`, `eng` and `EN_us`."""
    head = (language or "").strip().lower().replace("_", "-").partition("-")[0]
    return _THREE_LETTERS.get(head, head)


class Preparation:
    """Of the texts of one language under one profile."""

    def __init__(self, profile: Profile, language: str) -> None:
        self._form = profile.form
        self._script = converter(profile.script) if profile.script != "as_written" else None
        self._spell = _spelling(profile, language)
        self._tokens = TOKENISERS[profile.unit]
        self._has_choices = profile.has_choices
        self._alternations = profile.alternations
        self._fragments = profile.fragments
        self._rewrite = Rewriter(profile.rules) if profile.rules else None
        self._hesitations = frozenset(profile.hesitation_words)
        self._with_hesitations = profile.hesitations
        self._deletable = frozenset(profile.deletable)
        if profile.hesitations == "deletable":
            self._deletable |= self._hesitations
        self._whole = not (self._has_choices or self._rewrite or profile.hesitations != "as_written")

    def __call__(self, text: str) -> tuple[str, ...]:
        if self._form != "as_written" and not text.isascii():
            text = unicodedata.normalize(self._form, text)
        if self._script is not None:
            text = self._script(text)
        if self._whole:
            return tuple(self._tokens(self._spell(text)))
        if self._has_choices:
            text = text.replace(NONCHARACTER, " ")
        pieces = parse(text) if self._alternations and "{" in text else [text]
        return tuple(flat(self._tokenised(self._spelled(pieces))))

    def _spelled(self, pieces: Iterable[str | Choice]) -> Iterator[str | Choice]:
        for piece in pieces:
            if isinstance(piece, Choice):
                yield Choice(tuple(tuple(self._spelled(each)) for each in piece.alternatives))
            elif self._fragments == "as_written" or "-" not in piece:
                yield from self._words(piece)
            else:
                yield from self._around_fragments(piece)

    def _around_fragments(self, text: str) -> Iterator[str | Choice]:
        start = 0
        for found in _FRAGMENT.finditer(text):
            yield from self._words(text[start : found.start()])
            yield from self._fragment(found.group())
            start = found.end()
        yield from self._words(text[start:])

    def _fragment(self, word: str) -> Iterator[str | Choice]:
        spelled = self._spell(word.strip("-"))
        if spelled and self._fragments == "deletable":
            yield Choice(((spelled,), ()))
        elif spelled:
            yield f"-{spelled}" if word.startswith("-") else f"{spelled}-"

    def _words(self, text: str) -> Iterator[str | Choice]:
        spelled = self._spell(text)
        rewritten = self._rewrite(spelled) if self._rewrite else (spelled,)
        if not (self._hesitations or self._deletable):
            yield from rewritten
            return
        for piece in rewritten:
            if isinstance(piece, Choice):
                yield piece
            else:
                yield from map(self._listed, piece.split())

    def _listed(self, word: str) -> str | Choice:
        if word in self._deletable:
            return Choice(((word,), ()))
        if word in self._hesitations and self._with_hesitations == "alike":
            return HESITATION
        if word in self._hesitations and self._with_hesitations == "removed":
            return ""
        return word

    def _tokenised(self, pieces: Iterable[str | Choice]) -> Iterator[list[str] | Choice]:
        """Neighbouring texts are cut together, so that spaces between them count where spaces do."""
        plain: list[str] = []
        for piece in pieces:
            if isinstance(piece, Choice):
                yield self._tokens(" ".join(plain))
                plain.clear()
                yield self._tokenised_choice(piece)
            else:
                plain.append(piece)
        yield self._tokens(" ".join(plain))

    def _tokenised_choice(self, choice: Choice) -> Choice:
        return Choice(tuple(tuple(self._alternative(each)) for each in choice.alternatives))

    def _alternative(self, pieces: Iterable[str | Choice]) -> Iterator[str | Choice]:
        for piece in pieces:
            if isinstance(piece, Choice):
                yield self._tokenised_choice(piece)
            else:
                yield from self._tokens(piece)


def _spelling(profile: Profile, language: str) -> Callable[[str], str]:
    name = profile.normalisers.get(language, profile.normaliser)
    normalise = normaliser(name)
    if name != "none" or (profile.case == "as_written" and profile.punctuation == "as_written"):
        return normalise
    if profile.punctuation == "as_written":
        return lambda text: normalise(text.lower())
    if profile.case == "as_written":
        return without_punctuation
    return lambda text: without_punctuation(text.lower())
