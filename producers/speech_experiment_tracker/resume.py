"""Going on with a run: which one, from which step, as which attempt."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from .errors import TrackerError
from .experiment import Experiment
from .run import Run
from .session import ID_VARIABLE, run_id_of

if TYPE_CHECKING:
    from .client import Client
    from .queries import RunRecord

_ENDED = ("finished",)


def find(client: Client, resume: str | UUID, name: str | None, experiment: Experiment | None) -> UUID | None:
    """The run that resume= means; None when "auto" finds none that is unfinished.

    "auto" looks at SPEECH_TRACKER_RUN_ID, then for the newest unfinished run of that name and experiment.
    """
    if str(resume) != "auto":
        return run_id_of(resume)
    given = os.environ.get(ID_VARIABLE)
    try:
        if given:
            known = client.get_run(run_id_of(given))
            return known.id if _is_unfinished(known) else None
        return _newest(client, name, experiment) if name else None
    except TrackerError as error:
        if error.status != 404 and client.config.mode == "online":
            client._problems.note("internal", f"resume='auto' starts a new run: {error}")
        return None


def _is_unfinished(run: dict[str, Any]) -> bool:
    return run.get("status") not in _ENDED


def _newest(client: Client, name: str, experiment: Experiment | None) -> UUID | None:
    quoted = name.replace("'", "''")
    runs = client.search_runs(f"name = '{quoted}'", order_by="created_at desc", limit=20)
    for run in runs:
        same = experiment is None or run.get("experiment_id") == str(experiment.id)
        if same and _is_unfinished(run):
            return run.id
    return None


def resumed(client: Client, run: UUID | str, from_step: int | None) -> Run:
    """The next attempt of a run, with what is known of the attempts before.

    Raises TrackerError when a run is not known to the server, or no server to the client.
    """
    run_id = run_id_of(run)
    known = client.get_run(run_id)
    checkpoint = known.newest_checkpoint()
    if from_step is None and checkpoint is not None:
        from_step = checkpoint.get("step")
    name, experiment_id = known.get("experiment") or "", known.get("experiment_id")
    again = Run(
        client,
        run_id,
        name=known["name"],
        experiment=Experiment(client, UUID(experiment_id), name) if experiment_id else None,
        attempt=_attempts(known) + 1,
        from_step=from_step,
    )
    again.last_step = from_step if from_step is not None else _last_step(known)
    again.config = known.get("config") or {}
    return again


def _attempts(known: RunRecord) -> int:
    attempts = known.get("attempts")
    return len(attempts) if isinstance(attempts, list) else int(attempts or 1)


def _last_step(known: RunRecord) -> int | None:
    """The largest last step of the run's metrics."""
    try:
        rows: list[dict[str, Any]] = known.api.get(f"/api/v1/runs/{known.id}/metrics")["metrics"]
    except (TrackerError, KeyError, msgspec.MsgspecError):
        return None
    steps = [row["last_step"] for row in rows if row.get("last_step") is not None]
    return max(steps, default=None)
