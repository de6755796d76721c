"""Logs for tests: sealed records of a few producers about a run or an experiment, and their pure fold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf, nan
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import strategies as st

from speech_experiment_projections import experiments, ledger, runs
from speech_experiment_projections.recorded import Recorded
from speech_experiment_schemas import Sealer, decode
from speech_experiment_schemas import experiments as experiment_events
from speech_experiment_schemas import producers as frames
from speech_experiment_schemas import runs as run_events
from speech_experiment_schemas.validate import read

RUN = UUID("01930000-0000-7000-8000-0000000000aa")
EXPERIMENT = UUID("7ada8581-ad53-5e69-b64c-1e65e094a9be")
TARGETS = [UUID(int=n) for n in (5, 6)]

texts = st.text(max_size=6)
words = st.text(alphabet="abcd", min_size=1, max_size=2)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(),
    st.sampled_from([nan, inf, -inf, "12", "a\0b"]),
    st.lists(st.integers(0, 3), max_size=2),
)
configs = st.recursive(
    st.dictionaries(words, leaves, max_size=3),
    lambda inner: st.dictionaries(words, inner | leaves, max_size=3),
)
tags = st.dictionaries(words, texts, max_size=2)

run_payloads: st.SearchStrategy[msgspec.Struct] = st.one_of(
    st.builds(run_events.RunStarted, experiment=st.just(EXPERIMENT), name=words, tags=tags, user=words),
    st.builds(run_events.RunConfigured, config=configs),
    st.builds(run_events.RunTagged, tags=tags, removed=st.lists(words, max_size=2)),
    st.builds(run_events.RunNoted, notes=texts),
    st.builds(run_events.RunRenamed, name=words),
    st.builds(
        run_events.RunLinked,
        kind=st.sampled_from(["child_of", "related_to"]),
        target=st.sampled_from(TARGETS),
        removed=st.booleans(),
    ),
    st.builds(run_events.RunEnvironment, host=words, packages=tags),
    st.builds(run_events.RunHeartbeat, problems=st.dictionaries(words, st.integers(0, 9), max_size=2)),
    st.builds(
        run_events.RunOutput,
        channel=st.just("stdout"),
        first=st.integers(0, 9),
        lines=st.lists(texts, max_size=2),
    ),
    st.builds(run_events.RunResumed, attempt=st.integers(2, 4), from_step=st.none()),
    st.builds(run_events.RunFinished, exit_code=st.integers(0, 3)),
    st.builds(run_events.RunFailed, error=words, status=st.sampled_from(["failed", "cancelled"])),
    st.builds(frames.ProducerOpened, rank=st.integers(0, 1), attempt=st.integers(1, 3)),
    st.builds(
        frames.ProducerClosed,
        reason=st.sampled_from(["finished", "failed", "exit", "lost", "resumed"]),
        problems=st.dictionaries(words, st.integers(0, 9), max_size=1),
    ),
)
experiment_payloads: st.SearchStrategy[msgspec.Struct] = st.one_of(
    st.builds(experiment_events.ExperimentCreated, name=words, task=st.none() | words, tags=tags),
    st.builds(experiment_events.ExperimentUpdated, task=st.none() | words, description=texts, tags=tags),
    st.builds(experiment_events.ExperimentRenamed, name=words),
    st.builds(experiment_events.ExperimentArchived, archived=st.booleans()),
    st.builds(
        experiment_events.ExperimentLinked,
        kind=st.sampled_from(["follows", "related_to"]),
        target=st.sampled_from(TARGETS),
        removed=st.booleans(),
    ),
)
run_logs = st.lists(st.tuples(st.integers(0, 2), run_payloads), min_size=1, max_size=14)
experiment_logs = st.lists(st.tuples(st.integers(0, 1), experiment_payloads), min_size=1, max_size=10)


def seal(subject: tuple[str, UUID], log: Iterable[tuple[int, msgspec.Struct]]) -> list[bytes]:
    """The records of producers by number, in the order given."""
    sealers: dict[int, Sealer] = {}
    records = []
    for number, payload in log:
        sealer = sealers.setdefault(number, Sealer(UUID(int=1_000 + number), "runs"))
        records.append(sealer.seal(payload, subject, ts=1_000 * len(records)))
    return records


def record(raw: bytes, offset: int, workspace: str = "default", actor: str | None = "key:a") -> Recorded:
    """A record as the log holds it, with all its calls new."""
    envelope, payload = read(raw)
    assert isinstance(payload, msgspec.Struct)
    whole = ((envelope.seq, envelope.last + 1),)
    return Recorded(envelope, payload, 0, offset, 1_000_000 + 10 * offset, actor, workspace, whole)


def admitted(
    raws: Sequence[bytes], first_offset: int = 0, entries: dict[UUID, Any] | None = None
) -> list[Recorded]:
    """What of a sequence of records counts, by the ledger."""
    entries = {} if entries is None else entries
    events = []
    for offset, raw in enumerate(raws, first_offset):
        envelope = decode(raw)
        accepted = ledger.admit(entries.get(envelope.producer), envelope)
        if accepted:
            event = record(raw, offset)._replace(accepted=accepted)
            entries[envelope.producer] = ledger.evolve(entries.get(envelope.producer), event)
            events.append(event)
    return events


def fold_run(events: Iterable[Recorded], run: runs.Run | None = None) -> runs.Run | None:
    for event in events:
        run = runs.evolve(run, event)
    return run


def fold_experiment(
    events: Iterable[Recorded], experiment: experiments.Experiment | None = None
) -> experiments.Experiment | None:
    for event in events:
        experiment = experiments.evolve(experiment, event)
    return experiment
