"""Beginning experiments and runs: the part of the client that needs the events and the spool."""

from __future__ import annotations

import atexit
import functools
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from speech_experiment_schemas.experiments import ExperimentCreated
from speech_experiment_schemas.ids import birth_name, experiment_id, uuid7
from speech_experiment_schemas.runs import RunStarted

from .experiment import Experiment
from .guard import quietly
from .launches import given_id, launch_of, run_id_of, shared_id
from .run import Run
from .spool.keeper import keeper
from .spool.producers import Producer, Subject

if TYPE_CHECKING:
    from .client import Client

DEFAULT_EXPERIMENT = "default"
_Values = Mapping[str, Any] | None


def create_experiment(
    client: Client, name: str, task: str | None, description: str | None, tags: _Values, new: bool
) -> Experiment:
    """See Client.create_experiment."""
    identity = uuid7() if new else experiment_id(client.config.workspace, name)
    try:
        created = ExperimentCreated(
            name=birth_name(name), task=task, description=description, tags=as_text(tags)
        )
        emit(client, created, ("experiment", identity))
    except Exception as error:  # noqa: BLE001 - training goes on without a tracker
        client._problems.swallow(error)
    return Experiment(client, identity, name)


def start_run(
    client: Client,
    name: str | None,
    tags: _Values,
    config: Any,
    notes: str | None,
    run_id: UUID | str | None,
    nth: int,
    experiment: Experiment | None,
    capture_output: bool | None,
) -> Run:
    """See Client.start_run; nth: of the runs that this process starts."""
    experiment = experiment or Experiment(
        client, experiment_id(client.config.workspace, DEFAULT_EXPERIMENT), DEFAULT_EXPERIMENT
    )
    identity = run_id_of(run_id) if run_id else given_id(nth) or shared_id(nth) or uuid7()
    run = Run(client, identity, name=name or _made_up_name(identity), experiment=experiment)
    run._launch = launch_of(nth)
    if not client.session.ranks.rank:
        run._announced = RunStarted(
            experiment=experiment.id,
            experiment_name=experiment.name,
            name=run.name,
            tags=as_text(tags),
            notes=notes,
            user=user_name(),
        )
    return begin(client, run, config, capture_output)


def begin(client: Client, run: Run, config: Any, capture_output: bool | None) -> Run:
    """Opens a run in this process."""
    if client.config.mode == "disabled":
        return run
    try:
        run._open()
        from .output import is_interactive

        if capture_output or (capture_output is None and not is_interactive()):
            run._capture_output()
    except Exception as error:  # noqa: BLE001 - training goes on without a tracker
        client._problems.swallow(error)
        run._problems.counts = client._problems.counts
    if config is not None:
        run.log_config(config)
    return run


def emit(client: Client, payload: msgspec.Struct, subject: Subject, *, stream: str = "runs") -> None:
    """Writes an event about no run, by the producer that each process has for such."""
    if client.config.mode == "disabled":
        return
    with client._lock:
        if client._process is None or client._process.forked:
            client._process = client.session.open(None)
            client._process.subject = subject
            _close_at_exit(client._process)
        client._process.emit(payload, subject, stream=stream)
    client.session.start_drain()


def _close_at_exit(producer: Producer) -> None:
    def close() -> None:
        producer.close("exit")
        keeper.dismiss(producer)
        keeper.flush()

    atexit.register(lambda: quietly(close))


def as_text(values: _Values) -> dict[str, str]:
    return {str(key): str(value) for key, value in (values or {}).items()}


def _made_up_name(run_id: UUID) -> str:
    return time.strftime("run-%Y%m%d-%H%M%S-") + run_id.hex[-4:]


def user_name() -> str | None:
    return os.environ.get("USER") or os.environ.get("LOGNAME") or _account()


@functools.cache
def _account() -> str | None:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return None
