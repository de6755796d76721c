"""What the read routes answer, as types: for the OpenAPI document and for readers.

Most bodies are written by Postgres itself; the integration tests hold them against these types.
A number that is NaN or infinite is one of the strings "NaN", "Infinity" and "-Infinity".

`vector` says what an answer was made from: the same question as of it has the same answer, whatever
was logged since. The header X-Tracker-Vector says it too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

Number = float | str | None


class Run(msgspec.Struct, kw_only=True):
    """A run in a list.

    status      running, lost contact, finished, failed, cancelled, lost
    duration    seconds from start to finish
    metrics     {key: last value of rank 0}, up to 500
    test_sets   {test set: {metric: value}} with the default decoding
    problems    what the client had to swallow, by kind
    """

    id: UUID
    name: str
    experiment_id: UUID | None
    experiment: str | None
    task: str | None
    status: str
    user: str | None
    duration: float | None
    notes: str | None
    error: str | None
    exit_code: int | None
    attempts: int
    tags: dict[str, str]
    config: dict[str, Any]
    problems: dict[str, Any]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    heartbeat_at: datetime | None
    updated_at: datetime
    model_type: str | None
    num_params: int | None
    encoder_layers: int | None
    decoder_layers: int | None
    train_dataset: str | None
    train_hours: float | None
    languages: list[str]
    domains: list[str]
    sample_rate: int | None
    feature_type: str | None
    n_mels: int | None
    hop_length: int | None
    win_length: int | None
    augmentation_policy: str | None
    optimizer: str | None
    learning_rate: float | None
    batch_size: int | None
    epochs: int | None
    git_commit: str | None
    docker_image: str | None
    num_gpus: int | None
    metrics: dict[str, Number]
    test_sets: dict[str, dict[str, Number]]


class ResultRow(msgspec.Struct):
    """key is the name that the result was logged under."""

    key: str
    test_set: str
    metric: str
    speaker: str
    decoding: str
    value: Number
    step: int | None
    time: datetime


class LinkRow(msgspec.Struct):
    kind: str
    run_id: UUID


class Resume(msgspec.Struct):
    """Attempt `attempt` went on from step `from_step`: earlier attempts count up to that step."""

    attempt: int
    from_step: int | None
    time: datetime


class ConcurrentProcess(msgspec.Struct):
    """A process that went on logging after another one had taken over; since: its first such event."""

    attempt: int
    rank: int
    host: str
    pid: int
    since: datetime


class RunDetails(Run, kw_only=True):
    """A run with everything but its curves, logs and artifacts.

    concurrent  processes that wrote beside others, by what the topic runs holds; delivery looks at all topics
    deleted_at  since when the run, or the experiment that it was in, is deleted; null when it is not
    """

    traceback: str | None
    environment: dict[str, Any]
    links: list[LinkRow]
    results: list[ResultRow]
    resumes: list[Resume]
    last_step: int | None
    concurrent: list[ConcurrentProcess]
    deleted: bool
    deleted_at: datetime | None
    vector: str


class Statistics(msgspec.Struct):
    """Over the runs of a group that have the number; sd is the sample's, null for fewer than two."""

    count: int
    mean: Number
    sd: Number
    min: Number
    max: Number


class Group(msgspec.Struct):
    """by: {field: value} of the group, null where the runs have none."""

    by: dict[str, Any]
    count: int
    values: dict[str, Statistics]


class RunPage(msgspec.Struct):
    """next_cursor: null on the last page. With group_by the answer has groups alone."""

    runs: list[Run] = []
    next_cursor: str | None = None
    groups: list[Group] = []
    vector: str = ""


class RunCounts(msgspec.Struct):
    """failed: also those that are lost, and those that lost contact."""

    total: int
    running: int
    finished: int
    failed: int
    cancelled: int


class RunReference(msgspec.Struct):
    id: UUID
    name: str
    status: str
    created_at: datetime


class Experiment(msgspec.Struct, kw_only=True):
    """birth_name: what create_experiment finds it by, also after a rename; null for a placeholder."""

    id: UUID
    name: str
    birth_name: str | None
    task: str | None
    description: str | None
    tags: dict[str, str]
    archived: bool
    user: str | None
    created_at: datetime
    updated_at: datetime
    runs: RunCounts
    latest: RunReference | None


class ExperimentPage(msgspec.Struct):
    experiments: list[Experiment]
    next_cursor: str | None
    vector: str


class BestResult(msgspec.Struct):
    test_set: str
    metric: str
    decoding: str
    value: Number
    run_id: UUID
    run: str


class ExperimentDetails(Experiment, kw_only=True):
    """best: the best run of each test set, metric and decoding."""

    links: list[dict[str, Any]]
    best: list[BestResult]
    vector: str


class MetricSummary(msgspec.Struct):
    """Over the effective curve of one rank. best is min or max, by the metric's name; mean leaves NaN out."""

    key: str
    rank: int
    count: int
    nans: int
    last: Number
    last_step: int | None
    last_time: datetime
    min: Number
    min_step: int | None
    max: Number
    max_step: int | None
    mean: Number
    best: Number


class MetricSummaries(msgspec.Struct):
    metrics: list[MetricSummary]
    vector: str


class Curve(msgspec.Struct, omit_defaults=True):
    """Arrays of one length, in the order of the axis.

    step        null where the call had none
    time        seconds since 1970; since the run's start where the axis is `relative`
    epoch       where the axis is `epoch`
    rank        where all ranks were asked for
    abandoned   where abandoned tails were asked for
    """

    step: list[int | None]
    value: list[Number]
    time: list[float]
    epoch: list[float] | None = None
    rank: list[int] | None = None
    abandoned: list[bool] | None = None


class CurvesOfRun(msgspec.Struct):
    """By key; one that the run has no points of is missing."""

    curves: dict[str, Curve]


class Curves(CurvesOfRun):
    vector: str


class ManyCurves(msgspec.Struct):
    """{run: curves}"""

    runs: dict[UUID, CurvesOfRun]
    vector: str


class LogLine(msgspec.Struct):
    """number counts the lines of a channel and process from 0."""

    channel: str
    number: int
    text: str
    time: datetime


class LogLines(msgspec.Struct):
    """The latest lines, oldest first; before: pass it on to see the lines above, null at the top."""

    lines: list[LogLine]
    before: str | None
    vector: str = ""


class FieldValue(msgspec.Struct):
    """count: the runs (for metric keys and test sets too) that have the value."""

    value: str
    count: int


class FieldValues(msgspec.Struct):
    field: str
    values: list[FieldValue]
    vector: str


class TestSetRow(msgspec.Struct):
    """runs: how many have a result on it."""

    __test__ = False

    test_set: str
    metrics: list[str]
    runs: int
    latest: datetime


class TestSets(msgspec.Struct):
    __test__ = False

    test_sets: list[TestSetRow]
    vector: str


class LeaderboardRow(msgspec.Struct):
    """One run with one decoding. mean: over its test sets; missing: how many of them it has no result on."""

    run_id: UUID
    run: str
    experiment: str | None
    status: str
    decoding: str
    values: dict[str, Number]
    mean: Number
    missing: int


class Leaderboard(msgspec.Struct):
    """Best first: rows that miss fewer test sets, then by mean."""

    metric: str
    higher_is_better: bool
    test_sets: list[str]
    rows: list[LeaderboardRow]
    vector: str
