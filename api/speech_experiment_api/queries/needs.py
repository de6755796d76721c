"""What a question asks of all runs: so much of the past is fetched, and no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from ..desks import Depth
from .fields import Column, ExperimentColumn, Metric, Param, Result, Tag, TestSet, resolve
from .syntax import And, Expression, Not, Or, Path, Query

EVERY: Final = "\0every"
"""Among keys: all of them. No key of a user has NUL in it."""

DERIVED = frozenset(
    [
        "r.model_type",
        "r.num_params",
        "r.encoder_layers",
        "r.decoder_layers",
        "r.train_dataset",
        "r.train_hours",
        "r.languages",
        "r.domains",
        "r.sample_rate",
        "r.feature_type",
        "r.n_mels",
        "r.hop_length",
        "r.win_length",
        "r.augmentation_policy",
        "r.optimizer",
        "r.learning_rate",
        "r.batch_size",
        "r.epochs",
        "r.git_commit",
        "r.docker_image",
        "r.num_gpus",
    ]
)
"""Columns, over the alias r, that are made of config, tags and environment."""
SKETCHED = frozenset(["r.id", "r.workspace", "r.experiment_id", "r.created_at"])
"""Columns that every question about runs looks at; see Depth."""


@dataclass(slots=True)
class Needs:
    """runs: so much of their rows; the others: keys, or EVERY.

    metrics  their summaries; lasts: of those the last value alone
    results  metrics of results on test sets
    """

    runs: Depth = Depth.OWN
    params: set[str] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)
    metrics: set[str] = field(default_factory=set)
    lasts: set[str] = field(default_factory=set)
    results: set[str] = field(default_factory=set)

    def add(self, path: Path) -> None:
        """What a field asks for; raises FilterError for one that there is not."""
        match resolve(path):
            case Column(_, expression):
                self.runs = max(self.runs, _depth_of(expression))
            case Param(key):
                self.params.add(key)
            case Tag(key):
                self.tags.add(key)
            case Metric(key, stat):
                (self.lasts if stat == "last" else self.metrics).add(key)
            case Result(metric):
                self.results.add(metric)
            case TestSet():
                self.results.add(EVERY)
            case ExperimentColumn():
                pass


def _depth_of(expression: str) -> Depth:
    if expression in SKETCHED:
        return Depth.SKETCHED
    return Depth.DERIVED if expression in DERIVED else Depth.OWN


def needs_of(query: Query, more: Iterable[Path] = (), *, least: Depth = Depth.OWN) -> Needs:
    """Of a filter and its order, and of further fields; least: what else is looked at. Raises FilterError."""
    needs = Needs(least)
    terms = (term.path for term in query.order)
    for path in (*_paths(query.where), *terms, *more):
        needs.add(path)
    return needs


def _paths(expression: Expression | None) -> Iterator[Path]:
    match expression:
        case None:
            return
        case And(operands) | Or(operands):
            for operand in operands:
                yield from _paths(operand)
        case Not(operand):
            yield from _paths(operand)
        case _:
            yield expression.path
