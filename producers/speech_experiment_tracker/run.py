"""A run: what a training or evaluation script logs to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from speech_experiment_schemas.runs import RunConfigured, RunLink, RunLinked, RunNoted, RunRenamed, RunTagged

from .evaluations import EvaluationMethods
from .guard import guarded
from .measurements import MeasurementMethods
from .values import microseconds, number, split_points, whole

if TYPE_CHECKING:
    from .checkpoints import Files
    from .client import Client
    from .experiment import Experiment
    from .queries import Frame, Row
    from .seam import Seam

_MAX_CALL_KEYS = 2_000


class Run(MeasurementMethods, EvaluationMethods):
    """One run. Every method may be called by any thread and in forked children, and does not wait.

    A call that returned survives `kill -9` of the process; the drain, a process of its own, delivers
    it. Nothing raises into the training loop unless the client was made with on_error="raise".

    id          UUID of the run
    name        as given to start_run
    experiment  the experiment it belongs to
    attempt     1, or more for a resumed run
    last_step   that a resumed run goes on from: its newest checkpoint's, else the last one that was logged
    config      as logged so far, by the attempts before too
    """

    def __init__(
        self,
        client: Client,
        run_id: UUID,
        *,
        name: str,
        experiment: Experiment | None = None,
        attempt: int = 1,
        seam: Seam | None = None,
    ) -> None:
        super().__init__(client, run_id, attempt, seam)
        self.name = name
        self.experiment = experiment
        self.last_step: int | None = None
        self.config: dict[str, Any] = {}
        self._checkpoints: Files = []

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
        producer = self._open()
        if self._joins(producer):
            self._join(producer, keys, place)
        for start in range(0, len(keys), _MAX_CALL_KEYS):
            part = tuple(keys[start : start + _MAX_CALL_KEYS])
            producer.metrics.log_checked(part, [points[key] for key in part], place, fraction, now)
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

    def log_json(
        self,
        name: str,
        value: Any,
        *,
        step: Any = None,
        epoch: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Logs an object as JSON; numpy and torch values become numbers and lists.

        A list of {"utterance_id", "hyp", "ref", …} under the name `results/SET_utterances.json` is an evaluation on
        that set too, which the server scores: see log_evaluation.
        """
        super().log_json(name, value, step=step, epoch=epoch, metadata=metadata)
        self._log_plain_results(name, value)

    @guarded
    def _log_plain_results(self, name: str, value: Any) -> None:
        if self._client.config.mode == "disabled" or not name.endswith("_utterances.json"):
            return
        from .plain_results import results_in

        found = results_in(name, value)
        if found is None:
            return
        tags = {"source": name} | ({} if found.mean_wer is None else {"mean_wer": found.mean_wer})
        with self.log_evaluation(found.test_set, tags=tags) as evaluation:
            for each in found.utterances:
                evaluation.log(each.name, each.hypothesis, reference=each.reference, **each.optional)

    def newest_checkpoint(self) -> Path | None:
        """The file to go on from, of the attempts before; None when there is none.

        Where a checkpoint is a folder of files, the folder. It is fetched when it is not on this machine
        yet, and checked against its hash. A rank gets its own shard, else that of the lowest rank.
        Raises TrackerError for a content that is missing or damaged, or that the server has while it is away.
        """
        if not self._checkpoints:
            return None
        from .fetch import fetch

        return fetch(self._client.api() if self._client.config.url else None, self._checkpoints)

    def curve(self, key: str, **options: Any) -> Frame[Row]:
        """The run's own metric as the server shows it; see queries.RunRecord.curve."""
        return self._client.get_run(self.id).curve(key, **options)

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
