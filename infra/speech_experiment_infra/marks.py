"""Marks of a data folder's stores: that they were set up for this release, so that a later start need not do it.

A mark lies in the folder of the store that it speaks of. So a store whose data was thrown away, or put back
as another release left it, is set up like a new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from .settings import MAX_RECORD_BYTES, TOPICS, Settings
from .state import write_private

MARK = ".set-up"
_MIGRATIONS = Path(__file__).with_name("migrations")


def are_set_up(folders: Sequence[Path], settings: Settings) -> bool:
    """Whether all these stores hold what `provision` would make for the settings."""
    state = _state_of(settings)
    return bool(folders) and all(_read(folder) == state for folder in folders)


def mark_set_up(folders: Sequence[Path], settings: Settings) -> None:
    """To be called when `provision` has succeeded."""
    state = _state_of(settings)
    for folder in folders:
        write_private(folder / MARK, state)


def _read(folder: Path) -> str:
    try:
        return (folder / MARK).read_text()
    except OSError:
        return ""


def _state_of(settings: Settings) -> str:
    """Hash of everything that decides what a store is set up with."""
    values = (TOPICS, MAX_RECORD_BYTES, settings.partitions, settings.s3_bucket)
    state = hashlib.sha256(repr(values).encode())
    for file in sorted(_MIGRATIONS.rglob("*.sql")):
        state.update(file.name.encode())
        state.update(file.read_bytes())
    return state.hexdigest()
