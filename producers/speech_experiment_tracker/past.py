"""What is known of a run's attempts so far: by the server once it has settled, by this machine's spool otherwise."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .checkpoints import Checkpoint, Cuts, from_row
from .errors import TrackerError
from .launches import attempts_noted
from .remains import Remains, remains_of
from .run import merge
from .settling import is_deleted, settle

if TYPE_CHECKING:
    from .client import Client
    from .queries import RunRecord

TIMEOUT = 30.0
"""Seconds that a server has to show what this machine has logged."""
_RETRY = 0.5


class Past:
    """What is known of a run's attempts so far.

    attempts  0: the run is known to nobody
    status    as the server shows it, or as the run's own words in the spool say
    source    server, spool (the server is away, or there is none), or both (it does not have all yet)
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.name = ""
        self.experiment: UUID | None = None
        self.experiment_name = ""
        self.status = ""
        self.attempts = 0
        self.config: dict[str, Any] = {}
        self.last_steps: dict[str, int] = {}
        self.checkpoints: list[Checkpoint] = []
        self.cuts = Cuts()

    @property
    def last_step(self) -> int | None:
        return max(self.last_steps.values(), default=None)


def past_of(client: Client, run: UUID, timeout: float = TIMEOUT, *, told: bool = False) -> Past:
    """By the server once it has settled, completed by the spool where it has not; by the spool without one.

    told  that the run goes on is decided, so that nothing waits for a server that is away

    Raises TrackerError for a run that is deleted, or that the key may not see.
    """
    if client.config.mode != "online" or client.config.url is None:
        return _overlaid(Past("spool"), remains_of(client.config.spool, run))
    end = time.monotonic() + timeout
    while True:
        try:
            return _by_server(client, run, max(0.0, end - time.monotonic()))
        except TrackerError as error:
            if error.status is not None and error.status < 500 and error.status != 404:
                raise
            if error.status == 404 and is_deleted(client, run):
                raise TrackerError(f"run {run} was deleted", "restore it first", status=404) from error
            source = "spool" if error.status is None else "both"
            past = _overlaid(Past(source), remains_of(client.config.spool, run))
            # Of a run that nobody here knows, only the server can tell whether there was one.
            known = told or past.attempts or attempts_noted(client.config.spool, run)
            if known or error.status is not None or time.monotonic() > end:
                return past
        time.sleep(_RETRY)


def _by_server(client: Client, run: UUID, timeout: float) -> Past:
    api = client.api()
    api.get("/api/v1/me")  # whether it is there at all, before anything is waited for
    settled = settle(client, run, timeout)
    # The spool first: what is delivered meanwhile leaves it, and is seen in both rather than in neither.
    remains = None if settled else remains_of(client.config.spool, run)
    known = client.get_run(run)
    past = Past("server" if settled else "both")
    past.name, past.status = known["name"], known["status"]
    past.experiment_name = known.get("experiment") or ""
    past.experiment = UUID(known["experiment_id"]) if known.get("experiment_id") else None
    past.attempts = _attempts(known)
    past.config = known.get("config") or {}
    past.cuts = Cuts((each["attempt"], each["from_step"]) for each in known.get("resumes") or ())
    past.last_steps = _last_steps(api.get(f"/api/v1/runs/{run}/metrics")["metrics"])
    past.checkpoints = _checkpoints(api.get(f"/api/v1/runs/{run}/artifacts", {"versions": True})["artifacts"])
    return _overlaid(past, remains) if remains else past


def _overlaid(past: Past, remains: Remains) -> Past:
    """With what the spool holds beyond it."""
    if not remains.attempts:
        return past
    past.name = past.name or remains.name or ""
    past.experiment = past.experiment or remains.experiment
    past.experiment_name = past.experiment_name or remains.experiment_name or ""
    if remains.attempts >= past.attempts:
        past.status = remains.ended or past.status
    past.attempts = max(past.attempts, remains.attempts)
    merge(past.config, remains.config)
    for key, step in remains.last_steps.items():
        past.last_steps[key] = max(step, past.last_steps.get(key, step))
    known = {each.id for each in past.checkpoints}
    past.checkpoints += [each for each in remains.checkpoints if each.id not in known]
    past.cuts = Cuts([*past.cuts.resumes, *remains.cuts.resumes])
    return past


def _attempts(known: RunRecord) -> int:
    attempts = known.get("attempts")
    return len(attempts) if isinstance(attempts, list) else int(attempts or 1)


def _last_steps(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Of every metric that has steps, over all ranks."""
    found: dict[str, int] = {}
    for row in rows:
        step = row.get("last_step")
        if step is not None:
            found[row["key"]] = max(step, found.get(row["key"], step))
    return found


def _checkpoints(rows: list[Mapping[str, Any]]) -> list[Checkpoint]:
    """In the order in which they were logged."""
    return [from_row(dict(row)) for row in sorted(rows, key=_logged) if row.get("type") == "checkpoint"]


def _logged(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Those that came in together have one time, and ids of the same millisecond are in no order: steps are."""
    step = row.get("step")
    return row["created_at"], row.get("attempt") or 1, -1 if step is None else step, row["id"]
