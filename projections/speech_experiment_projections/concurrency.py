"""Concurrent writers: processes that still log to a run after another one has taken over from them.

A process is overtaken when a trainer of a later attempt opens, or one of its own attempt and rank in
another process. What it logged before that and what only arrived later is nobody's fault: a call counts
as concurrent when it stands behind the take-over in the log, and its own clock says that it was made
after it, too. Points beyond the step of a resume are abandoned by the rule of `effective`, whoever wrote
them; forked children are no trainers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Process(NamedTuple):
    """A trainer of a run. opened: the broker's time of its opening, in microseconds."""

    attempt: int
    rank: int
    host: str
    pid: int
    opened: int


def overtakes(later: Process, earlier: Process) -> bool:
    """Whether a process takes over from another one."""
    if later.attempt != earlier.attempt:
        return later.attempt > earlier.attempt
    another = (later.host, later.pid) != (earlier.host, earlier.pid)
    return another and later.rank == earlier.rank and later.opened > earlier.opened


def writes_on(process: Process, logged: int | None, others: Iterable[Process]) -> bool:
    """Whether a process goes on after it was overtaken; logged: its clock at a call, in microseconds."""
    return logged is not None and any(logged > other.opened for other in others if overtakes(other, process))
