"""A run: what a training or evaluation script logs to."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from speech_experiment_schemas.runs import (
    RunConfigured,
    RunFailed,
    RunFinished,
    RunLink,
    RunLinked,
    RunNoted,
    RunRenamed,
    RunTagged,
)

from .errors import TrackerError
from .guard import Problems, guarded
from .spool.producers import Producer
from .values import microseconds, number, split_points, whole

if TYPE_CHECKING:
    from .client import Client
    from .experiment import Experiment

FINISH_TIMEOUT = 30.0
_MAX_CALL_KEYS = 2_000


class Run:
    """One run. Every method is safe in threads and forked children, and returns without waiting.

    A call that returned survives `kill -9` of the process; the drain, a process of its own, delivers
    it. Nothing raises into the training loop unless the client was made with on_error="raise".

    id          UUID of the run
    name        as given to start_run
    experiment  the experiment it belongs to
    attempt     1, or more for a resumed run
    last_step   of the attempts before, where it is known
    """

    def __init__(
        self,
        client: Client,
        run_id: UUID,
        *,
        name: str,
        experiment: Experiment | None = None,
        attempt: int = 1,
        last_step: int | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.id = run_id
        self.name = name
        self.experiment = experiment
        self.attempt = attempt
        self.last_step = last_step
        self.config: dict[str, Any] = dict(config or {})
        self._client = client
        self._problems = Problems(client.on_error)
        self._producer: Producer | None = None
        self._lock = threading.RLock()
        self._state: Literal["running", "finished"] = "running"
        self._log: Any = self._not_open
        self._pid = os.getpid()
        self._exit_reason: BaseException | None = None
        self._before_end: list[Any] = []

    # What is logged.

    def log_metrics(
        self,
        metrics: Mapping[str, Any],
        step: Any = None,
        *,
        epoch: Any = None,
        timestamp: Any = None,
    ) -> None:
        """Logs numbers by name.

        metrics    {name: number}; numbers may be numpy or torch scalars; NaN and ±Inf are kept
        step       any integer, in any order; without one the points have no step
        epoch      may be fractional
        timestamp  seconds since 1970 or a datetime; now if left out
        """
        if timestamp is None:
            try:
                self._log(metrics, step, epoch)
            except Exception:  # noqa: BLE001, S110 - the slow way finds out what is wrong
                pass
            else:
                return
        self._log_slowly(metrics, step, epoch, timestamp)

    def log_metric(
        self, key: str, value: Any, step: Any = None, *, epoch: Any = None, timestamp: Any = None
    ) -> None:
        """Logs one number; see log_metrics. Names such as `test-clean_wer` fill the test-set tables."""
        self.log_metrics({key: value}, step, epoch=epoch, timestamp=timestamp)

    @guarded
    def _log_slowly(self, metrics: Mapping[str, Any], step: Any, epoch: Any, timestamp: Any) -> None:
        if not self._is_open("log_metrics"):
            return
        now = time.time_ns() // 1000 if timestamp is None else microseconds(timestamp)
        points, errors = split_points(metrics)
        place = whole("step", step)
        fraction = None if epoch is None else number("epoch", epoch)
        keys = list(points)
        for start in range(0, len(keys), _MAX_CALL_KEYS):
            part = tuple(keys[start : start + _MAX_CALL_KEYS])
            self._open().metrics.log_checked(part, [points[key] for key in part], place, fraction, now)
        for error in errors:
            self._problems.swallow(error, "invalid_value")

    @guarded
    def log_config(self, config: Any = None, /, **values: Any) -> None:
        """Merges a nested config into the run's: dicts merge key by key, everything else replaces.

        Takes dicts, vars(args), argparse.Namespace, dataclasses, OmegaConf, pydantic and attrs objects.
        """
        if not self._is_open("log_config"):
            return
        from .tree import plain

        tree = plain(config if config is not None else {}, self._note_unsupported)
        tree.update(plain(values, self._note_unsupported))
        self._open().emit(RunConfigured(config=tree))
        merge(self.config, tree)

    def _note_unsupported(self, path: str, value: Any) -> None:
        self._problems.note("invalid_value", f"config {path!r} is a {type(value).__name__}: its repr is kept")

    @guarded
    def set_tags(self, tags: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Sets tags, which are text; a tag given as None is removed."""
        if not self._is_open("set_tags"):
            return
        given = {**(tags or {}), **more}
        removed = [str(name) for name, value in given.items() if value is None]
        kept = {str(name): str(value) for name, value in given.items() if value is not None}
        self._open().emit(RunTagged(tags=kept, removed=removed))

    def log_tags(self, tags: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """The same as set_tags."""
        self.set_tags(tags, **more)

    @guarded
    def log_notes(self, notes: str) -> None:
        """Replaces the run's notes (Markdown)."""
        if self._is_open("log_notes"):
            self._open().emit(RunNoted(notes=str(notes)))

    @guarded
    def rename(self, name: str) -> None:
        """Gives the run another name."""
        if self._is_open("rename"):
            self._open().emit(RunRenamed(name=name))
            self.name = name

    @guarded
    def link(self, target: Run | UUID | str, kind: RunLink = "related_to", *, removed: bool = False) -> None:
        """Links this run to another: child_of, fine_tuned_from, evaluates, …; removed takes a link back."""
        if self._is_open("link"):
            other = target.id if isinstance(target, Run) else UUID(str(target))
            self._open().emit(RunLinked(kind=kind, target=other, removed=removed))

    # The producer behind it.

    def _open(self) -> Producer:
        """This process's producer; in a forked child a new one, made at its first call."""
        producer = self._producer
        if producer is not None and not producer.forked:
            return producer
        with self._lock:
            if self._producer is None or self._producer.forked:
                self._attach(child=self._producer is not None)
            assert self._producer is not None  # noqa: S101 - attached above
            return self._producer

    def _attach(self, *, child: bool) -> None:
        session = self._client.session
        producer = session.open(
            self.id, attempt=self.attempt, from_step=self.last_step if not child else None, child=child
        )
        self._producer = producer
        self._problems.count = producer.page.count
        self._log = producer.metrics.log
        if child:
            from .ending import end_with_process

            self._pid = os.getpid()
            self._before_end.clear()
            end_with_process(self)
            self._start_drain()

    def _start_drain(self) -> None:
        if self._client.config.mode != "disabled":
            try:
                self._client.session.start_drain()
            except OSError as error:
                self._problems.note("no_drain", f"the drain cannot be started: {error}")

    def _not_open(self, *arguments: Any) -> None:
        raise KeyError

    def _is_open(self, method: str) -> bool:
        if self._client.config.mode == "disabled":
            return False
        if self._state == "finished":
            raise TrackerError(
                f"{method} was called after finish()", "client.resume_run(run.id) goes on with a run"
            )
        return True

    # Its end.

    def finish(self, timeout: float = FINISH_TIMEOUT) -> bool:
        """Ends the run as completed and waits until everything is delivered, at most `timeout` seconds.

        Whether all was delivered in time; the rest is delivered in the background. Offline runs do
        not wait.
        """
        return self._end(None, timeout)

    def fail(self, error: BaseException | str = "failed", timeout: float = FINISH_TIMEOUT) -> bool:
        """Ends the run as failed, with the error's traceback; waits as finish does."""
        return self._end(error, timeout)

    def _end(
        self,
        error: BaseException | str | None,
        timeout: float,
        status: Literal["failed", "cancelled"] = "failed",
    ) -> bool:
        delivered = False
        try:
            with self._lock:
                if self._state == "finished" or self._client.config.mode == "disabled":
                    self._state = "finished"
                    return True
                if self._producer is None or self._producer.forked:
                    return True
                delivered = self._close(error, timeout, status)
        except Exception as problem:  # noqa: BLE001
            self._problems.swallow(problem)
        return delivered

    def _close(
        self, error: BaseException | str | None, timeout: float, status: Literal["failed", "cancelled"]
    ) -> bool:
        from .ending import forget, traceback_of

        producer = self._open()
        for action in self._before_end:
            action()
        if not self._is_child and not self._client.session.ranks.rank:
            if error is None:
                producer.emit(RunFinished())
            else:
                line, text = traceback_of(error)
                producer.emit(RunFailed(error=line, traceback=text, status=status))
        self._log = self._not_open
        self._state = "finished"
        producer.close("finished" if error is None else "failed")
        forget(self)
        delivered = self._wait(timeout)
        producer.release()
        return delivered

    @property
    def _is_child(self) -> bool:
        return self._producer is not None and bool(self._producer.meta.get("child"))

    def flush(
        self,
        wait: Literal["disk", "acknowledged", "queryable"] = "acknowledged",
        timeout: float = FINISH_TIMEOUT,
    ) -> bool:
        """Waits until what was logged so far is on the disk, in the log, or shown by queries.

        Whether that was so within `timeout` seconds.
        """
        try:
            return self._flush(wait, timeout)
        except Exception as error:  # noqa: BLE001
            self._problems.swallow(error)
            return False

    def _flush(self, wait: str, timeout: float) -> bool:
        from .spool.keeper import keeper

        if self._client.config.mode == "disabled" or self._producer is None:
            return True
        keeper.flush()
        if wait == "disk":
            return True
        start = time.monotonic()
        if not self._wait(timeout):
            return False
        if wait == "acknowledged":
            return True
        from .acknowledgement import positions_of

        positions = self._final_positions or positions_of(self._producer.folder, list(self._producer.streams))
        return self._client.wait_queryable(positions, timeout - (time.monotonic() - start))

    _final_positions: list[str] | None = None

    def _wait(self, timeout: float) -> bool:
        """Whether all that was logged is acknowledged in time; offline there is nothing to wait for."""
        producer = self._producer
        if producer is None or self._final_positions is not None:
            return True
        self._start_drain()
        if self._client.config.mode != "online" or timeout <= 0:
            return False
        from .acknowledgement import positions_of, wait_acknowledged

        wanted = {name: stream.seq + stream.pending for name, stream in producer.streams.items()}
        delivered = wait_acknowledged(producer.spool, producer.folder, wanted, timeout, self._start_drain)
        if delivered and self._state == "finished":
            self._final_positions = positions_of(producer.folder, list(producer.streams))
        return delivered

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None or (isinstance(error, SystemExit) and not error.code):
            self.finish()
        else:
            interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
            self._end(error, FINISH_TIMEOUT, "cancelled" if interrupted else "failed")

    def __repr__(self) -> str:
        return f"<Run {self.name!r} {self.id}>"


def merge(into: dict[str, Any], tree: Mapping[str, Any]) -> None:
    """Merges as the run's config does: dicts key by key, everything else replaces."""
    for key, value in tree.items():
        known = into.get(key)
        if isinstance(known, dict) and isinstance(value, Mapping):
            merge(known, value)
        else:
            into[key] = value
