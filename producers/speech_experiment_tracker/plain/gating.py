"""Candidate and reference out of files, set by set and group by group, for the gate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from speech_experiment_projections.scoring.gate import Pair

from ..errors import TrackerError
from .board import groups_of
from .layout import FoundSet
from .scoring import Preparer, score_set


class Sides(NamedTuple):
    """What is compared: (set, group) → scores of candidate and reference; the group "" is the whole set."""

    pairs: dict[tuple[str, str], Pair]
    notes: list[str]


def sides_of_files(
    candidate: Path, against: Path, ref: Path | None, prepare: Preparer, by: Sequence[str] = ()
) -> Sides:
    """Two files, or two folders with files of the same names, a set each.

    ref  file or folder of references; None where the files hold them (manifests with `text` and `pred_text`)

    Raises TrackerError that names file and line.
    """
    sides = Sides({}, [])
    for found in _sets(candidate, against, ref):
        scored = score_set(found, prepare)
        sides.notes.extend(scored.notes)
        pair = scored.scores["candidate"], scored.scores["reference"]
        sides.pairs[found.name, ""] = pair
        for name in by:
            groups = groups_of(scored.utterances, name)
            for group in sorted(set(groups) - {""}):
                chosen = np.fromiter((each == group for each in groups), np.bool_, len(groups))
                sides.pairs[found.name, f"{name} {group}"] = (pair[0].only(chosen), pair[1].only(chosen))
    return sides


def _sets(candidate: Path, against: Path, ref: Path | None) -> Iterator[FoundSet]:
    for path in (candidate, against, *([ref] if ref else [])):
        if not path.exists():
            raise TrackerError(f"{path}: is not there", "name a file or folder")
    if not _holds_sets(candidate):
        name = _set_name(ref or candidate)
        yield FoundSet(name, [ref] if ref else [], {"candidate": candidate, "reference": against})
        return
    theirs = {_stem(path): path for path in against.iterdir()} if against.is_dir() else {}
    references = {_stem(path): path for path in ref.iterdir()} if ref and ref.is_dir() else {}
    for path in sorted(candidate.iterdir()):
        name = _stem(path)
        for side, found in ((against, theirs), *(((ref, references),) if ref else ())):
            if name not in found:
                raise TrackerError(
                    f"{path}: the set {name!r} has no file in {side}", "give each set a file of one name"
                )
        yield FoundSet(
            name, [references[name]] if ref else [], {"candidate": path, "reference": theirs[name]}
        )


def _holds_sets(path: Path) -> bool:
    """A folder of files, and not a Kaldi data folder."""
    return path.is_dir() and not (path / "text").is_file()


def _set_name(path: Path) -> str:
    """Of a single pair of files: a file called ref is named by its folder."""
    name = _stem(path)
    return path.resolve().parent.name if name in ("ref", "reference", "text") else name


def _stem(path: Path) -> str:
    return path.name.partition(".")[0] or path.name
