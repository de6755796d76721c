"""Delivering any spool directory: of offline runs, of other machines, of a copied disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from .config import resolve
from .drain.office import Office
from .drain.producers import producers_in
from .drain.targets import Target
from .errors import TrackerError
from .http import ApiClient

PAUSE = 0.05
LIVE_PAUSE = 1.0
"""Seconds without news from runs that are still being written, after which they are left alone."""
STALLED_AFTER = 60.0
_KEY_REFUSED = "the server answered 401"


@dataclass
class SyncProgress:
    """How far a sync has come.

    producers  still open; records  delivered so far; waiting  sealed, not acknowledged yet
    problems   what stands in the way now
    """

    producers: int = 0
    records: int = 0
    waiting: int = 0
    runs: set[UUID] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


def sync(
    directory: str | Path | None = None,
    url: str | None = None,
    api_key: str | None = None,
    *,
    watch: bool = False,
    workspace: str | None = None,
    progress: Callable[[SyncProgress], None] = lambda state: None,
    timeout: float | None = None,
) -> SyncProgress:
    """Delivers a spool directory to a server and clears it; returns when all is delivered.

    directory  a spool; by default this user's
    watch      goes on, for runs that are still being written, until interrupted
    workspace  that the spool's experiments may go to when its runs were logged for another one
    timeout    seconds without any progress after which it gives up (60), so that a script ends

    Raises TrackerError when no server is known, the key is refused, nothing moves any more, or the
    runs were logged for another workspace than the key's and `workspace` does not name that.
    """
    config = resolve(url, api_key)
    spool = Path(directory).expanduser().absolute() if directory else config.spool
    if not spool.is_dir():
        raise TrackerError(
            f"there is no spool at {spool}", "give the directory that SPEECH_TRACKER_SPOOL_DIR named"
        )
    if config.url is None:
        raise TrackerError("no server is known", "give --url, or set SPEECH_TRACKER_URL")
    check_workspace(spool, ApiClient(config.url, config.api_key), workspace)
    office = Office(spool, Target(config.url, config.api_key, config.kafka))
    try:
        return _deliver(office, watch, progress, STALLED_AFTER if timeout is None else timeout)
    finally:
        office.close()


def _deliver(
    office: Office, watch: bool, progress: Callable[[SyncProgress], None], timeout: float
) -> SyncProgress:
    moved = time.monotonic()
    last: tuple[int, int, int] | None = None
    state = SyncProgress()
    while True:
        is_open = office.visit()
        state.producers, state.records, state.waiting = len(office.producers), office.sent(), office.waiting()
        state.problems = office.problems()
        state.runs |= {producer.run for producer in office.producers.values() if producer.run}
        progress(state)
        mark = (state.producers, state.records, state.waiting)
        if mark != last:
            last, moved = mark, time.monotonic()
        if not watch:
            caught_up = office.only_live() and time.monotonic() - moved > LIVE_PAUSE
            if not office.elsewhere and not state.waiting and (not is_open or caught_up):
                return state  # what is still being written needs watch
            _check_progress(state, time.monotonic() - moved, timeout)
        time.sleep(PAUSE)


def _check_progress(state: SyncProgress, idle: float, timeout: float) -> None:
    refused = next((problem for problem in state.problems if _KEY_REFUSED in problem), None)
    if refused:
        raise TrackerError(refused, "give a key with the role editor: --api-key", status=401)
    if idle > timeout:
        reason = "; ".join(state.problems) or "no reason is known"
        raise TrackerError(
            f"nothing was delivered for {idle:.0f} s: {reason}", "what is left stays in the spool"
        )


def check_workspace(spool: Path, api: ApiClient, workspace: str | None) -> None:
    """Asks before runs of one workspace go to another.

    Experiment ids are made of the workspace's name: runs logged offline, for `default`, land in another
    workspace under the same ids, which must be meant. Raises TrackerError unless it is.
    """
    logged = workspaces_of(spool)
    keys = _workspace_of_key(api)
    foreign = sorted(logged - {keys}) if keys else []
    if foreign and workspace != keys:
        raise TrackerError(
            f"the spool's runs were logged for the workspace {', '.join(foreign)}, the key belongs to {keys}",
            f"if they shall go there: --workspace {keys}",
        )


def workspaces_of(spool: Path) -> set[str]:
    """The workspaces that the spool's producers were made for."""
    return {producer.meta.workspace for producer in producers_in(spool)}


def _workspace_of_key(api: ApiClient) -> str | None:
    """The workspace that a key opens, where the server tells it."""
    try:
        told = api.get("/api/v1/me")
    except TrackerError as error:
        if error.status in (404, 405):
            return None
        raise
    return str(told["workspace"]) if isinstance(told, dict) and "workspace" in told else None
