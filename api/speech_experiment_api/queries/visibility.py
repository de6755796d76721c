"""Which runs a question may see: those of its workspace that are not deleted."""

from __future__ import annotations

from dataclasses import dataclass

from .sql import Binder, Tables


@dataclass(frozen=True, slots=True)
class Scope:
    """workspace: of the asking key; deleted: the deleted runs instead of the others."""

    workspace: str
    deleted: bool = False


def visible(tables: Tables, bind: Binder, scope: Scope) -> str:
    """The condition over the alias r of runs.

    A deleted experiment hides the runs it had; a later run in it is visible, and the experiment with it.
    """
    deletions = f"{tables.control}.deletions"
    alone = f"r.id in (select id from {deletions} where kind = 'run')"
    of_deleted = f"r.experiment_id in (select id from {deletions} where kind = 'experiment')"
    before = (
        f"exists (select from {deletions} d where d.kind = 'experiment' and d.id = r.experiment_id "
        "and d.deleted_at >= r.created_at offset 0)"
    )
    hidden = f"({alone} or (coalesce({of_deleted}, false) and {before}))"
    return f"r.workspace = {bind(scope.workspace, 'text')} and {'' if scope.deleted else 'not '}{hidden}"


def visible_experiment(tables: Tables, bind: Binder, scope: Scope) -> str:
    """The condition over the alias e of experiments: not deleted, or used again since."""
    again = (
        f"select from {tables.metadata}.runs r where r.experiment_id = e.id and r.created_at > d.deleted_at"
    )
    hidden = (
        f"exists (select from {tables.control}.deletions d where d.kind = 'experiment' and d.id = e.id "
        f"and not exists ({again}))"
    )
    return f"e.workspace = {bind(scope.workspace, 'text')} and {'' if scope.deleted else 'not '}{hidden}"
