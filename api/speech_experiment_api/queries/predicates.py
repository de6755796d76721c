"""A filter as an SQL condition over the alias r of the table of runs.

Every comparison is either true or false: without a value it is false, whatever the operator, and
what stands under `not` is exactly the rest. So `tags.stage != 'draft'` asks for another value,
while `not tags.stage = 'draft'` also takes the runs that have no such tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .conditions import Conditions
from .directions import higher_is_better
from .fields import (
    LOST_CONTACT,
    LOST_CONTACT_SECONDS,
    Column,
    ExperimentColumn,
    Kind,
    Metric,
    Param,
    Result,
    Tag,
    TestSet,
    resolve,
)
from .sql import Binder, Tables
from .syntax import (
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
    Or,
    Path,
    Predicate,
    Value,
)


@dataclass(frozen=True, slots=True)
class Side:
    """Rows of a side table that belong to the run, as the inside of an EXISTS."""

    table: str
    where: str


class Predicates:
    """Compiles expressions; `probing` forbids the planner to turn EXISTS into joins.

    Probing suits a few thousand candidates looked at one by one in their order; without it the
    planner starts from the side tables, which suits the search through everything.
    """

    def __init__(self, tables: Tables, bind: Binder, now: datetime, probing: bool) -> None:
        self.tables = tables
        self.bind = bind
        self.conditions = Conditions(bind, now)
        self.now = now
        self._tail = " offset 0" if probing else ""

    def compile(self, expression: Expression, negated: bool = False) -> str:
        """The condition that holds for the runs that `expression` takes. Raises FilterError."""
        match expression:
            case Not(operand):
                return self.compile(operand, not negated)
            case And(operands) | Or(operands):
                word = " and " if isinstance(expression, And) != negated else " or "
                return f"({word.join(self.compile(operand, negated) for operand in operands)})"
            case _:
                return self._leaf(expression, negated)

    def _leaf(self, predicate: Predicate, negated: bool) -> str:
        match resolve(predicate.path):
            case Column(kind="list") as column:
                return _plain(self._on_list(column, predicate), negated)
            case Column(name="status"):
                return _plain(self._on_status(predicate), negated)
            case Column() as column:
                return _plain(self.conditions.on(column.expression, column.kind, predicate), negated)
            case ExperimentColumn() as column:
                return self._in_experiments(column, predicate, negated)
            case Param(key):
                return self._exists(self._param(key, predicate), predicate, negated)
            case Tag(key):
                return self._exists(self._tag(key, predicate), predicate, negated)
            case Metric() as metric:
                return self._exists(self._metric(metric, predicate), predicate, negated)
            case Result() as result:
                return self._exists(self._result(result, predicate), predicate, negated)
            case TestSet():
                return self._exists(self._test_set(predicate), predicate, negated)

    def _exists(self, side: Side, predicate: Predicate, negated: bool) -> str:
        word = "not exists" if negated != isinstance(predicate, IsNull) else "exists"
        return f"{word} (select from {side.table} where {side.where}{self._tail})"

    # Columns of the run

    def _on_list(self, column: Column, predicate: Predicate) -> str:
        """Lists compare item by item: = and in ask for any of them, != for a list without it."""
        items = column.expression
        match predicate:
            case IsNull():
                return f"cardinality({items}) = 0"
            case Compare(_, "=", value):
                return self._overlap(items, predicate.path, (value,))
            case Compare(_, "!=", value):
                return f"(cardinality({items}) > 0 and not {self._overlap(items, predicate.path, (value,))})"
            case In(_, values):
                return self._overlap(items, predicate.path, values)
            case Like() | Contains():
                condition = self.conditions.on("item", "list", predicate)
                return f"exists (select from unnest({items}) as item where {condition})"
            case _:
                hint = f"write {column.name} = 'en' or {column.name} in ('en', 'de')"
                raise FilterError(f"{column.name} is a list", predicate.path.position, hint)

    def _overlap(self, items: str, path: Path, values: tuple[Value, ...]) -> str:
        wanted = [self.conditions.literal("list", path, value) for value in values]
        return f"{items} && {self.bind(wanted, 'text[]')}"

    def _on_status(self, predicate: Predicate) -> str:
        """The status as shown, and what it says of the status as it is kept, which has an index."""
        shown = self.conditions.on(status_expression(self.bind, self.now), "text", predicate)
        match predicate:
            case Compare(path, "=", value):
                wanted: tuple[Value, ...] = (value,)
            case In(path, values):
                wanted = values
            case _:
                return shown
        names = {self.conditions.literal("text", path, value) for value in wanted}
        kept = {"running" if name == LOST_CONTACT else name for name in names}
        return f"(r.status = any({self.bind(sorted(map(str, kept)), 'text[]')}) and {shown})"

    # Side tables

    def _in_experiments(self, column: ExperimentColumn, predicate: Predicate, negated: bool) -> str:
        """By the set of the experiments that fulfil the predicate: they are few, and found once."""
        if isinstance(predicate, IsNull):
            conditions = [f"{each} is not null" for each in column.expressions]
        else:
            conditions = [self.conditions.on(each, column.kind, predicate) for each in column.expressions]
        table = f"{self.tables.metadata}.experiments e"
        member = f"r.experiment_id in (select e.id from {table} where {' or '.join(conditions)})"
        if negated != isinstance(predicate, IsNull):
            return f"({member}) is not true"
        return f"({member}) is true" if self._tail else member

    def _param(self, key: str, predicate: Predicate) -> Side:
        where = f"p.run_id = r.id and p.key = {self.bind(key, 'text')}"
        return Side(f"{self.tables.metadata}.run_params p", f"{where} and {self._param_condition(predicate)}")

    def _param_condition(self, predicate: Predicate) -> str:
        has_value = "(p.num is not null or p.txt is not null)"
        match predicate:
            case IsNull():
                return has_value
            case In(path, values):
                return self._param_member(path, values)
            case Like() | Contains():
                return self.conditions.on("p.txt", "text", predicate)
            case Between(_, low, _):
                return self.conditions.on(*_param_operand(low), predicate)
            case Compare(_, "!=", value):
                same = self.conditions.on(*_param_operand(value), _equal(predicate))
                return f"({has_value} and ({same}) is not true)"
            case Compare(_, "=", Value(str())):
                return (
                    f"{self._prefix('p.txt', predicate)} and {self.conditions.on('p.txt', 'text', predicate)}"
                )
            case Compare(_, _, value):
                return self.conditions.on(*_param_operand(value), predicate)

    def _param_member(self, path: Path, values: tuple[Value, ...]) -> str:
        numbers = tuple(value for value in values if isinstance(value.value, float))
        texts = tuple(value for value in values if not isinstance(value.value, float))
        parts = []
        if numbers:
            parts.append(self.conditions.on("p.num", "number", In(path, numbers)))
        if texts:
            parts.append(self.conditions.on("p.txt", "text", In(path, texts)))
        return f"({' or '.join(parts)})"

    def _tag(self, key: str, predicate: Predicate) -> Side:
        where = f"t.run_id = r.id and t.key = {self.bind(key, 'text')}"
        match predicate:
            case IsNull():
                condition = "true"
            case Compare(_, "=", _):
                condition = f"{self._prefix('t.value', predicate)} and "
                condition += self.conditions.on("t.value", "text", predicate)
            case _:
                condition = self.conditions.on("t.value", "text", predicate)
        return Side(f"{self.tables.metadata}.run_tags t", f"{where} and {condition}")

    def _prefix(self, operand: str, predicate: Compare) -> str:
        """The indexed beginning of a text that may be too long for an index."""
        text = str(self.conditions.literal("text", predicate.path, predicate.value))
        return f"left({operand}, 200) = {self.bind(text[:200], 'text')}"

    def _metric(self, metric: Metric, predicate: Predicate) -> Side:
        operand, kind = metric_expression(metric)
        condition = (
            f"{operand} is not null"
            if isinstance(predicate, IsNull)
            else self.conditions.on(operand, kind, predicate)
        )
        where = f"s.run_id = r.id and s.key = {self.bind(metric.key, 'text')} and s.rank = {metric.rank}"
        return Side(f"{self.tables.metrics}.summaries s", f"{where} and {condition}")

    def _result(self, result: Result, predicate: Predicate) -> Side:
        where = f"x.run_id = r.id and {result_condition(result, self.bind)}"
        condition = (
            "true" if isinstance(predicate, IsNull) else self.conditions.on("x.value", "number", predicate)
        )
        return Side(f"{self.tables.results} x", f"{where} and {condition}")

    def _test_set(self, predicate: Predicate) -> Side:
        condition = (
            "x.test_set <> ''"
            if isinstance(predicate, IsNull)
            else self.conditions.on("x.test_set", "text", predicate)
        )
        return Side(f"{self.tables.results} x", f"x.run_id = r.id and {condition}")


def status_expression(bind: Binder, now: datetime) -> str:
    """The status as shown: a run that says it runs but gave no sign of life has lost contact."""
    moment = bind(now, "timestamptz")
    silent = f"coalesce(r.heartbeat_at, r.started_at, r.created_at) < {moment} - interval '{LOST_CONTACT_SECONDS} s'"
    return f"case when r.status = 'running' and {silent} then '{LOST_CONTACT}' else r.status end"


def metric_expression(metric: Metric) -> tuple[str, Kind]:
    """(SQL over the alias s of summaries, kind) of a summary's statistic."""
    best = "max_value" if higher_is_better(metric.key) else "min_value"
    match metric.stat:
        case "best":
            return f"s.{best}", "number"
        case "step" | "time":
            return f"s.last_{metric.stat}", "number" if metric.stat == "step" else "time"
        case "count" | "nans":
            return f"s.{metric.stat}", "number"
        case "mean":
            return "s.sum_value::float8 / nullif(s.count - s.nans, 0)", "number"
        case _:
            return f"s.{metric.stat}_value", "number"


def result_condition(result: Result, bind: Binder) -> str:
    """The rows of a result, over the alias x of test_set_results; literals where an index is partial."""
    speaker = bind(result.speaker, "text") if result.speaker else "''"
    decoding = bind(result.decoding, "text") if result.decoding else "''"
    return (
        f"x.metric = {bind(result.metric, 'text')} and x.test_set = {bind(result.test_set, 'text')} "
        f"and x.speaker = {speaker} and x.decoding = {decoding}"
    )


def _plain(condition: str, negated: bool) -> str:
    return f"({condition}) is not true" if negated else condition


def _param_operand(value: Value) -> tuple[str, Kind]:
    """Numbers compare with numbers; texts, true and false with texts."""
    return ("p.num", "number") if isinstance(value.value, float) else ("p.txt", "text")


def _equal(predicate: Compare) -> Compare:
    return Compare(predicate.path, "=", predicate.value)
