"""The client: the way to experiments, runs and queries."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .config import OnError, OnFull, resolve
from .drain.process import ensure
from .errors import TrackerError
from .guard import Problems, say

if TYPE_CHECKING:
    from uuid import UUID

    from .experiment import Experiment
    from .http import ApiClient
    from .queries import Frame, RunRecord
    from .run import Run
    from .session import Session
    from .spool.producers import Producer

LONGEST_WAIT = 20.0
"""Seconds of one request that waits; longer waits are several."""


class Client:
    """Logs to a server, or offline to a spool that is delivered later.

    api_url, api_key  of the server; else SPEECH_TRACKER_URL and SPEECH_TRACKER_API_KEY, else the config
                      file (a server on this machine writes it), else offline
    mode              online, offline or disabled; else SPEECH_TRACKER_MODE
    spool_dir         of the durable spool; else SPEECH_TRACKER_SPOOL_DIR
    workspace         that experiment names belong to; else the config file's, else `default`
    on_full           when spool or disk is full: drop_metrics (counted and named), block, or raise
    on_error          count (nothing raises into the training loop) or raise
    quota             bytes that the spool may take
    kafka             settings of the direct Kafka transport (bootstrap, username, password, …)
    """

    def __init__(
        self,
        api_url: str | None = None,
        api_key: str | None = None,
        *,
        mode: str | None = None,
        spool_dir: str | os.PathLike[str] | None = None,
        workspace: str | None = None,
        on_full: OnFull = "drop_metrics",
        on_error: OnError = "count",
        quota: int | None = None,
        kafka: dict[str, Any] | None = None,
    ) -> None:
        self.config = resolve(
            api_url, api_key, mode=mode, spool_dir=spool_dir, workspace=workspace, quota=quota, kafka=kafka
        )
        self.on_error: OnError = on_error
        self._on_full: OnFull = on_full
        self._problems = Problems(on_error)
        self._process: Producer | None = None
        self._lock = threading.RLock()
        if self.config.mode == "offline":
            _say_offline(str(self.config.spool))

    def create_experiment(
        self,
        name: str,
        task: str | None = None,
        description: str | None = None,
        tags: Mapping[str, Any] | None = None,
        new: bool = False,
    ) -> Experiment:
        """The experiment of that name, made if it is not there yet.

        task  asr, tts, diarization, keyword_spotting, …
        new   always a fresh one, even if the name is taken
        """
        self._wake_drain()
        from .starting import create_experiment

        return create_experiment(self, name, task, description, tags, new)

    def start_run(
        self,
        name: str | None = None,
        tags: Mapping[str, Any] | None = None,
        config: Any = None,
        notes: str | None = None,
        resume: str | UUID | None = None,
        id: UUID | str | None = None,  # noqa: A002 - the word that users expect
        *,
        experiment: Experiment | None = None,
        capture_output: bool | None = None,
    ) -> Run:
        """Starts a run; without an experiment in the experiment `default`.

        name            shown in lists; made up from the date if left out
        config          as for log_config
        resume          an id goes on with that run; "auto" with an unfinished one of this name
        id              shared by the ranks of a distributed run: a UUID, or any text such as a job's name;
                        else SPEECH_TRACKER_RUN_ID
        capture_output  log stdout and stderr too; by default in scripts, not in notebooks
        """
        self._wake_drain()
        if resume is not None:
            from .resume import find

            earlier = find(self, resume, name, experiment)
            if earlier is not None:
                return self.resume_run(earlier, tags=tags, config=config, capture_output=capture_output)
        from .starting import start_run

        return start_run(self, name, tags, config, notes, id, experiment, capture_output)

    def resume_run(
        self,
        run: UUID | str,
        *,
        from_step: int | None = None,
        tags: Mapping[str, Any] | None = None,
        config: Any = None,
        capture_output: bool | None = None,
    ) -> Run:
        """Goes on with a run as its next attempt.

        The run then has last_step and config of the attempts before; newest_checkpoint() finds the file
        to load. from_step: earlier attempts count up to this step; by default the newest checkpoint's.
        """
        from .resume import resumed
        from .starting import begin

        found = begin(self, resumed(self, run, from_step), config, capture_output)
        if tags:
            found.set_tags(tags)
        return found

    @functools.cached_property
    def session(self) -> Session:
        """What makes producers in this process."""
        from .session import Session

        return Session(self.config, self._on_full)

    def _wake_drain(self) -> None:
        """Starts the drain before this process has loaded the rest, so that both load at once."""
        if self.config.mode == "disabled":
            return
        with contextlib.suppress(OSError):
            self.config.spool.mkdir(parents=True, mode=0o700, exist_ok=True)
            ensure(self.config.spool)

    def wait_queryable(self, positions: list[str], timeout: float) -> bool:
        """Whether queries show what was written at these positions (topic:partition:offset), in time."""
        if not positions:
            return True
        api, end = self.api(), time.monotonic() + timeout
        while True:
            left = max(0.0, end - time.monotonic())
            try:
                api.get(
                    "/api/v1/wait", {"positions": ",".join(positions), "timeout": min(left, LONGEST_WAIT)}
                )
            except TrackerError as error:
                if error.status != 408:
                    raise
                if left <= LONGEST_WAIT:
                    return False
            else:
                return True

    # Queries.

    def api(self) -> ApiClient:
        """A connection to the server; raises TrackerError when none is known."""
        if self.config.url is None:
            raise TrackerError(
                "no server is known", "set SPEECH_TRACKER_URL, or start one: speech-tracker up"
            )
        from .http import ApiClient

        return ApiClient(self.config.url, self.config.api_key)

    def search_runs(
        self,
        filter: str | None = None,  # noqa: A002 - the word of the API
        order_by: str | None = None,
        limit: int | None = 50,
        as_of: str | None = None,
    ) -> Frame[RunRecord]:
        """Runs by the filter language, for example "task = 'asr' and params.encoder_layers >= 12".

        order_by  for example "metrics.val_wer" or "created_at desc"
        limit     None: all of them
        """
        from .queries import search_runs

        return search_runs(self.api(), filter, order_by, limit, as_of)

    def get_run(self, run: Run | UUID | str, as_of: str | None = None) -> RunRecord:
        """All that the server knows of a run; raises TrackerError (status 404) for an unknown one."""
        from .queries import get_run

        identity = run if isinstance(run, str) else getattr(run, "id", run)
        return get_run(self.api(), str(identity), as_of)


_said: set[str] = set()


def _say_offline(spool: str) -> None:
    if "offline" not in _said:
        _said.add("offline")
        say(f"offline: runs are kept in {spool}; deliver them with `speech-tracker sync`")
