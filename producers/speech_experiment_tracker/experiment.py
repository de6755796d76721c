"""An experiment: what a family of runs is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from speech_experiment_schemas.experiments import (
    ExperimentArchived,
    ExperimentLink,
    ExperimentLinked,
    ExperimentRenamed,
    ExperimentUpdated,
)

from .guard import guarded

if TYPE_CHECKING:
    from .client import Client
    from .run import Run


class Experiment:
    """An experiment, by its id; made by Client.create_experiment.

    id    UUID; made of workspace and birth name, so a script started twice lands in the same one
    name  as given
    """

    def __init__(self, client: Client, experiment_id: UUID, name: str) -> None:
        self.id = experiment_id
        self.name = name
        self._client = client
        self._problems = client._problems

    def start_run(
        self,
        name: str | None = None,
        tags: Mapping[str, Any] | None = None,
        config: Any = None,
        notes: str | None = None,
        resume: str | UUID | None = None,
        id: UUID | str | None = None,  # noqa: A002 - the word that users expect
        *,
        capture_output: bool | None = None,
    ) -> Run:
        """Starts a run in this experiment; see Client.start_run."""
        return self._client.start_run(
            name, tags, config, notes, resume, id, experiment=self, capture_output=capture_output
        )

    def _emit(self, payload: msgspec.Struct) -> None:
        from .starting import emit

        emit(self._client, payload, ("experiment", self.id))

    @guarded
    def update(
        self,
        *,
        task: str | None = None,
        description: str | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        """Changes what is given; a tag set to the empty string is removed."""
        values = {str(key): str(value) for key, value in (tags or {}).items()}
        self._emit(ExperimentUpdated(task=task, description=description, tags=values))

    @guarded
    def rename(self, name: str) -> None:
        """Gives it another name; the first one stays an alias."""
        self._emit(ExperimentRenamed(name=name))
        self.name = name

    @guarded
    def archive(self, archived: bool = True) -> None:
        """Takes it out of the plain lists, or back into them."""
        self._emit(ExperimentArchived(archived=archived))

    @guarded
    def link(
        self, target: Experiment | UUID | str, kind: ExperimentLink = "related_to", *, removed: bool = False
    ) -> None:
        """Links it to another: ablation_of, ensemble_member_of, fine_tuned_from, follows, related_to."""
        other = target.id if isinstance(target, Experiment) else UUID(str(target))
        self._emit(ExperimentLinked(kind=kind, target=other, removed=removed))

    def __repr__(self) -> str:
        return f"<Experiment {self.name!r} {self.id}>"
