"""Where a producer's files are."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from .files import CONTENTS

PROCESSES = "processes"
"""Folder of a spool with a folder for each process."""
DRAIN, OWN = "drain", "own"
_PAGE, _SEGMENT = ".page", ".seg"
_OLD_PAGE, _OLD_META = "producer.lock", "producer.json"


@dataclass(frozen=True, slots=True)
class Place:
    """A producer's files in its process's folder; `name` tells them from those of other producers.

    In format 1 a producer had a folder of its own, SPOOL/<run id or "process">/<producer id>/: there
    the name is empty.
    """

    folder: Path
    name: str = ""

    @property
    def page(self) -> Path:
        """The page, and what the producer says of itself behind it."""
        return self.folder / (f"{self.name}{_PAGE}" if self.name else _OLD_PAGE)

    @property
    def old_meta(self) -> Path:
        """Where format 1 kept what stands behind the page now."""
        return self.folder / _OLD_META

    def segment(self, stream: str, index: int) -> Path:
        prefix = f"{self.name}." if self.name else ""
        return self.folder / f"{prefix}{stream}-{index:04d}{_SEGMENT}"

    def indices(self, stream: str) -> list[int]:
        """The indices of the segments of a stream that are files."""
        start = f"{self.name}.{stream}-" if self.name else f"{stream}-"
        with contextlib.suppress(OSError), os.scandir(self.folder) as entries:
            names = [entry.name for entry in entries]
            return sorted(
                int(name[len(start) : -len(_SEGMENT)])
                for name in names
                if name.startswith(start) and name.endswith(_SEGMENT)
            )
        return []

    @property
    def reserve(self) -> Path:
        return self.folder / (f"{self.name}.reserve" if self.name else "reserve")

    @property
    def contents(self) -> Path:
        """The folder of its artifacts' contents."""
        return self.folder / CONTENTS / self.name if self.name else self.folder / CONTENTS


def named(file: str) -> tuple[str, str | None] | None:
    """(name of the producer, stream of a segment) that a file's name tells; None for other files."""
    if file.endswith(_SEGMENT):
        name, _, segment = file[: -len(_SEGMENT)].rpartition(".")
        return name, segment.rpartition("-")[0]
    if file.endswith(_PAGE):
        return file[: -len(_PAGE)], None
    return ("", None) if file == _OLD_META else None
