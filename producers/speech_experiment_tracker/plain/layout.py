"""Which files of a folder are references, which are systems, and on which test sets.

    results/clean/ref.trn  results/clean/base.trn  results/clean/big.trn     a folder a set
    results/ref-clean.txt  results/base-clean.txt  results/big-clean.txt     a set in the names, first or last
    exp/big/clean/score_wer/ref.trn  …/hyp.trn                               ESPnet's folders
    results/clean/base.jsonl  results/clean/big.jsonl                        manifests with `text` and `pred_text`

A file is a reference when its name begins or ends with `ref`. A folder with a file `text` is a Kaldi data folder, and
goes by its own name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import TrackerError

_SUFFIXES = {".trn", ".txt", ".text", ".json", ".jsonl", ".csv", ".tsv", ".stm", ".ctm", ".gz", ""}
_BOTH = {".json", ".jsonl", ".csv", ".tsv"}
_REFERENCE = {"ref", "refs", "reference", "references"}
_HYPOTHESIS = {"hyp", "hyps", "hypothesis", "hypotheses"}
_BREAK = re.compile(r"[-_.]")


class FoundSet(NamedTuple):
    """A test set in a folder; no reference where the systems' files hold it themselves."""

    name: str
    references: list[Path]
    systems: dict[str, Path]


class _Item(NamedTuple):
    folder: Path
    stem: str
    path: Path


def find(root: Path) -> list[FoundSet]:
    """The sets with their systems, by name.

    Raises TrackerError for a folder without them, and for a file that belongs to no set.
    """
    if not root.is_dir():
        raise TrackerError(f"{root} is not a folder", "name a folder of reference and hypothesis files")
    sets: dict[str, FoundSet] = {}
    for folder, items in _by_folder(_items(root)):
        for name, reference, systems in _sets_of(root, folder, items):
            found = sets.setdefault(name, FoundSet(name, [], {}))
            found.references.extend([reference] if reference else [])
            for system, path in systems:
                if system in found.systems:
                    raise TrackerError(
                        f"{path} and {found.systems[system]} are both the system {system!r} on {name!r}",
                        "give the files different names",
                    )
                found.systems[system] = path
    full = [found for _, found in sorted(sets.items()) if found.systems]
    if not full:
        raise TrackerError(
            f"{root}: no hypotheses beside a reference found",
            "put files such as ref.trn and big.trn into a folder for each test set",
        )
    return full


def _items(root: Path) -> Iterator[_Item]:
    for path in sorted(root.rglob("*")):
        inner = path.relative_to(root).parts
        if not path.is_file() or any(part.startswith(".") for part in inner) or path.suffix not in _SUFFIXES:
            continue
        if (path.parent / "text").is_file() and path.parent != root:
            if path.name == "text":
                yield _Item(path.parent.parent, path.parent.name, path.parent)
        else:
            yield _Item(path.parent, path.name.partition(".")[0] if path.suffix else path.name, path)


def _by_folder(items: Iterable[_Item]) -> Iterator[tuple[Path, list[_Item]]]:
    folders: dict[Path, list[_Item]] = {}
    for item in items:
        folders.setdefault(item.folder, []).append(item)
    yield from folders.items()


_Sets = Iterator[tuple[str, Path | None, list[tuple[str, Path]]]]


def _sets_of(root: Path, folder: Path, items: list[_Item]) -> _Sets:
    references = {_without(item.stem, _REFERENCE): item.path for item in items if _has(item.stem, _REFERENCE)}
    others = [item for item in items if not _has(item.stem, _REFERENCE)]
    place = folder.parent if folder.name.startswith("score_") else folder
    if not references:
        both = [item for item in others if _BOTH & {*item.path.suffixes}]
        if both:
            yield place.resolve().name, None, [(item.stem, item.path) for item in both]
        return
    if set(references) == {""}:
        above = place.relative_to(root).parent.as_posix() if place != root else "."
        yield (
            place.resolve().name,
            references[""],
            [(_system(item.stem, above), item.path) for item in others],
        )
        return
    for name, reference in references.items():
        mine = [
            (_system(rest, "."), item.path) for item in others if (rest := _rest(item.stem, name)) is not None
        ]
        yield name, reference, mine
    lost = [item for item in others if all(_rest(item.stem, name) is None for name in references)]
    if lost:
        raise TrackerError(
            f"{lost[0].path} belongs to none of the sets {', '.join(sorted(references))}",
            f"call it {lost[0].stem}-{min(references)}{lost[0].path.suffix}, or take it away",
        )


def _system(stem: str, above: str) -> str:
    """What a file calls its system; files called hyp are named by the folders above their set."""
    named = _without(stem, _HYPOTHESIS)
    return named or (above if above != "." else stem)


def _has(stem: str, words: set[str]) -> bool:
    parts = _BREAK.split(stem.lower())
    return parts[0] in words or parts[-1] in words


def _without(stem: str, words: set[str]) -> str:
    parts = re.split(r"([-_.])", stem)
    if parts[0].lower() in words:
        parts = parts[2:]
    elif parts[-1].lower() in words:
        parts = parts[:-2]
    return "".join(parts)


def _rest(stem: str, name: str) -> str | None:
    """What is left of a stem without the name of a set at its beginning or end; None where it is not there."""
    for found, rest in (
        (stem.startswith(name), stem[len(name) :]),
        (stem.endswith(name), stem[: -len(name)]),
    ):
        if found and rest and (_BREAK.match(rest[0]) or _BREAK.match(rest[-1])):
            return rest.strip("-_.")
    return None
