"""Rules of one's own: spellings that count as the same, as a small declared table and never as code.

A rule file is TOML:

    name = "call-centre"
    version = 2

    [characters]            # one character to any text, before words are looked at
    "ё" = "е"

    [words]                 # words in a row to other words
    "colour" = "color"
    "per cent" = "percent"
    "uh" = ""               # nothing: the word is taken away
    "gonna" = ["gonna", "going to"]   # either counts as right

Rules see normalised text, word by word: at each word the longest rule that fits is taken, and what it made is not
looked at again. They are the same for references and hypotheses.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from .networks import Choice

_KEYS = {"name", "version", "characters", "words"}
MOST_RULES = 100_000


class WordRule(NamedTuple):
    """Words in a row, and what they become: several targets are a choice between them, "" is no word."""

    source: str
    targets: tuple[str, ...]


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of rules.

    priority  of the rules that fit at a word, the longest or the one that comes first is taken
    """

    name: str
    version: int = 1
    characters: dict[str, str] = {}
    words: tuple[WordRule, ...] = ()
    priority: Literal["longest", "first"] = "longest"

    def __post_init__(self) -> None:
        for character in self.characters:
            if len(character) != 1:
                raise ValueError(f"characters: {character!r} is not one character")
        for source, targets in self.words:
            if not source.split():
                raise ValueError("words: a rule without a word to look for")
            if not targets:
                raise ValueError(f'words: {source!r} becomes nothing at all: write "" to take it away')
        if len(self.words) + len(self.characters) > MOST_RULES:
            raise ValueError(f"words: more than {MOST_RULES} rules")


class Rewriter:
    """Applies a table of rules."""

    def __init__(self, rules: Rules) -> None:
        self._characters = str.maketrans(rules.characters)
        self._by_first: dict[str, list[tuple[list[str], str | Choice]]] = {}
        for source, targets in rules.words:
            words = source.split()
            made = (
                targets[0]
                if len(targets) == 1
                else Choice(tuple((text,) if text else () for text in targets))
            )
            self._by_first.setdefault(words[0], []).append((words, made))
        if rules.priority == "longest":
            for found in self._by_first.values():
                found.sort(key=lambda rule: -len(rule[0]))

    def __call__(self, text: str) -> Iterator[str | Choice]:
        """The words of a text, rewritten; targets of several words come as one text."""
        words = text.translate(self._characters).split()
        place = 0
        while place < len(words):
            rule = self._fitting(words, place)
            if rule is None:
                yield words[place]
                place += 1
            else:
                source, made = rule
                place += len(source)
                if made:
                    yield made

    def _fitting(self, words: Sequence[str], place: int) -> tuple[list[str], str | Choice] | None:
        for rule in self._by_first.get(words[place], ()):
            if list(words[place : place + len(rule[0])]) == rule[0]:
                return rule
        return None


def from_toml(text: str, path: str) -> Rules:
    """Raises ValueError that names the file, the field and the fix."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not a TOML rule file: {error}") from None
    unknown = sorted(set(table) - _KEYS)
    if unknown:
        raise ValueError(f"{path}: {unknown[0]}: no such field; a rule file has {', '.join(sorted(_KEYS))}")
    if not isinstance(table.get("name"), str):
        raise ValueError(f'{path}: name: missing; give the rules one, e.g. name = "call-centre"')
    try:
        return msgspec.convert({**table, "words": _targets(table.get("words", {}))}, Rules)
    except (msgspec.ValidationError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def _targets(words: Any) -> Any:
    if not isinstance(words, Mapping):
        raise ValueError("words: write a table, [words]")
    return [(source, [made] if isinstance(made, str) else made) for source, made in words.items()]
