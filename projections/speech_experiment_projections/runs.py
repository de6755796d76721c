"""The fold of one run over the topic `runs`: what it is called, how it is configured, how it stands.

Status. A run is `running` from its first event. `finished`, `failed` and `cancelled` come from the
run's own words; the latest in the log counts, words of a process of an older attempt do not.
`lost` when the last open trainer of the attempt was closed by its drain, without a word. A clean
close of rank 0 without any word is taken for its word. `run.resumed` opens the next attempt: running
again; so does a trainer that opens after the run was given up for lost.

Trainers that go on after another process has taken over are flagged, by the rule of `concurrency`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened
from speech_experiment_schemas.runs import (
    RunConfigured,
    RunEnvironment,
    RunFailed,
    RunFinished,
    RunHeartbeat,
    RunLinked,
    RunNoted,
    RunOutput,
    RunRenamed,
    RunResumed,
    RunStarted,
    RunTagged,
)

from .concurrency import Process, writes_on
from .recorded import Recorded
from .refusal import same_workspace
from .texts import bigint, clean_text, clock
from .trees import merge


class Trainer(msgspec.Struct, frozen=True, array_like=True):
    """A process that logs to the run, while it is open; opened_at: broker time."""

    attempt: int
    rank: int
    host: str = ""
    pid: int = 0
    opened_at: int = 0

    @property
    def process(self) -> Process:
        return Process(self.attempt, self.rank, self.host, self.pid, self.opened_at)


class Concurrent(msgspec.Struct, frozen=True):
    """A trainer that went on after another process had taken over; since: broker time of its first such event."""

    attempt: int
    rank: int
    host: str
    pid: int
    since: int


class Run(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of a run. Times are microseconds since 1970.

    name, experiment  None while only later events are known: a placeholder
    created_at        broker time of the first event; updated_at of the latest
    started_at        client's clock, as finished_at: a run synced later keeps its own times
    heartbeat_at      broker time, to be compared with now
    problems          by kind, the largest count that one of its processes reported
    trainers          open trainers by producer (hex)
    beginnings        (attempt, broker time of its first trainer's opening)
    concurrent        trainers that went on beside others, by producer (hex)
    version_offset    offset of the event that made the current version for as-of queries
    """

    id: UUID
    workspace: str
    partition: int
    first_offset: int
    last_offset: int
    version_offset: int
    created_at: int
    updated_at: int
    experiment: UUID | None = None
    experiment_name: str | None = None
    name: str | None = None
    user: str | None = None
    notes: str | None = None
    tags: dict[str, str] = {}
    config: dict[str, Any] = {}
    environment: dict[str, Any] = {}
    links: list[tuple[str, UUID]] = []
    status: str = "running"
    error: str | None = None
    traceback: str | None = None
    exit_code: int | None = None
    attempts: int = 1
    started_at: int | None = None
    finished_at: int | None = None
    heartbeat_at: int | None = None
    problems: dict[str, int] = {}
    trainers: dict[str, Trainer] = {}
    beginnings: list[tuple[int, int]] = []
    concurrent: dict[str, Concurrent] = {}


Changes = dict[str, Any]

LIGHT = (RunHeartbeat, RunOutput)
"""Events that leave no version of their own, as they are frequent: what they change is kept beside."""


def evolve(run: Run | None, recorded: Recorded) -> Run:
    """The run after an event about it; raises Refused for an event of another workspace."""
    if run is None:
        run = _placeholder(recorded)
    else:
        same_workspace("run", run.id, run.workspace, recorded.workspace)
    changes = _changes(run, recorded)
    changes |= _concurrency(run, recorded)
    changes["last_offset"] = recorded.offset
    changes["updated_at"] = recorded.time
    if type(recorded.payload) not in LIGHT or "concurrent" in changes:
        changes["version_offset"] = recorded.offset
    return msgspec.structs.replace(run, **changes)


def _placeholder(recorded: Recorded) -> Run:
    return Run(
        id=recorded.subject,
        workspace=recorded.workspace,
        partition=recorded.partition,
        first_offset=recorded.offset,
        last_offset=recorded.offset,
        version_offset=recorded.offset,
        created_at=recorded.time,
        updated_at=recorded.time,
    )


def _changes(run: Run, recorded: Recorded) -> Changes:
    change = _CHANGES.get(type(recorded.payload))
    return {} if change is None else change(run, recorded.payload, recorded)


def _start(run: Run, started: RunStarted, recorded: Recorded) -> Changes:
    """The first start sets; a second one, of a script started again with the same id, fills what is open."""
    return {
        "experiment": run.experiment or started.experiment,
        "experiment_name": run.experiment_name or started.experiment_name,
        "name": run.name or started.name,
        "tags": started.tags | run.tags,
        "notes": started.notes if run.notes is None else run.notes,
        "user": run.user or started.user or recorded.actor,
        "started_at": clock(recorded.envelope.ts) if run.started_at is None else run.started_at,
    }


def _resume(run: Run, resumed: RunResumed, _recorded: Recorded) -> Changes:
    if resumed.attempt <= run.attempts or bigint(resumed.attempt) is None:
        return {}
    return {"attempts": resumed.attempt} | _ended("running", None)


def _configure(run: Run, configured: RunConfigured, _recorded: Recorded) -> Changes:
    return {"config": merge(run.config, configured.config)}


def _tag(run: Run, tagged: RunTagged, _recorded: Recorded) -> Changes:
    merged = run.tags | tagged.tags
    return {"tags": {key: value for key, value in merged.items() if key not in tagged.removed}}


def _note(_run: Run, noted: RunNoted, _recorded: Recorded) -> Changes:
    return {"notes": noted.notes}


def _rename(_run: Run, renamed: RunRenamed, _recorded: Recorded) -> Changes:
    return {"name": renamed.name}


def _link(run: Run, linked: RunLinked, _recorded: Recorded) -> Changes:
    return {"links": link(run.links, linked.kind, linked.target, linked.removed)}


def _surround(_run: Run, environment: RunEnvironment, _recorded: Recorded) -> Changes:
    return {"environment": msgspec.to_builtins(environment)}


def _beat(run: Run, heartbeat: RunHeartbeat, recorded: Recorded) -> Changes:
    return {"heartbeat_at": recorded.time, "problems": worst(run.problems, heartbeat.problems)}


def _finish(run: Run, finished: RunFinished, recorded: Recorded) -> Changes:
    at = clock(recorded.envelope.ts)
    return _word(run, recorded, _ended("finished", at, exit_code=finished.exit_code))


def _fail(run: Run, failed: RunFailed, recorded: Recorded) -> Changes:
    ended = _ended(
        failed.status,
        clock(recorded.envelope.ts),
        error=failed.error,
        traceback=failed.traceback or None,
        exit_code=failed.exit_code,
    )
    return _word(run, recorded, ended)


def _word(run: Run, recorded: Recorded, ended: Changes) -> Changes:
    """The end as a process says it, unless an attempt after its own has begun."""
    trainer = run.trainers.get(recorded.envelope.producer.hex)
    return {} if trainer is not None and trainer.attempt < run.attempts else ended


def _open(run: Run, opened: ProducerOpened, recorded: Recorded) -> Changes:
    if opened.role != "trainer":
        return {}
    trainers = run.trainers | {recorded.envelope.producer.hex: _trainer(opened, recorded)}
    changes: Changes = {"trainers": trainers}
    if opened.attempt not in dict(run.beginnings):
        changes["beginnings"] = [*run.beginnings, (opened.attempt, recorded.time)]
    revived = run.status == "lost" and opened.attempt >= run.attempts
    return changes | (_ended("running", None) if revived else {})


def _close(run: Run, closed: ProducerClosed, recorded: Recorded) -> Changes:
    name = recorded.envelope.producer.hex
    trainer = run.trainers.get(name)
    changes: Changes = {"problems": worst(run.problems, closed.problems)}
    if trainer is None:
        return changes
    others = {key: value for key, value in run.trainers.items() if key != name}
    changes["trainers"] = others
    if run.status == "running" and trainer.attempt >= run.attempts:
        left = any(other.attempt >= run.attempts for other in others.values())
        if closed.reason == "lost" and not left:
            changes |= _ended("lost", clock(recorded.envelope.ts))
        elif closed.reason in ("finished", "exit", "failed") and trainer.rank == 0:
            status = "failed" if closed.reason == "failed" else "finished"
            changes |= _ended(status, clock(recorded.envelope.ts))
    return changes


_CHANGES: dict[type, Callable[[Run, Any, Recorded], Changes]] = {
    RunStarted: _start,
    RunResumed: _resume,
    RunConfigured: _configure,
    RunTagged: _tag,
    RunNoted: _note,
    RunRenamed: _rename,
    RunLinked: _link,
    RunEnvironment: _surround,
    RunHeartbeat: _beat,
    RunFinished: _finish,
    RunFailed: _fail,
    ProducerOpened: _open,
    ProducerClosed: _close,
}
"""By the very type of the payload: as class patterns, tried one after the other, they would cost half of the fold."""


def _concurrency(run: Run, recorded: Recorded) -> Changes:
    """Flags the trainer that speaks, when another process took over before it did."""
    payload = recorded.payload
    if type(payload) is ProducerClosed:
        return {}
    name = recorded.envelope.producer.hex
    trainer = run.trainers.get(name)
    if trainer is None and type(payload) is ProducerOpened and payload.role == "trainer":
        trainer = _trainer(payload, recorded)
    if trainer is None or name in run.concurrent:
        return {}
    own = (trainer.attempt, trainer.opened_at)  # who did not come later overtakes nobody
    others = [other.process for other in run.trainers.values() if (other.attempt, other.opened_at) > own]
    others += [
        Process(attempt, 0, "", 0, opened) for attempt, opened in run.beginnings if (attempt, opened) > own
    ]
    if not others or not writes_on(trainer.process, recorded.envelope.ts, others):
        return {}
    flagged = Concurrent(trainer.attempt, trainer.rank, trainer.host, trainer.pid, recorded.time)
    return {"concurrent": run.concurrent | {name: flagged}}


def _trainer(opened: ProducerOpened, recorded: Recorded) -> Trainer:
    return Trainer(opened.attempt, opened.rank, opened.host, opened.pid, recorded.time)


def _ended(
    status: str,
    at: int | None,
    *,
    error: str | None = None,
    traceback: str | None = None,
    exit_code: int | None = None,
) -> Changes:
    return {
        "status": status,
        "finished_at": at,
        "error": error,
        "traceback": traceback,
        "exit_code": bigint(exit_code),
    }


def link(links: list[tuple[str, UUID]], kind: str, target: UUID, removed: bool) -> list[tuple[str, UUID]]:
    """The links with one more, or without it."""
    others = [each for each in links if each != (kind, target)]
    return others if removed else [*others, (kind, target)]


def worst(known: dict[str, int], reported: dict[str, int]) -> dict[str, int]:
    """The larger count of each kind; sorted, and clean as a jsonb column gives it back."""
    counts = {clean_text(kind): count for kind, count in reported.items()}
    worst = known | {kind: max(count, known.get(kind, 0)) for kind, count in counts.items()}
    return dict(sorted(worst.items()))


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Run)
_tree_decoder = msgspec.msgpack.Decoder(dict[str, Any])


def dump(run: Run) -> bytes:
    """The state as it is stored, msgpack."""
    return _encoder.encode(run)


def load(state: bytes) -> Run:
    return _decoder.decode(state)


class Version(NamedTuple):
    """A state as the history keeps it.

    state        msgpack, without config and environment
    config       msgpack; None where it is that of the version before, or empty
    environment  likewise
    """

    state: bytes
    config: bytes | None
    environment: bytes | None


def dump_version(run: Run, before: Run | None) -> Version:
    """The version that an event made; before: the run that the event found."""
    config, environment = (None, None) if before is None else (before.config, before.environment)
    return Version(
        _encoder.encode(msgspec.structs.replace(run, config={}, environment={})),
        None if run.config is config or not (run.config or config) else _encoder.encode(run.config),
        None
        if run.environment is environment or not (run.environment or environment)
        else _encoder.encode(run.environment),
    )


def load_tree(tree: bytes | None) -> dict[str, Any]:
    """A config or environment of a version; empty when there never was one."""
    return {} if tree is None else _tree_decoder.decode(tree)
