"""The next attempt of a run for a process that is yet to be started, as a supervisor does it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from .checkpoints import Files, newest
from .errors import TrackerError
from .guard import say
from .launches import Decision, attempts_noted, claim
from .past import TIMEOUT, Past, past_of
from .resume import finished, unknown

if TYPE_CHECKING:
    from .client import Client


class Prepared(NamedTuple):
    """What the next attempt needs to know; checkpoint: the local path of the newest one."""

    decision: Decision
    past: Past
    checkpoint: Path | None


def begin(client: Client, run: UUID) -> Prepared:
    """The first attempt of a run that was just thought of."""
    with claim(client.config.spool, run) as take:
        return Prepared(Decision(run, take(0)), Past("spool"), None)


def prepare(client: Client, run: UUID, *, known: bool, reopen: bool, timeout: float = TIMEOUT) -> Prepared:
    """Takes the next attempt of a run for a process that is yet to be started.

    known   one that nobody has heard of is an error; else its first attempt is taken
    reopen  it may be finished
    """
    with claim(client.config.spool, run) as take:
        past = past_of(client, run, timeout)
        if known and not past.attempts and not attempts_noted(client.config.spool, run):
            raise unknown(client, run)
        if past.status == "finished" and not reopen:
            raise finished(run)
        files = newest(past.checkpoints, past.cuts)
        decision = Decision(run, take(past.attempts), files[-1].step if files else None)
    return Prepared(decision, past, _fetched(client, files) if decision.attempt > 1 else None)


def _fetched(client: Client, files: Files) -> Path | None:
    from .fetch import fetch

    try:
        return fetch(client.api() if client.config.url else None, files) if files else None
    except TrackerError as error:
        say(f"the newest checkpoint cannot be had: {error}")
        return None
