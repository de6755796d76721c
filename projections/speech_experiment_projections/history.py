"""A run as of an offset, from what the tables keep: its versions, its heartbeats, its output."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from . import runs
from .contacts import Beat, last_before
from .runs import Run


class Kept(NamedTuple):
    """What the tables hold of a run before an offset, the newest of each kind.

    state         of the version that was current then
    config        the newest config, None if there was none; None too when it is not wanted
    environment   likewise
    problems      of the contact that had begun, with its packed beats
    output        offset and time of the latest output
    """

    state: bytes
    config: bytes | None = None
    environment: bytes | None = None
    problems: dict[str, int] | None = None
    beats: bytes = b""
    output: Beat | None = None


def recall(kept: Kept, before: int) -> Run:
    """The run as the fold of all events before an offset."""
    run = runs.load(kept.state)
    changes: dict[str, object] = {
        "config": runs.load_tree(kept.config),
        "environment": runs.load_tree(kept.environment),
    }
    beat = last_before(kept.beats, before)
    if beat is not None and beat.offset > run.last_offset:
        changes["heartbeat_at"] = beat.time
        changes["problems"] = runs.worst(run.problems, kept.problems or {})
    latest = max((sign for sign in (beat, kept.output) if sign is not None), default=None)
    if latest is not None and latest.offset > run.last_offset:
        changes |= {"last_offset": latest.offset, "updated_at": latest.time}
    return msgspec.structs.replace(run, **changes)
