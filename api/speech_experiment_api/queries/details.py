"""Runs as JSON, made by Postgres: the text goes to the client as it comes.

NaN and ±Infinity are the strings "NaN", "Infinity" and "-Infinity"; times are ISO 8601 in UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from .predicates import status_expression
from .sql import Binder, Tables
from .visibility import Scope, deleted_at

MAX_METRICS = 500
"""Metrics of a run in a list of runs; /runs/{id}/metrics has all."""

PLAIN = (
    "name notes error exit_code attempts tags config problems created_at started_at finished_at heartbeat_at "
    "updated_at model_type num_params encoder_layers decoder_layers train_dataset train_hours languages "
    "domains sample_rate feature_type n_mels hop_length win_length augmentation_policy optimizer "
    "learning_rate batch_size epochs git_commit docker_image num_gpus"
)
COMPLETE_ONLY = (
    "traceback",
    "environment",
    "links",
    "results",
    "resumes",
    "last_step",
    "concurrent",
    "deleted",
    "deleted_at",
)


SHOWN = "id name experiment_id experiment task status user duration metrics test_sets"
FIELDS = (*dict.fromkeys((*SHOWN.split(), *PLAIN.split(), *COMPLETE_ONLY)),)
"""Every field that a run can be asked for."""


def run_fields(tables: Tables, status: str, since: str) -> dict[str, str]:
    """Every field of a run with its SQL, over the aliases r of runs and e of experiments.

    status, since: SQL for the status as shown, and for when the run was deleted.
    """
    return {
        "id": "r.id",
        "name": "r.name",
        "experiment_id": "r.experiment_id",
        "experiment": "e.name",
        "task": "e.task",
        "status": status,
        "user": "r.user_name",
        "duration": "extract(epoch from r.finished_at - r.started_at)::float8",
        **{name: f"r.{name}" for name in PLAIN.split()},
        "metrics": _metrics(tables),
        "test_sets": _test_sets(tables),
        "traceback": "r.traceback",
        "environment": "r.environment",
        "links": _links(tables),
        "results": _results(tables),
        "resumes": _resumes(tables),
        "last_step": f"(select max(s.last_step) from {tables.metrics}.summaries s where s.run_id = r.id)",
        "concurrent": "r.concurrent",
        "deleted": f"{since} is not null",
        "deleted_at": since,
    }


def runs_statement(
    tables: Tables, ids: Collection[object], now: datetime, scope: Scope, wanted: Collection[str]
) -> tuple[str, list[object]]:
    """(SQL, arguments) of one JSON text a run, in the order of `ids`."""
    bind = Binder()
    array = bind(list(ids), "uuid[]")
    status = status_expression(bind, now) if "status" in wanted else "r.status"
    since = deleted_at(tables, bind, scope) if {"deleted", "deleted_at"} & set(wanted) else "null"
    fields = run_fields(tables, status, since)
    sql = (
        f"select {_row_object({name: fields[name] for name in fields if name in wanted})}::text "
        f"from unnest({array}) with ordinality as page(id, place) join {tables.metadata}.runs r using (id) "
        f"left join {tables.metadata}.experiments e on e.id = r.experiment_id order by page.place"
    )
    return sql, bind.values


def json_object(fields: Mapping[str, str], bind: Binder) -> str:
    """A JSON object of SQL expressions; names are bound, so they may be anything."""
    arguments = (f"{bind(name, 'text')}, {expression}" for name, expression in fields.items())
    return f"json_build_object({', '.join(arguments)})"


def _row_object(fields: Mapping[str, str]) -> str:
    """The same for more than the 50 pairs that json_build_object takes, under names of our own."""
    row = ", ".join(f'{expression} as "{name}"' for name, expression in fields.items())
    return f"(select row_to_json(one) from (select {row}) one)"


def _metrics(tables: Tables) -> str:
    return (
        "(select coalesce(json_object_agg(s.key, s.last_value), '{}') from (select key, last_value "
        f"from {tables.metrics}.summaries where run_id = r.id and rank = 0 order by key limit {MAX_METRICS}) s)"
    )


def _test_sets(tables: Tables) -> str:
    """`offset 0` has the run's few rows fetched by its own index and then sorted, also in a session that walks."""
    rows = (
        'select test_set, metric, value, "offset", key from '
        f"{tables.results} where run_id = r.id and speaker = '' and decoding = '' "
        "and test_set <> '' offset 0"
    )
    return (
        "(select coalesce(json_object_agg(x.test_set, x.metrics), '{}') from (select test_set, "
        'jsonb_object_agg(metric, value order by "offset", key) as metrics '
        f"from ({rows}) one group by test_set order by test_set) x)"
    )


def _results(tables: Tables) -> str:
    return (
        "(select coalesce(json_agg(x), '[]') from (select key, test_set, metric, speaker, decoding, value, "
        f"step, time from {tables.results} where run_id = r.id and rule >= 0 "
        "order by test_set, metric, speaker, decoding, key) x)"
    )


def _links(tables: Tables) -> str:
    return (
        "(select coalesce(json_agg(l), '[]') from (select kind, target as run_id "
        f"from {tables.metadata}.run_links where run_id = r.id order by kind, target) l)"
    )


def _resumes(tables: Tables) -> str:
    return (
        "(select coalesce(json_agg(a), '[]') from (select attempt, min(from_step) as from_step, "
        """(array_agg(time order by "offset"))[1] as time """
        f"from {tables.metrics}.attempts where run_id = r.id group by attempt order by attempt) a)"
    )
