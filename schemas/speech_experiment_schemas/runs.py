"""Runs: one training or evaluation process from start to end, over all its attempts."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from .catalogue import event
from .envelope import STREAMS
from .limits import Count, Line, Name, Tags, Text, Tree, Word

RunLink = Literal[
    "child_of",
    "resumed_from",
    "fine_tuned_from",
    "ablation_of",
    "ensemble_member_of",
    "evaluates",
    "related_to",
]


@event("run.started", stream="runs", subject="run")
class RunStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The beginning of a run; `experiment_name` makes the placeholder readable before the experiment is known."""

    experiment: UUID
    experiment_name: Name | None = None
    name: Name
    tags: Tags = {}
    notes: Text | None = None
    user: Line | None = None


@event("run.resumed", stream=STREAMS, subject="run")
class RunResumed(msgspec.Struct, frozen=True, kw_only=True):
    """Opens attempt `attempt` (from 2), written to every stream of the run by the launcher or rank 0.

    from_step  earlier attempts count up to and including this step; None: nothing of them is abandoned
    """

    attempt: Annotated[int, msgspec.Meta(ge=2)]
    from_step: int | None = None


@event("run.configured", stream="runs", subject="run")
class RunConfigured(msgspec.Struct, frozen=True, kw_only=True):
    """A nested config, merged into what the run has: dicts merge key by key, everything else replaces."""

    config: Tree


@event("run.tagged", stream="runs", subject="run")
class RunTagged(msgspec.Struct, frozen=True, kw_only=True):
    tags: Tags = {}
    removed: list[Word] = []


@event("run.noted", stream="runs", subject="run")
class RunNoted(msgspec.Struct, frozen=True, kw_only=True):
    """Replaces the run's notes (Markdown)."""

    notes: Text


@event("run.renamed", stream="runs", subject="run")
class RunRenamed(msgspec.Struct, frozen=True, kw_only=True):
    name: Name


@event("run.linked", stream="runs", subject="run")
class RunLinked(msgspec.Struct, frozen=True, kw_only=True):
    kind: RunLink
    target: UUID
    removed: bool = False


@event("run.environment", stream="runs", subject="run")
class RunEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """Where the run runs. Everything but host may be unknown.

    git         {commit, branch, remote, dirty, diff, diff_truncated}; remote without credentials
    command     the command line, one item an argument
    packages    {distribution: version}
    container   {image, id} when in one
    hardware    {cpu, cores, memory_bytes, gpus: [{name, memory_bytes}], driver}
    """

    host: Line
    command: list[str] = []
    cwd: Line = ""
    python: Line = ""
    git: Tree = {}
    packages: dict[str, str] = {}
    container: Tree = {}
    hardware: Tree = {}
    environment: dict[str, str] = {}


@event("run.output", stream="runs", subject="run")
class RunOutput(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive lines of one output channel; `first` numbers them within producer and channel, from 0."""

    channel: Literal["stdout", "stderr", "log"]
    first: Count
    lines: list[str]


@event("run.heartbeat", stream="runs", subject="run")
class RunHeartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """The drain saw the trainer alive; `problems` counts what the client swallowed so far, by kind."""

    problems: dict[Word, Count] = {}


@event("run.finished", stream="runs", subject="run")
class RunFinished(msgspec.Struct, frozen=True, kw_only=True):
    exit_code: int = 0


@event("run.failed", stream="runs", subject="run")
class RunFailed(msgspec.Struct, frozen=True, kw_only=True):
    """error is one line; traceback the whole text, cut at its front when too long."""

    error: Line
    traceback: Text = ""
    exit_code: int | None = None
    status: Literal["failed", "cancelled"] = "failed"


RunEvent = (
    RunStarted
    | RunResumed
    | RunConfigured
    | RunTagged
    | RunNoted
    | RunRenamed
    | RunLinked
    | RunEnvironment
    | RunOutput
    | RunHeartbeat
    | RunFinished
    | RunFailed
)
