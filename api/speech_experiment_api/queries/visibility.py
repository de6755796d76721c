"""Which runs a question may see: those of its workspace that are not deleted.

Permissions are today's. Who asks how things were at an earlier position sees nothing that is deleted
by now, except an admin, who sees what was not deleted then. What was deleted then stays out of the
answer, also when it was restored since: it was not in the answer of that day either.
"""

from __future__ import annotations

from dataclasses import dataclass

from .sql import Binder, Tables

Cut = tuple[tuple[int, int], ...]
"""(partition, next offset) of one topic: a position in the past."""


@dataclass(frozen=True, slots=True)
class Scope:
    """workspace  of the asking key
    deleted    the deleted runs instead of the others
    then       the topic `control` as it was; None: as it is
    admin      whether what is deleted by now is shown where it was not `then`
    """

    workspace: str
    deleted: bool = False
    then: Cut | None = None
    admin: bool = False


def deletions(tables: Tables, bind: Binder, scope: Scope) -> str:
    """A relation (kind, id, deleted_at) of the deletions that hide something from the question."""
    today = f"{tables.control}.deletions"
    if scope.then is None:
        return today
    past = _deletions_then(tables, bind, scope.then)
    return (
        past
        if scope.admin
        else f"(select kind, id, deleted_at from {today} union all select * from {past} p)"
    )


def _deletions_then(tables: Tables, bind: Binder, cut: Cut) -> str:
    partitions = bind([partition for partition, _ in cut], "int[]")
    offsets = bind([offset for _, offset in cut], "bigint[]")
    return (
        f"(select h.kind, h.id, h.deleted_at from {tables.control}.deletion_history h "
        f"join unnest({partitions}, {offsets}) as c (partition, next_offset) using (partition) "
        "where h.from_offset < c.next_offset and (h.to_offset is null or h.to_offset >= c.next_offset))"
    )


def visible(tables: Tables, bind: Binder, scope: Scope) -> str:
    """The condition over the alias r of runs.

    A deleted experiment hides the runs it had; a later run in it is visible, and the experiment with it.
    """
    hiding = deletions(tables, bind, scope)
    alone = f"r.id in (select d.id from {hiding} d where d.kind = 'run')"
    of_deleted = f"r.experiment_id in (select d.id from {hiding} d where d.kind = 'experiment')"
    before = (
        f"exists (select from {hiding} d where d.kind = 'experiment' and d.id = r.experiment_id "
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
        f"exists (select from {deletions(tables, bind, scope)} d where d.kind = 'experiment' and d.id = e.id "
        f"and not exists ({again}))"
    )
    return f"e.workspace = {bind(scope.workspace, 'text')} and {'' if scope.deleted else 'not '}{hidden}"


def deleted_at(tables: Tables, bind: Binder, scope: Scope) -> str:
    """Since when the run r is deleted, itself or its experiment; null when it is not, or was not `then`."""
    today = f"{tables.control}.deletions"
    known = today if scope.then is None else _deletions_then(tables, bind, scope.then)
    return (
        f"(select max(d.deleted_at) from {known} d where d.kind = 'run' and d.id = r.id "
        "or d.kind = 'experiment' and d.id = r.experiment_id and d.deleted_at >= r.created_at)"
    )
