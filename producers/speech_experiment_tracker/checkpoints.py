"""Checkpoints of a run, and which of them the next attempt goes on from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact of type checkpoint: a file that a run can go on from, or one of several.

    path           its name within the run
    rank, attempt  of the process that logged it
    sha256, size   of its content; the hash is empty until the content was read
    file           its content in the spool, when it is not stored on the server yet
    uri            where it is when it was logged by reference
    """

    id: UUID
    path: str
    step: int | None = None
    epoch: float | None = None
    rank: int = 0
    attempt: int = 1
    sha256: str = ""
    size: int = -1
    file: Path | None = None
    uri: str | None = None


class Cuts:
    """Resume steps: an attempt counts up to the smallest one of later attempts."""

    def __init__(self, resumes: Iterable[tuple[int, int | None]] = ()) -> None:
        self.resumes = list(resumes)

    def last_step(self, attempt: int) -> int | None:
        """The last step of an attempt that counts; None: all of them."""
        later = [step for other, step in self.resumes if other > attempt and step is not None]
        return min(later, default=None)

    def keep(self, checkpoint: Checkpoint) -> bool:
        """Whether the checkpoint belongs to the effective curve: not one of an abandoned tail."""
        last = self.last_step(checkpoint.attempt)
        return last is None or checkpoint.step is None or checkpoint.step <= last


Files = list[Checkpoint]
"""What one rank needs: one file, or the files of one folder."""


def newest(checkpoints: Sequence[Checkpoint], cuts: Cuts, rank: int = 0) -> Files:
    """What a rank goes on from; empty when there is no checkpoint.

    checkpoints  in the order in which they were logged

    Abandoned tails do not count. A process may die while its ranks log their shards, or while the
    files of a folder are logged: a step that lacks something of the step before it does not count.
    A rank gets its own shard, else that of the lowest rank.
    """
    groups = _by_step([each for each in checkpoints if cuts.keep(each)])
    if len(groups) > 1 and not _parts(groups[-1]) >= _parts(groups[-2]):
        groups.pop()
    return _shard(groups[-1], rank) if groups else []


def at_step(checkpoints: Sequence[Checkpoint], step: int, rank: int) -> Files:
    """A rank's shard of the step that all ranks go on from, else of the newest one before it."""
    steps = [each.step for each in checkpoints if each.step is not None and each.step <= step]
    return _shard([each for each in checkpoints if each.step == max(steps)], rank) if steps else []


def _shard(group: Sequence[Checkpoint], rank: int) -> Files:
    ranks = {each.rank for each in group}
    if not ranks:
        return []
    mine = [each for each in group if each.rank == (rank if rank in ranks else min(ranks))]
    folder, inside, _ = mine[-1].path.partition("/")
    files = [each for each in mine if inside and each.path.startswith(f"{folder}/")] or mine[-1:]
    return list({each.path: each for each in files}.values())


def _by_step(checkpoints: Sequence[Checkpoint]) -> list[list[Checkpoint]]:
    """Groups of one attempt and step, in the order of their last member; each without a step by itself."""
    groups: dict[object, list[Checkpoint]] = {}
    for each in checkpoints:
        name = each.id if each.step is None else (each.attempt, each.step)
        groups[name] = [*groups.pop(name, []), each]
    return list(groups.values())


def _parts(group: Iterable[Checkpoint]) -> set[tuple[int, str]]:
    """Ranks, and names below the folder of a checkpoint that is one."""
    return {(each.rank, each.path.partition("/")[2]) for each in group}


def from_row(row: dict[str, Any]) -> Checkpoint:
    """From the server's list of artifacts."""
    return Checkpoint(
        id=UUID(row["id"]),
        path=row["path"],
        step=row.get("step"),
        epoch=row.get("epoch"),
        rank=row.get("rank") or 0,
        attempt=row.get("attempt") or 1,
        sha256=row.get("sha256") or "",
        size=row.get("size_bytes", -1),
        uri=(row.get("storage") or {}).get("uri"),
    )
