"""Experiments: what a family of runs is about."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

from .catalogue import event
from .limits import Name, Tags, Text, Word

ExperimentLink = Literal["ablation_of", "ensemble_member_of", "fine_tuned_from", "follows", "related_to"]


@event("experiment.created", stream="runs", subject="experiment")
class ExperimentCreated(msgspec.Struct, frozen=True, kw_only=True):
    """Get-or-create: the first one fixes the birth name, later ones change nothing that is set."""

    name: Name
    task: Word | None = None
    description: Text | None = None
    tags: Tags = {}


@event("experiment.updated", stream="runs", subject="experiment")
class ExperimentUpdated(msgspec.Struct, frozen=True, kw_only=True):
    """Fields left at None keep their value; a tag set to the empty string is removed."""

    task: Word | None = None
    description: Text | None = None
    tags: Tags = {}


@event("experiment.renamed", stream="runs", subject="experiment")
class ExperimentRenamed(msgspec.Struct, frozen=True, kw_only=True):
    name: Name


@event("experiment.archived", stream="runs", subject="experiment")
class ExperimentArchived(msgspec.Struct, frozen=True, kw_only=True):
    archived: bool = True


@event("experiment.linked", stream="runs", subject="experiment")
class ExperimentLinked(msgspec.Struct, frozen=True, kw_only=True):
    kind: ExperimentLink
    target: UUID
    removed: bool = False


ExperimentEvent = (
    ExperimentCreated | ExperimentUpdated | ExperimentRenamed | ExperimentArchived | ExperimentLinked
)
