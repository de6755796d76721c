"""The client: the way to experiments, runs and queries."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from speech_experiment_schemas.experiments import ExperimentCreated
from speech_experiment_schemas.ids import birth_name, experiment_id, uuid7
from speech_experiment_schemas.runs import RunStarted

from .config import OnError, resolve
from .errors import TrackerError
from .experiment import Experiment
from .guard import Problems, quietly, say
from .run import Run
from .session import ID_VARIABLE, Session, shared_run_id
from .spool.keeper import keeper
from .spool.producers import Producer
from .spool.streams import OnFull

if TYPE_CHECKING:
    from .http import ApiClient
    from .queries import Frame, RunRecord

DEFAULT_EXPERIMENT = "default"
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
        self.session = Session(self.config, on_full)
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
        identity = uuid7() if new else experiment_id(self.config.workspace, name)
        experiment = Experiment(self, identity, name)
        values = {str(key): str(value) for key, value in (tags or {}).items()}
        try:
            created = ExperimentCreated(
                name=birth_name(name), task=task, description=description, tags=values
            )
            self._emit(created, identity)
        except Exception as error:  # noqa: BLE001
            self._problems.swallow(error)
        return experiment

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
        id              shared by the ranks of a distributed run; else SPEECH_TRACKER_RUN_ID
        capture_output  log stdout and stderr too; by default in scripts, not in notebooks
        """
        if resume is not None:
            from .resume import find

            earlier = find(self, resume, name, experiment)
            if earlier is not None:
                return self.resume_run(earlier, tags=tags, config=config, capture_output=capture_output)
        experiment = experiment or Experiment(
            self, experiment_id(self.config.workspace, DEFAULT_EXPERIMENT), DEFAULT_EXPERIMENT
        )
        run_id = UUID(str(id or os.environ.get(ID_VARIABLE) or shared_run_id() or uuid7()))
        run = Run(self, run_id, name=name or _made_up_name(run_id), experiment=experiment)
        return self._begin(run, tags, config, notes, capture_output)

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

        found = resumed(self, UUID(str(run)), from_step)
        return self._begin(found, tags, config, None, capture_output)

    def _begin(
        self, run: Run, tags: Mapping[str, Any] | None, config: Any, notes: str | None, capture: bool | None
    ) -> Run:
        if self.config.mode == "disabled":
            return run
        try:
            if not self.session.ranks.rank and run.attempt == 1:
                run._announced = started(run, tags, notes)
            run._open()
            from .output import is_interactive

            if capture or (capture is None and not is_interactive()):
                run._capture_output()
        except Exception as error:  # noqa: BLE001 - training goes on without a tracker
            self._problems.swallow(error)
        if run.attempt > 1 and tags:
            run.set_tags(tags)
        if config is not None:
            run.log_config(config)
        return run

    # The process's own producer, for what is about no run.

    def _emit(self, payload: msgspec.Struct, experiment: UUID) -> None:
        if self.config.mode == "disabled":
            return
        with self._lock:
            if self._process is None or self._process.forked:
                self._process = self.session.open(None)
                self._process.subject = ("experiment", experiment)
                _close_at_exit(self._process)
            self._process.emit(payload, ("experiment", experiment))
        self.session.start_drain()

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
    ) -> Frame:
        """Runs by the filter language, for example "task = 'asr' and params.encoder_layers >= 12".

        order_by  for example "metrics.val_wer" or "created_at desc"
        limit     None: all of them
        """
        from .queries import search_runs

        return search_runs(self.api(), filter, order_by, limit, as_of)

    def get_run(self, run: Run | UUID | str, as_of: str | None = None) -> RunRecord:
        """All that the server knows of a run; raises TrackerError (status 404) for an unknown one."""
        from .queries import get_run

        return get_run(self.api(), run.id if isinstance(run, Run) else run, as_of)


def started(run: Run, tags: Mapping[str, Any] | None, notes: str | None) -> RunStarted:
    """The event that begins a run."""
    assert run.experiment is not None  # noqa: S101 - set by start_run
    return RunStarted(
        experiment=run.experiment.id,
        experiment_name=run.experiment.name,
        name=run.name,
        tags={str(key): str(value) for key, value in (tags or {}).items()},
        notes=notes,
        user=_user(),
    )


def _made_up_name(run_id: UUID) -> str:
    return time.strftime("run-%Y%m%d-%H%M%S-") + run_id.hex[-4:]


def _user() -> str | None:
    found = os.environ.get("USER") or os.environ.get("LOGNAME")
    if found:
        return found
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return None


_said: set[str] = set()


def _say_offline(spool: str) -> None:
    if "offline" not in _said:
        _said.add("offline")
        say(f"offline: runs are kept in {spool}; deliver them with `speech-tracker sync`")


def _close_at_exit(producer: Producer) -> None:
    import atexit

    def close() -> None:
        producer.close("exit")
        keeper.dismiss(producer)
        keeper.flush()

    atexit.register(lambda: quietly(close))
