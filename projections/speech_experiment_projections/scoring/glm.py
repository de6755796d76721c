"""NIST's global map files (`.glm`), as far as they map whole words.

    * name "rt04"
    * format = 'NIST1'
    * case_sensitive = 'F'
    [UH]        => [%HESITATION]    / [ ] __ [ ]   ;; a comment
    [THIRTYONE] => [THIRTY ONE]     / [ ] __ [ ]
    [I'M]       => {I'M / I AM}     / [ ] __ [ ]
    [HA]        => [(%HESITATION)]  / [ ] __ [ ]   ;; may be missing

At each word the first rule of the file that fits is taken, and its outcome is not looked at again, as rfilter1 does it
(with the space that csrfilt puts at both ends of a text). Rules that look into words, or at words around them, are
refused: rfilter1 is the tool for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath

from .rules import Rules, WordRule

_HEAD = re.compile(r"\*\s*(\w+)\s*=?\s*(?:'([^']*)'|\"([^\"]*)\")\s*$")
_RULE = re.compile(
    r"(?P<source>\[[^\]]*\]|[^\[=][^=]*?)\s*=>\s*(?P<target>\{.*?\}|\[[^\]]*\]|[^/\[{]*?)\s*(?:/(?P<context>.*))?$"
)
_WORDS_AROUND = re.compile(r"\[ +\]\s*__\s*\[ +\]$")
_PLAIN_HEADS = {"name", "desc", "format", "max_nrules", "copy_no_hit", "case_sensitive"}
_ONLY = {"format": "NIST1", "copy_no_hit": "T"}


def read(lines: Iterable[str], path: str) -> Rules:
    """The rules of a file. Raises ValueError with file and line for what is not understood."""
    heads: dict[str, str] = {}
    words: list[WordRule] = []
    for number, line in enumerate(lines, 1):
        place = f"{path}:{number}"
        if "INPUT_DEPENDENT_APPLICATION" in line:
            raise ValueError(f"{place}: rules for some kinds of input only are not supported; split the file")
        text = line.partition(";;")[0].strip()
        if text.startswith("*"):
            heads.update([_head(text, place)])
        elif text:
            words.append(_rule(text, place, fold=heads.get("case_sensitive", "F").upper() != "T"))
    if not words:
        raise ValueError(
            f"{path}: no rule found; a .glm file has lines such as [UH] => [%HESITATION] / [ ] __ [ ]"
        )
    name = heads.get("name") or PurePath(path).stem
    return Rules(name=name, words=tuple(words), priority="first")


def _head(text: str, place: str) -> tuple[str, str]:
    found = _HEAD.match(text)
    if not found or found[1] not in _PLAIN_HEADS:
        raise ValueError(f"{place}: {text!r}: unknown setting; there are {', '.join(sorted(_PLAIN_HEADS))}")
    value = found[2] or found[3] or ""
    if _ONLY.get(found[1], value) != value:
        raise ValueError(f"{place}: {found[1]} = {value!r} is not supported, only {_ONLY[found[1]]!r}")
    return found[1], value


def _rule(text: str, place: str, *, fold: bool) -> WordRule:
    found = _RULE.match(text)
    if not found:
        raise ValueError(f"{place}: not a rule; write [SOURCE] => [TARGET] / [ ] __ [ ]")
    if not _WORDS_AROUND.match((found["context"] or "").strip()):
        raise ValueError(
            f"{place}: only rules for whole words are supported, with / [ ] __ [ ] after them; "
            "run rfilter1 over the texts beforehand for others"
        )
    source, target = found["source"].strip("[]").strip(), found["target"].strip()
    if fold:
        source, target = source.lower(), target.lower()
    return WordRule(source, tuple(_targets(target, place)))


def _targets(text: str, place: str) -> Iterable[str]:
    if not text.startswith("{"):
        yield from _deletable(text.strip("[]").strip())
        return
    inner = text[1:-1]
    if "{" in inner:
        raise ValueError(f"{place}: a choice within a choice is not supported; write all alternatives out")
    for alternative in inner.split("/"):
        word = alternative.strip().strip("[]").strip()
        yield "" if word == "@" else word


def _deletable(text: str) -> Iterable[str]:
    """A target in parentheses may be missing."""
    if text.startswith("(") and text.endswith(")"):
        yield text[1:-1].strip()
        yield ""
    else:
        yield text
