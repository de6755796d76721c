"""Normalisers bring a reference and a hypothesis into one spelling before they are compared.

none           as it is, but for white space
basic          for any script: NFKC, lower case; what stands in brackets, symbols, punctuation and invisible
               characters away. Combining marks stay (the vowel signs of Hindi, Tamil, Thai, vowelled Arabic), and
               so does an apostrophe within a word
cjk            NFKC, lower case, symbols, punctuation and invisible characters away; spaces between two characters
               of a script that is written without them away: for zh, ja and ko, and for mixtures with Latin words
english        Whisper's English normaliser: contractions, numbers, British spellings (Radford et al. 2022,
               appendix C). `Mr. O'Neill` becomes `mister 0 neill`: that is what the published numbers did
whisper-basic  Whisper's basic normaliser to the letter: `don't` becomes two words, and the vowel signs of Hindi,
               Tamil, Thai and vowelled Arabic are lost
whisper-marks  the same, but combining marks stay

Whisper's are those of the package whisper-normalizer, the others are made here from the Unicode data; both versions
belong to a profile's identity (see `profiles`). All take time in proportion to the text, whatever it holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import regex
    from whisper_normalizer.english import EnglishTextNormalizer

Name = Literal["none", "basic", "cjk", "english", "whisper-basic", "whisper-marks"]
Normaliser = Callable[[str], str]

VERSIONS: dict[Name, int] = {
    "none": 1,
    "basic": 1,
    "cjk": 1,
    "english": 1,
    "whisper-basic": 1,
    "whisper-marks": 1,
}
"""Rises with every change of a normaliser's outputs."""


@lru_cache
def normaliser(name: Name) -> Normaliser:
    """The normaliser of that name; its outputs have single spaces, none at the ends."""
    match name:
        case "none":
            return squeeze
        case "basic":
            return _basic
        case "cjk":
            return _cjk
        case "english":
            return English()
        case _:
            return _whisper_basic(marks=name == "whisper-marks")


def squeeze(text: str) -> str:
    """Single spaces, none at the ends."""
    return " ".join(text.split())


def without_punctuation(text: str) -> str:
    """Symbols and punctuation made spaces, but apostrophes within words; invisible characters taken away."""
    shown = text.translate(_SHOWN_WITH_APOSTROPHES)
    return squeeze(_LONE_APOSTROPHE.sub(" ", shown) if "'" in shown else shown)


def _basic(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).lower()
    if not _OPENING.isdisjoint(plain):
        plain = _BRACKETED.sub(" ", plain)
    return without_punctuation(plain)


def _cjk(text: str) -> str:
    shown = unicodedata.normalize("NFKC", text).lower().translate(_SHOWN)
    return squeeze(_between().sub("", shown))


def _whisper_basic(*, marks: bool) -> Normaliser:
    from whisper_normalizer.basic import BasicTextNormalizer

    whole = BasicTextNormalizer(preserve_marks=marks)
    return lambda text: squeeze(whole(tamed(text)))


class _Shown(dict[int, str | None]):
    """For str.translate: what is seen of a character, found when first asked for."""

    def __missing__(self, code: int) -> str | None:
        category = unicodedata.category(chr(code))
        self[code] = seen = " " if category[0] in "SPZ" else None if category == "Cf" else chr(code)
        return seen


_SHOWN = _Shown()
_SHOWN_WITH_APOSTROPHES = _Shown({ord("'"): "'", ord("’"): "'", ord("ʼ"): "'", ord("＇"): "'"})
_LONE_APOSTROPHE = re.compile(r"(?<!\w)'|'(?!\w)")
_OPENING = frozenset("<[(")
_BRACKETED = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|\([^()]*\)")


@lru_cache
def _between() -> regex.Pattern[str]:
    import regex

    unspaced = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}ー]"
    return regex.compile(rf"(?<={unspaced})\s+(?={unspaced})")


_LONG = 2_000
_WIDE_SPACE = re.compile(r"\s{3,}")


def tamed(text: str) -> str:
    """A long text in which Whisper's patterns do not look for what is not there again and again.

    Its outputs stay the same: opening brackets after the last closing one become another symbol, and runs of
    white space two spaces.
    """
    if len(text) < _LONG:
        return text
    text = _WIDE_SPACE.sub("  ", text)
    squared = max(text.rfind(">"), text.rfind("]")) + 1
    round_ = text.rfind(")") + 1
    text = text[:squared] + text[squared:].replace("<", "|").replace("[", "|")
    return text[:round_] + text[round_:].replace("(", "|")


class English:
    """Whisper's English normaliser, with a short way for texts in which words stand for themselves.

    The short way is for ASCII letters, apostrophes within words and common punctuation, where no number
    word stands beside another and no word has another meaning beside its neighbour. Every word is then
    normalised by itself, once, by the real normaliser. Tests hold both ways to the same outputs.
    """

    _PLAIN = re.compile(r"(?!.*\.\.)[a-zA-Z'\s.,?!;:\"-]*\Z", re.S)
    _WORD = re.compile(r"[a-z]+(?:'[a-z]+)*\Z")
    _BREAKS = str.maketrans(dict.fromkeys('.,?!;:"-', " "))
    _REMEMBERED = 200_000

    def __init__(self) -> None:
        from whisper_normalizer.english import EnglishTextNormalizer

        self._whole: EnglishTextNormalizer = EnglishTextNormalizer()
        self._numbers = frozenset(self._whole.standardize_numbers.words)
        self._words: dict[str, str | None] = {}

    def __call__(self, text: str) -> str:
        found = self._shortly(text)
        return squeeze(self._whole(tamed(text))) if found is None else found

    def _shortly(self, text: str) -> str | None:
        """None where words do not stand for themselves."""
        if not self._PLAIN.match(text):
            return None
        known, numbers = self._words, self._numbers
        words: list[str] = []
        after_number = False
        for word in text.lower().translate(self._BREAKS).split():
            made = known[word] if word in known else self._learn(word)
            if made is None or (not made and "." in text):
                return None
            if made:
                is_number = word in numbers
                if is_number and after_number:
                    return None
                after_number = is_number
                words.append(made)
        return " ".join(words)

    def _learn(self, word: str) -> str | None:
        """The word's own normal form, "" when it vanishes; None when its neighbours may matter."""
        made = None
        if self._WORD.match(word) and word not in _NEIGHBOURLY:
            made = squeeze(self._whole(word))
            if word not in self._numbers and not self._numbers.isdisjoint((*word.split("'"), *made.split())):
                made = None
        if len(self._words) >= self._REMEMBERED:
            self._words.clear()
        self._words[word] = made
        return made


_NEIGHBOURLY = frozenset(("been", "gone", "done", "got", "half"))
"""Words that change what stands before them: `'s been` becomes `has been`, `and a half` `point five`."""
