"""The client: the way to experiments, runs and queries."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .asker import identity
from .config import OnError, OnFull, resolve
from .drain.process import ensure
from .errors import TrackerError
from .guard import Problems, say
from .run_questions import RunQuestions
from .score_questions import ScoreQuestions

if TYPE_CHECKING:
    from uuid import UUID

    from .deletions import Deletable
    from .experiment import Experiment
    from .moments import AsOf
    from .queries import Frame, Row
    from .run import Run
    from .session import Session
    from .spool.producers import Producer
    from .test_sets import TestSet


class Client(RunQuestions, ScoreQuestions):
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
        resume          "auto" goes on with the unfinished run that is meant: of the id that is given, of this
                        Slurm job or torchrun, else of this name; an id goes on with that run
        id              shared by the ranks of a distributed run: a UUID, or any text such as a job's name;
                        else SPEECH_TRACKER_RUN_ID
        capture_output  log stdout and stderr too; by default in scripts, not in notebooks

        A run that goes on is that of resume_run. Raises TrackerError when resume= cannot be done.
        """
        self._wake_drain()
        from uuid import UUID

        from .launches import attempt_given, count_start

        nth = count_start()
        given: UUID | str | None = id
        again = resume is not None or (attempt_given() or 1) > 1
        if again and self.config.mode != "disabled":
            from .resume import start_or_resume

            found = start_or_resume(self, resume, name, experiment, id, nth)
            if not isinstance(found, UUID):
                return self._go_on(found, nth, tags, config, capture_output)
            given = found
        from .starting import start_run

        return start_run(self, name, tags, config, notes, given, nth, experiment, capture_output)

    def resume_run(
        self,
        run: UUID | str,
        *,
        from_step: int | None = None,
        reopen: bool = False,
        tags: Mapping[str, Any] | None = None,
        config: Any = None,
        capture_output: bool | None = None,
        timeout: float = 30.0,
    ) -> Run:
        """Goes on with a run as its next attempt.

        The run then has last_step and config of the attempts before; run.newest_checkpoint() is the file to
        load. What a killed process had logged on this machine is waited for, `timeout` seconds at most;
        without a server the spool of this machine alone says how far the run came.

        from_step  earlier attempts count up to this step; by default up to the newest checkpoint's, or
                   where the first call shows that the script goes on elsewhere, up to there
        reopen     goes on with a run that is finished, too

        Raises TrackerError for a run that is not known, deleted, or finished.
        """
        self._wake_drain()
        if self.config.mode == "disabled":
            from .starting import start_run

            return start_run(self, None, None, config, None, run, 1, None, False)
        from .launches import count_start
        from .resume import resumed

        nth = count_start()
        found = resumed(self, run, nth, from_step=from_step, reopen=reopen, timeout=timeout)
        return self._go_on(found, nth, tags, config, capture_output)

    def _go_on(
        self, run: Run, nth: int, tags: Mapping[str, Any] | None, config: Any, capture_output: bool | None
    ) -> Run:
        from .launches import launch_of
        from .starting import begin

        run._launch = launch_of(nth)
        begin(self, run, config, capture_output)
        if tags:
            run.set_tags(tags)
        return run

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
            ensure(self.config.spool, after=1.0)

    def wait_queryable(self, positions: list[str], timeout: float) -> bool:
        """Whether queries show what was written at these positions (topic:partition:offset), in time."""
        if not positions:
            return True
        from .http import LONGEST_WAIT

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

    # Test sets.

    def register_test_set(
        self,
        name: str,
        utterances: Any,
        *,
        language: str | None = None,
        domain: str | None = None,
        corpus: str | None = None,
        description: str | None = None,
    ) -> TestSet:
        """Registers the list of utterances that systems are scored on, as the set's newest revision.

        The same list again changes nothing. Evaluations on the set, earlier ones too, are scored on it.

        utterances  dicts with id, reference and, where known, speaker, language, audio (a URI, never copied), start,
                    duration (seconds) and conditions ({"snr": 10, "noise": "babble"}); or {id: reference}, (id,
                    reference) pairs, or a data frame with such columns; or the path of a Kaldi data folder, trn, stm,
                    ctm, manifest, Lhotse file or table
        language    of utterances that do not say theirs
        corpus      that speakers belong to; the set's name if left out

        Raises TrackerError that names the utterance for what is wrong with one; nothing is registered then.
        """
        from .test_sets import register

        return register(
            self, name, utterances, language=language, domain=domain, corpus=corpus, description=description
        )

    def correct_reference(
        self, test_set: TestSet | str, utterance: str, reference: str, *, reason: str = ""
    ) -> None:
        """Corrects the reference of an utterance; every system on the set is scored again.

        Answers about the past stay what they were.
        """
        self.correct_references(test_set, {utterance: reference}, reason=reason)

    def correct_references(
        self, test_set: TestSet | str, references: Mapping[str, str], *, reason: str = ""
    ) -> None:
        """Corrects several references, {utterance: reference}, as one revision of up to 1,000 each."""
        from .test_sets import correct

        correct(self, test_set, references, reason)

    def mark_reference(
        self, test_set: TestSet | str, utterance: str, note: str, *, doubtful: bool = True
    ) -> None:
        """Marks the reference of an utterance as doubtful; nothing is scored again.

        A correction settles the mark; so does doubtful=False, where the reference is right after all.
        """
        from .test_sets import mark

        mark(self, test_set, utterance, note, doubtful=doubtful)

    def apply_profile(self, name: str, definition: Mapping[str, Any] | None = None) -> None:
        """Scores the whole history by a scoring profile too, and whatever is evaluated later.

        definition  fields of a profile of one's own; a built-in one has none
        """
        from speech_experiment_schemas.evaluations import ProfileApplied
        from speech_experiment_schemas.ids import profile_id

        from .starting import emit

        applied = ProfileApplied(profile=name, definition=dict(definition or {}))
        emit(self, applied, ("profile", profile_id(self.config.workspace, name)), stream="evaluations")

    def flush(self, timeout: float = 30.0) -> bool:
        """Whether queries show, in time, what this process said of experiments, test sets and profiles."""
        from .acknowledgement import positions_of, wait_acknowledged
        from .spool.keeper import keeper

        producer = self._process
        if producer is None or self.config.mode != "online":
            return producer is None
        keeper.flush()
        end = time.monotonic() + timeout
        wanted = {name: stream.seq + stream.pending for name, stream in producer.streams.items()}
        if not wait_acknowledged(producer, wanted, timeout, self.session.start_drain):
            return False
        return self.wait_queryable(positions_of(producer), end - time.monotonic())

    # Deleting.

    def delete(self, kind: Deletable, subject: Run | UUID | str, reason: str = "") -> None:
        """Hides a run, an experiment (with the runs that it has) or an artifact; `restore` shows it again.

        Raises TrackerError (status 404) for one that is not known.
        """
        from .deletions import delete

        delete(self.api(), kind, identity(subject), reason)

    def restore(self, kind: Deletable, subject: Run | UUID | str, reason: str = "") -> None:
        """Shows again what was deleted."""
        from .deletions import restore

        restore(self.api(), kind, identity(subject), reason)

    def audit(
        self,
        *,
        kind: str | None = None,
        subject: UUID | str | None = None,
        actor: str | None = None,
        since: AsOf = None,
        until: AsOf = None,
        limit: int | None = 100,
    ) -> Frame[Row]:
        """Who deleted, restored, made or revoked what, when and why; the newest first. For admins.

        kind          of the subject: run, experiment, artifact, key, person, workspace
        actor         key:<uuid>, the key's id, or system
        since, until  moments, as as_of takes them; a day is included
        limit         None: all of them
        """
        from .deletions import audit

        return audit(
            self.api(), kind=kind, subject=subject, actor=actor, since=since, until=until, limit=limit
        )


_said: set[str] = set()


def _say_offline(spool: str) -> None:
    if "offline" not in _said:
        _said.add("offline")
        say(f"offline: runs are kept in {spool}; deliver them with `speech-tracker sync`")
