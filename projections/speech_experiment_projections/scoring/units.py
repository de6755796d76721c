"""What is counted: words, characters, phones, or a mixture of both for code-switched speech."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import regex

Unit = Literal[
    "word", "character", "character_with_spaces", "codepoint", "codepoint_with_spaces", "phone", "mixed"
]
SPACE = "␣"
"""How a space between words is shown where it is a token."""


def words(text: str) -> list[str]:
    """Separated by white space; also phones, syllables or any other tokens written so."""
    return text.split()


def characters(text: str) -> list[str]:
    """Grapheme clusters without white space: a letter with its marks, as one reads it, is one token."""
    return _found(_clusters(), "".join(text.split()))


def characters_with_spaces(text: str) -> list[str]:
    """Grapheme clusters, and a token for each space between words."""
    return _found(_clusters(), SPACE.join(text.split()))


def codepoints(text: str) -> list[str]:
    """Code points without white space: what `list(text)` of most scripts makes; a mark is a token of its own."""
    return list("".join(text.split()))


def codepoints_with_spaces(text: str) -> list[str]:
    """Code points, and a token for each space between words: what jiwer's `cer` counts."""
    return list(SPACE.join(text.split()))


def mixed(text: str) -> list[str]:
    """Characters of Han, kana and Thai, Lao, Khmer and Burmese script; words of every other: for MER."""
    return _found(_mixture(), text)


TOKENISERS: dict[Unit, Callable[[str], list[str]]] = {
    "word": words,
    "character": characters,
    "character_with_spaces": characters_with_spaces,
    "codepoint": codepoints,
    "codepoint_with_spaces": codepoints_with_spaces,
    "phone": words,
    "mixed": mixed,
}


def _found(pattern: regex.Pattern[str], text: str) -> list[str]:
    found: list[str] = pattern.findall(text)
    return found


@lru_cache
def _clusters() -> regex.Pattern[str]:
    import regex

    return regex.compile(r"\X")


@lru_cache
def _mixture() -> regex.Pattern[str]:
    import regex

    scripts = "".join(
        rf"\p{{{script}}}" for script in ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar")
    )
    return regex.compile(rf"[{scripts}]\p{{M}}*|[^\s{scripts}]+")
