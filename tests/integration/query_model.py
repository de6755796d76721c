"""Runs as Python values, and the filter language over them: what the queries in SQL are held against."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any
from uuid import UUID

import asyncpg

from speech_experiment_api.queries.directions import higher_is_better
from speech_experiment_api.queries.fields import (
    LOST_CONTACT_SECONDS,
    Column,
    ExperimentColumn,
    Metric,
    Param,
    Result,
    Tag,
    TestSet,
    resolve,
)
from speech_experiment_api.queries.syntax import (
    And,
    Between,
    Compare,
    Contains,
    Expression,
    FilterError,
    In,
    IsNull,
    Like,
    Not,
    Now,
    Or,
    Path,
    Term,
    Value,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
NOW = START + timedelta(days=20)
TEXTS = ["conformer", "Conformer", "zip former", "whisper", "a%b", "a_b", "it's", "", "x" * 300, "12"]
NUMBERS = [0.0, 1.0, 2.0, 12.0, 0.05, -3.5, math.nan, math.inf, -math.inf, 1e300]


@dataclass
class Row:
    """A run with all that may be asked of it."""

    id: UUID
    workspace: str
    experiment: dict[str, Any] | None
    columns: dict[str, Any]
    params: dict[str, float | str | bool | None] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    results: list[dict[str, Any]] = field(default_factory=list)
    deleted: bool = False


def random_rows(count: int, seed: int) -> list[Row]:
    """Runs that miss much, share values, and hold what is awkward: NaN, quotes, wildcards, long texts."""
    rnd = random.Random(seed)
    experiments = [_experiment(rnd, i) for i in range(5)]
    return [_row(rnd, i, experiments) for i in range(count)]


def _experiment(rnd: random.Random, number: int) -> dict[str, Any]:
    born = rnd.choice(["base", "Base", None, "first"])
    return {
        "id": UUID(int=rnd.getrandbits(128)),
        "name": f"experiment {number % 3}",
        "birth_name": born,
        "task": rnd.choice(["asr", "tts", None]),
        "description": rnd.choice([None, "some text"]),
        "archived": rnd.random() < 0.3,
    }


def _row(rnd: random.Random, number: int, experiments: list[dict[str, Any]]) -> Row:
    created = START + timedelta(hours=rnd.randrange(480))
    experiment = rnd.choice([*experiments, None])
    row = Row(
        UUID(int=rnd.getrandbits(128)),
        rnd.choice(["default"] * 5 + ["other"]),
        experiment,
        _columns(rnd, created),
    )
    for key in ("layers", "opt.lr", "a b", "arch"):
        if rnd.random() < 0.6:
            row.params[key] = rnd.choice(
                [rnd.choice(NUMBERS), rnd.choice(TEXTS), True, False, None, 12.0, 12.0]
            )
    for key in ("stage", "it's"):
        if rnd.random() < 0.6:
            row.tags[key] = rnd.choice([*TEXTS, "draft", "draft", "5"])
    for key in ("val_wer", "val_acc", "a/b"):
        for rank in (0, 1):
            if rnd.random() < 0.6:
                row.metrics[key, rank] = _summary(rnd)
    row.results = _results(rnd)
    row.deleted = rnd.random() < 0.1
    return row


def _columns(rnd: random.Random, created: datetime) -> dict[str, Any]:
    def perhaps(value: Any) -> Any:
        return value if rnd.random() < 0.7 else None

    started = perhaps(created)
    return {
        "name": rnd.choice(TEXTS),
        "status": rnd.choice(["running", "finished", "failed"]),
        "user": perhaps(rnd.choice(["ann", "Bob"])),
        "created": created,
        "updated": created + timedelta(hours=1),
        "started": started,
        "finished": perhaps(created + timedelta(minutes=rnd.randrange(300))),
        "heartbeat": perhaps(NOW - timedelta(seconds=rnd.randrange(3 * LOST_CONTACT_SECONDS))),
        "attempts": rnd.choice([1, 2]),
        "model_type": perhaps(rnd.choice(TEXTS)),
        "encoder_layers": perhaps(rnd.choice([6, 12, 18])),
        "learning_rate": perhaps(rnd.choice([1e-3, 5e-4, math.nan])),
        "num_params": perhaps(rnd.choice([30_000_000, 2**40])),
        "language": rnd.choice([[], ["en"], ["de"], ["en", "de"], ["e%"]]),
        "domain": rnd.choice([[], ["read"]]),
    }


def _summary(rnd: random.Random) -> dict[str, Any]:
    values = sorted(rnd.choice(NUMBERS[:6]) for _ in range(3))
    return {
        "last": rnd.choice(NUMBERS),
        "min": rnd.choice([values[0], None]),
        "max": rnd.choice([values[-1], None]),
        "step": rnd.choice([None, 0, 100]),
        "count": rnd.choice([1, 4]),
        "nans": rnd.choice([0, 1]),
        "sum": sum(values),
        "time": START + timedelta(days=rnd.randrange(10)),
    }


def _results(rnd: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "key": f"key {number}",
            "metric": rnd.choice(["wer", "cer"]),
            "test_set": rnd.choice(["clean", "it's", ""]),
            "speaker": rnd.choice(["", "", "", "1272"]),
            "decoding": rnd.choice(["", "", "beam=10"]),
            "value": rnd.choice(NUMBERS),
            "offset": number // 2,
        }
        for number in range(rnd.randrange(5))
    ]


# The filter language, in Python


def holds(expression: Expression, row: Row) -> bool:
    """Whether a run is taken."""
    match expression:
        case Not(operand):
            return not holds(operand, row)
        case And(operands):
            return all(holds(operand, row) for operand in operands)
        case Or(operands):
            return any(holds(operand, row) for operand in operands)
        case _:
            return _predicate(expression, row)


def _predicate(predicate: Any, row: Row) -> bool:
    resolved = resolve(predicate.path)
    if isinstance(resolved, Column) and resolved.kind == "list":
        return _list(predicate, row.columns[resolved.name])
    if isinstance(resolved, Param):
        value = row.params.get(resolved.key)
        return _one(predicate, [] if value is None else [value], "param")
    values, kind = _values(resolved, row)
    return _one(predicate, values, kind)


def _values(resolved: Any, row: Row) -> tuple[list[Any], str]:
    match resolved:
        case Column(name="id"):
            return [row.id], "uuid"
        case Column(name="status"):
            return [status(row)], "text"
        case Column(name="duration"):
            return _present(duration(row)), "number"
        case Column(name=name, kind=kind):
            return _present(row.columns[name]), kind
        case ExperimentColumn(name="experiment"):
            known = row.experiment or {}
            return _present(known.get("name")) + _present(known.get("birth_name")), "text"
        case ExperimentColumn(name=name, kind=kind):
            return _present((row.experiment or {}).get(name)), kind
        case Tag(key):
            return _present(row.tags.get(key)), "text"
        case Metric():
            return _present(statistic(resolved, row)), "time" if resolved.stat == "time" else "number"
        case Result():
            return [each["value"] for each in matching(resolved, row)], "number"
        case TestSet():
            return [each["test_set"] for each in row.results], "test_set"
    raise AssertionError(resolved)


def _present(value: Any) -> list[Any]:
    return [] if value is None else [value]


def status(row: Row) -> str:
    sign = row.columns["heartbeat"] or row.columns["started"] or row.columns["created"]
    silent = sign < NOW - timedelta(seconds=LOST_CONTACT_SECONDS)
    return "lost contact" if row.columns["status"] == "running" and silent else str(row.columns["status"])


def duration(row: Row) -> float | None:
    started, finished = row.columns["started"], row.columns["finished"]
    return (finished - started).total_seconds() if started and finished else None


def statistic(metric: Metric, row: Row) -> Any:
    summary = row.metrics.get((metric.key, metric.rank))
    if summary is None:
        return None
    if metric.stat == "mean":
        numbers = summary["count"] - summary["nans"]
        return summary["sum"] / numbers if numbers else None
    stat = metric.stat
    if stat == "best":
        stat = "max" if higher_is_better(metric.key) else "min"
    return summary[stat]


def matching(result: Result, row: Row) -> list[dict[str, Any]]:
    wanted = (result.metric, result.test_set, result.speaker, result.decoding)
    return [
        each
        for each in row.results
        if (each["metric"], each["test_set"], each["speaker"], each["decoding"]) == wanted
    ]


def _one(predicate: Any, values: list[Any], kind: str) -> bool:
    match predicate:
        case IsNull():
            return not [value for value in values if kind != "test_set" or value]
        case Between(path, low, high):
            lower, upper = Compare(path, ">=", low), Compare(path, "<=", high)
            return any(_compare(lower, value, kind) and _compare(upper, value, kind) for value in values)
        case In(path, wanted):
            return any(_compare(Compare(path, "=", each), value, kind) for each in wanted for value in values)
        case Compare():
            return any(_compare(predicate, value, kind) for value in values)
        case _:
            return any(_matches(predicate, value) for value in values if isinstance(value, str | UUID | bool))


def _compare(predicate: Compare, value: Any, kind: str) -> bool:
    if kind == "time":
        return _compare_moments(predicate, value)
    if isinstance(value, bool) and kind == "param":
        value = str(value).lower()
    literal = _literal(predicate.value, kind)
    if kind == "param" and isinstance(literal, float) != isinstance(value, float):
        return predicate.operator == "!="
    return _ordered(predicate.operator, value, literal)


def _ordered(operator: str, value: Any, other: Any) -> bool:
    match operator:
        case "=":
            return bool(value == other)
        case "!=":
            return bool(value != other)
        case "<":
            return bool(value < other)
        case "<=":
            return bool(value <= other)
        case ">":
            return bool(value > other)
        case _:
            return bool(value >= other)


def _literal(value: Value, kind: str) -> Any:
    found = value.value
    if isinstance(found, timedelta):
        return found.total_seconds()
    if kind == "uuid":
        return UUID(str(found))
    if kind in ("text", "test_set") and isinstance(found, float):
        return value.text
    if kind == "param" and isinstance(found, bool):
        return str(found).lower()
    return found


def _compare_moments(predicate: Compare, value: datetime) -> bool:
    literal = predicate.value.value
    if isinstance(literal, Now):
        return _ordered(predicate.operator, value, NOW + literal.shift)
    start = datetime.fromisoformat(str(literal))
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    if len(str(literal)) == 10:
        day = start <= value < start + timedelta(days=1)
        cases = {"=": day, "!=": not day, "<": value < start, ">=": value >= start}
        return (cases | {"<=": value < start or day, ">": value >= start and not day})[predicate.operator]
    return _ordered(predicate.operator, value, start)


def _matches(predicate: Any, value: str | UUID | bool) -> bool:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    match predicate:
        case Contains(_, part):
            return str(part.value).lower() in text.lower()
        case Like(_, pattern, ignore_case):
            flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
            return re.fullmatch(_pattern(str(pattern.value)), text, flags) is not None
    raise AssertionError(predicate)


def _pattern(like: str) -> str:
    pieces = re.findall(r"\\.|.", like, re.DOTALL)
    return "".join(
        {"%": ".*", "_": "."}.get(piece, re.escape(piece.removeprefix("\\") or "\\")) for piece in pieces
    )


def _list(predicate: Any, items: list[str]) -> bool:
    match predicate:
        case IsNull():
            return not items
        case Compare(_, "=", value):
            return str(value.value) in items
        case Compare(_, "!=", value):
            return bool(items) and str(value.value) not in items
        case In(_, values):
            return any(str(value.value) in items for value in values)
        case Like() | Contains():
            return any(_matches(predicate, item) for item in items)
    raise FilterError("no order")


# Orders, in Python


def ordered(rows: list[Row], terms: tuple[Term, ...]) -> list[UUID]:
    """The ids in the order that the terms ask; rows without a value last, ties by id."""
    terms = terms or (Term(Path("created"), descending=True),)
    found = sorted(rows, key=lambda row: row.id.bytes, reverse=terms[-1].descending)
    for term in reversed(terms):
        parts = 2 if isinstance(resolve(term.path), Param) else 1
        for part in reversed(range(parts)):
            found = _sorted(found, term, part)
    return [row.id for row in found]


def _sorted(rows: list[Row], term: Term, part: int) -> list[Row]:
    """By one sort key; rows without it last, equal ones as they were."""
    pairs = [(sort_values(term.path, row)[part], row) for row in rows]
    having = [pair for pair in pairs if pair[0] is not None]
    having.sort(key=itemgetter(0), reverse=term.descending)
    return [row for _, row in having] + [row for value, row in pairs if value is None]


def sort_values(path: Path, row: Row) -> tuple[Any, ...]:
    """The sort keys of a row: None where it has none. A param has two: as a number, and as a text."""
    resolved = resolve(path)
    if isinstance(resolved, Param):
        value = row.params.get(resolved.key)
        number = value if isinstance(value, float) and not math.isnan(value) else None
        text = str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else None
        return number, None if text is None else text[:200]
    if isinstance(resolved, Result):
        found = matching(resolved, row)
        newest = max(found, key=lambda each: (each["offset"], each["key"]), default=None)
        return (_number(newest["value"] if newest else None),)
    if isinstance(resolved, ExperimentColumn):
        return ((row.experiment or {}).get(resolved.name if resolved.name != "experiment" else "name"),)
    values, _ = _values(resolved, row)
    value = values[0] if values else None
    if isinstance(resolved, Tag) and value is not None:
        return (value[:200],)
    return (_number(value) if isinstance(resolved, Metric) else value,)


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


# The same runs in Postgres


async def store(connection: asyncpg.Connection, rows: list[Row]) -> None:
    """Writes the rows into the tables of version 1."""
    experiments = {row.experiment["id"]: row.experiment for row in rows if row.experiment}.values()
    await _copy(
        connection,
        "metadata_v1.experiments",
        [
            {
                **experiment,
                "workspace": "default",
                "created_at": START,
                "updated_at": START,
                "partition": 0,
                "offset": 0,
                "state": b"",
            }
            for experiment in experiments
        ],
    )
    await _copy(connection, "metadata_v1.runs", [_run(row) for row in rows])
    await _copy(connection, "metadata_v1.run_params", [each for row in rows for each in _params(row)])
    tags = [{"run_id": row.id, "key": key, "value": value} for row in rows for key, value in row.tags.items()]
    await _copy(connection, "metadata_v1.run_tags", tags)
    await _copy(connection, "metrics_v1.summaries", [each for row in rows for each in _summaries(row)])
    results = [
        {"run_id": row.id, "time": START, "rule": 1, "partition": 0, **result}
        for row in rows
        for result in row.results
    ]
    await _copy(connection, "metrics_v1.test_set_results", results)
    deletions = [
        {"kind": "run", "id": row.id, "workspace": row.workspace, "deleted_at": NOW}
        for row in rows
        if row.deleted
    ]
    await _copy(connection, "control_v1.deletions", deletions)


async def _copy(connection: asyncpg.Connection, table: str, records: list[dict[str, Any]]) -> None:
    schema, name = table.split(".")
    if records:
        columns = list(records[0])
        values = [tuple(record[column] for column in columns) for record in records]
        await connection.copy_records_to_table(name, schema_name=schema, columns=columns, records=values)


_COLUMN_NAMES = {"user": "user_name", "language": "languages", "domain": "domains"}
_TIMES = ("created", "updated", "started", "finished", "heartbeat")


def _run(row: Row) -> dict[str, Any]:
    columns = {
        f"{name}_at" if name in _TIMES else _COLUMN_NAMES.get(name, name): value
        for name, value in row.columns.items()
    }
    config = {key: value for key, value in row.params.items() if not isinstance(value, float)}
    return {
        "id": row.id,
        "hash": row.id.int % 2**62,
        "workspace": row.workspace,
        "experiment_id": row.experiment["id"] if row.experiment else None,
        "tags": json.dumps(row.tags),
        "config": json.dumps(config),
        "partition": 0,
        "first_offset": 0,
        "last_offset": 0,
        "state": b"",
        **columns,
    }


def _params(row: Row) -> list[dict[str, Any]]:
    found = []
    for key, value in row.params.items():
        text = str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else None
        number = value if isinstance(value, float) else None
        found.append({"run_id": row.id, "key": key, "num": number, "txt": text})
    return found


def _summaries(row: Row) -> list[dict[str, Any]]:
    return [
        {
            "run_id": row.id,
            "key": key,
            "rank": rank,
            "count": summary["count"],
            "nans": summary["nans"],
            "last_value": summary["last"],
            "last_step": summary["step"],
            "last_time": summary["time"],
            "last_seq": 0,
            "min_value": summary["min"],
            "max_value": summary["max"],
            "sum_value": summary["sum"],
            "offset": 0,
        }
        for (key, rank), summary in row.metrics.items()
    ]
