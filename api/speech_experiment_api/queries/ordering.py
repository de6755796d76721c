"""The order of a search, as sort keys that a page can be continued from.

Runs without a value come last whichever way the rest is sorted; NaN counts as no value; ties are
broken by id, in the direction of the last term.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from .conditions import NOT_NAN, TYPES
from .fields import Column, ExperimentColumn, Metric, Param, Result, Tag, TestSet, resolve
from .predicates import metric_expression, result_condition, status_expression
from .sql import Binder, Tables
from .syntax import FilterError, Path, Term

NEWEST_FIRST = Term(Path("created", text="created"), descending=True)


@dataclass(frozen=True, slots=True)
class Source:
    """The rows of a side table that hold a sort key.

    alias      one row a run, with the column run_id
    where      which rows, over the alias
    indexed    whether an index has them in the key's order; else they are sorted when asked for
    """

    table: str
    alias: str
    where: str
    indexed: bool = True


@dataclass(frozen=True, slots=True)
class SortKey:
    """expression: over the source's alias if there is one, else over the alias r of runs."""

    expression: str
    type: str
    descending: bool
    source: Source | None = None
    never_null: bool = False

    @property
    def over_runs(self) -> str:
        """The key as an expression over the alias r."""
        if self.source is None:
            return self.expression
        source = self.source
        where = f"{source.alias}.run_id = r.id and {source.where}"
        return f"(select {self.expression} from {source.table} {source.alias} where {where} limit 1)"


class Ordering:
    """Sort keys of the terms of an order. Raises FilterError for what has no order."""

    def __init__(self, tables: Tables, bind: Binder, now: datetime) -> None:
        self.tables = tables
        self.bind = bind
        self.now = now

    def keys(self, terms: Sequence[Term]) -> tuple[SortKey, ...]:
        return tuple(key for term in terms or (NEWEST_FIRST,) for key in self._of(term))

    def _of(self, term: Term) -> list[SortKey]:
        """A term's keys; a param has two, as numbers come before texts."""
        down = term.descending
        match resolve(term.path):
            case Column(kind="list") | TestSet():
                raise FilterError(f"{term.path} has many values, and no order", term.path.position)
            case Column(name="status"):
                return [SortKey(status_expression(self.bind, self.now), "text", down, never_null=True)]
            case Column(_, expression, kind, nullable):
                return [SortKey(expression, TYPES[kind], down, never_null=not nullable)]
            case ExperimentColumn() as column:
                return [self._experiment(column, down)]
            case Param(key):
                return self._param(key, down)
            case Tag(key):
                where = f"t.key = {self.bind(key, 'text')}"
                source = Source(f"{self.tables.metadata}.run_tags", "t", where)
                return [SortKey("left(t.value, 200)", "text", down, source)]
            case Metric() as metric:
                return [self._metric(metric, down)]
            case Result() as result:
                return [self._result(result, down)]

    def _experiment(self, column: ExperimentColumn, down: bool) -> SortKey:
        table = f"{self.tables.metadata}.experiments"
        expression = f"(select {column.expressions[0]} from {table} e where e.id = r.experiment_id)"
        return SortKey(expression, TYPES[column.kind], down)

    def _param(self, key: str, down: bool) -> list[SortKey]:
        table, where = f"{self.tables.metadata}.run_params", f"p.key = {self.bind(key, 'text')}"
        numbers = Source(table, "p", f"{where} and p.num < {NOT_NAN}")
        texts = Source(table, "p", f"{where} and p.txt is not null")
        return [
            SortKey("p.num", "float8", down, numbers),
            SortKey("left(p.txt, 200)", "text", down, texts),
        ]

    def _metric(self, metric: Metric, down: bool) -> SortKey:
        expression, kind = metric_expression(metric)
        condition = f"{expression} < {NOT_NAN}" if kind == "number" else f"{expression} is not null"
        where = f"s.key = {self.bind(metric.key, 'text')} and s.rank = {metric.rank} and {condition}"
        indexed = metric.stat == "last" and metric.rank == 0
        source = Source(f"{self.tables.metrics}.summaries", "s", where, indexed)
        return SortKey(expression, TYPES[kind], down, source)

    def _result(self, result: Result, down: bool) -> SortKey:
        """Where several names mean the same result, the newest counts."""
        table = f"{self.tables.results}"
        newer = (
            f"select from {table} n where n.run_id = x.run_id and n.metric = x.metric and n.test_set = x.test_set "
            f"and n.speaker = x.speaker and n.decoding = x.decoding "
            f'and (n."offset", n.key) > (x."offset", x.key) offset 0'
        )
        where = f"{result_condition(result, self.bind)} and x.value < {NOT_NAN} and not exists ({newer})"
        indexed = not (result.speaker or result.decoding)
        return SortKey("x.value", "float8", down, Source(table, "x", where, indexed))


def order_by(keys: Sequence[SortKey], columns: Sequence[str], identity: str) -> str:
    """The ORDER BY list over columns that hold the keys' values."""
    terms = [
        f"{column} {'desc' if key.descending else 'asc'} nulls last"
        for key, column in zip(keys, columns, strict=True)
    ]
    return ", ".join([*terms, f"{identity} {'desc' if keys[-1].descending else 'asc'}"])


def beyond(
    keys: Sequence[SortKey], columns: Sequence[str], identity: str, values: Sequence[str | None], last: str
) -> str:
    """The condition on rows behind the row with these key values (placeholders; None: null) and id."""
    tie = f"{identity} {'<' if keys[-1].descending else '>'} {last}"
    for key, column, value in reversed(list(zip(keys, columns, values, strict=True))):
        if value is None:
            tie = f"({column} is null and {tie})"
            continue
        sign = "<" if key.descending else ">"
        null = "" if key.never_null else f" or {column} is null"
        tie = f"({column} {sign} {value}{null} or ({column} = {value} and {tie}))"
    return tie
