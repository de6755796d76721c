"""The SQL of a page of run ids, in two ways with the same answer.

*Walking* looks at a bounded number of candidates in the wanted order, on an index, and stops when the
page is full: right when many runs match. *Gathering* lets the planner start from the conditions, takes
all that match, and sorts: right when few do. A search walks a little, and from what it found there
walks on or gathers, so neither a broad nor a narrow filter costs more than its share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, log2

from .cursors import Cursor
from .ordering import NEWEST_FIRST, Ordering, SortKey, Source, beyond, order_by
from .predicates import Predicates
from .sql import Binder, Tables
from .syntax import Query, Term
from .visibility import Scope, visible

FEWEST_CANDIDATES, MOST_CANDIDATES = 128, 4_096
_SPARE = 1.5
"""How many more candidates to look at than the page probably needs."""
_GATHERED = 2.0
"""What a run that is gathered costs, in candidates that are walked over."""


@dataclass(frozen=True, slots=True)
class Question:
    """A search: everything that its answer depends on but the data."""

    query: Query
    scope: Scope
    now: datetime


@dataclass(frozen=True, slots=True)
class Statement:
    """One query for rows (id, k0, k1 …), the sort keys' values.

    keys         how many sort keys there are
    phase        the one that the rows have in k0, if they have one alone; beyond the last: none
    candidates   the runs it looks at, at most; 0 for all. When bounded and the page is not full, the
                 last row has the id null and in `seen` how many it saw
    """

    sql: str
    args: Sequence[object]
    keys: int
    phase: int | None = None
    candidates: int = 0

    def values(self, row: Sequence[object]) -> tuple[object, ...]:
        """The sort keys' values of a row, null where it has none."""
        if self.phase is None:
            return tuple(row[1 : 1 + self.keys])
        return tuple(row[1] if index == self.phase else None for index in range(self.keys))


class Planner:
    """Makes the statements of one search. Raises FilterError when the filter does not fit the data."""

    def __init__(self, tables: Tables, question: Question) -> None:
        self.tables = tables
        self.question = question

    def phases(self, after: Cursor | None) -> list[int | None]:
        """The parts to walk through, in order: one for each sort key, then the runs without any.

        [None] is a walk in one part; nothing is to be walked where no index has the wanted order.
        """
        keys = self.ordering(Binder())
        if len(self._terms()) > 1 or (keys[0].source is None and not by_creation(keys)):
            return []
        if keys[0].source is None:
            return [None]
        first = 0 if after is None else _phase_of(after, len(keys))
        return list(range(first, len(keys) + 1))

    def first_candidates(self, limit: int) -> int:
        """How many runs to look at first: all at once where they must be sorted for it."""
        source = self.ordering(Binder())[0].source
        if source is not None and not source.indexed:
            return MOST_CANDIDATES
        return min(MOST_CANDIDATES, max(FEWEST_CANDIDATES, _power(2 * limit)))

    def walk(self, phase: int | None, after: Cursor | None, limit: int, candidates: int) -> Statement:
        """The bounded statement of a phase."""
        bind = Binder()
        return _Walk(self, bind, self.ordering(bind), phase, after).statement(limit, candidates)

    def gather(self, after: Cursor | None, limit: int) -> Statement:
        """The complete statement."""
        bind = Binder()
        keys = self.ordering(bind)
        columns = [f"k{i}" for i in range(len(keys))]
        selected = ", ".join(
            f"{key.over_runs} as {column}" for key, column in zip(keys, columns, strict=True)
        )
        found = (
            f"select r.id, {selected} from {self.tables.metadata}.runs r where {self.conditions(bind, False)}"
        )
        behind = _behind(keys, columns, after, bind) if after else ""
        sql = (
            f"with found as materialized ({found}) select id, {', '.join(columns)} from found{behind} "
            f"order by {order_by(keys, columns, 'id')} limit {limit}"
        )
        return Statement(sql, bind.values, len(keys))

    def conditions(self, bind: Binder, probing: bool) -> str:
        """What the runs (alias r) of the answer fulfil."""
        where = self.question.query.where
        seen = visible(self.tables, bind, self.question.scope)
        if where is None:
            return seen
        return f"{seen} and {Predicates(self.tables, bind, self.question.now, probing).compile(where)}"

    def ordering(self, bind: Binder) -> tuple[SortKey, ...]:
        return Ordering(self.tables, bind, self.question.now).keys(self._terms())

    def _terms(self) -> tuple[Term, ...]:
        return self.question.query.order or (NEWEST_FIRST,)


class _Walk:
    """The statement of one phase of a walk."""

    def __init__(
        self,
        planner: Planner,
        bind: Binder,
        keys: Sequence[SortKey],
        phase: int | None,
        after: Cursor | None,
    ) -> None:
        self.planner, self.bind, self.keys, self.phase = planner, bind, keys, phase
        here = after is not None and (phase is None or phase == _phase_of(after, len(keys)))
        self.after = after if here else None
        self.runs = f"{planner.tables.metadata}.runs"
        self.direction = "desc" if keys[-1].descending else "asc"

    def statement(self, limit: int, candidates: int) -> Statement:
        """Rows of the page, and after them the number of candidates seen when they were not enough."""
        source = self._candidates(candidates)
        page = f"{self._page(source)} limit {limit}"
        sql = (
            f"with page as materialized ({page}) select id, k0, null::bigint as seen from page "
            f"union all select null, null, (select count(*) from ({source}) seen) "
            f"where (select count(*) from page) < {limit}"
        )
        return Statement(sql, self.bind.values, len(self.keys), self.phase, candidates)

    def _page(self, source: str) -> str:
        where = self.planner.conditions(self.bind, probing=True)
        d = self.direction
        if self.phase is None:
            return (
                f"select r.id, r.created_at as k0 from ({source}) r where {where} order by k0 {d}, r.id {d}"
            )
        if self.phase < len(self.keys):
            runs = f"({source}) c join {self.runs} r on r.id = c.run_id"
            return f"select r.id, c.k0 from {runs} where {where} order by c.k0 {d}, c.run_id {d}"
        without = " and ".join(_without(key) for key in self.keys)
        return f"select r.id, null as k0 from ({source}) r where {where} and {without} order by r.id {d}"

    def _candidates(self, bound: int) -> str:
        if self.phase is not None and self.phase < len(self.keys):
            return self._from_source(self.keys[self.phase], bound)
        columns = ("r.created_at", "r.id") if self.phase is None else ("r.id",)
        workspace = self.bind(self.planner.question.scope.workspace, "text")
        where = f"r.workspace = {workspace}{self._behind(*columns)}"
        order = ", ".join(f"{column} {self.direction}" for column in columns)
        return f"select r.* from {self.runs} r where {where} order by {order} limit {bound}"

    def _from_source(self, key: SortKey, bound: int) -> str:
        source, d = _source(key), self.direction
        identity = f"{source.alias}.run_id"
        where = f"{source.where}{self._behind(key.expression, identity)}"
        return (
            f"select {identity}, {key.expression} as k0 from {source.table} {source.alias} "
            f"where {where} order by {key.expression} {d}, {identity} {d} limit {bound}"
        )

    def _behind(self, *columns: str) -> str:
        """The row comparison with the cursor, when it ended in this phase."""
        if self.after is None:
            return ""
        values = []
        if len(columns) > 1:
            index = self.phase or 0
            values.append(self.bind(self.after.values[index], self.keys[index].type))
        values.append(self.bind(self.after.last_id, "uuid"))
        sign = "<" if self.direction == "desc" else ">"
        return f" and ({', '.join(columns)}) {sign} ({', '.join(values)})"


def gathers(share: float, runs: float, limit: int) -> bool:
    """Whether taking all that match costs less than walking on, when that share of the candidates matched.

    runs  how many there are; negative while nobody knows
    """
    return share == 0 or 0 <= _GATHERED * share * runs < _SPARE * limit / share


def enough(seen: int, share: float, limit: int) -> int:
    """How many candidates probably fill the page: a power of two above `seen`."""
    return max(2 * seen, _power(_SPARE * limit / share))


def _power(least: float) -> int:
    return 1 << ceil(log2(least))


def by_creation(keys: Sequence[SortKey]) -> bool:
    """Whether the order is that of the index that every workspace is listed by."""
    return len(keys) == 1 and keys[0].expression == "r.created_at"


def _phase_of(cursor: Cursor, keys: int) -> int:
    """The sort key that the row had; beyond the last: none."""
    return next((i for i, value in enumerate(cursor.values) if value is not None), keys)


def _behind(keys: Sequence[SortKey], columns: Sequence[str], after: Cursor, bind: Binder) -> str:
    pairs = zip(keys, after.values, strict=True)
    values = [None if value is None else bind(value, key.type) for key, value in pairs]
    return f" where {beyond(keys, columns, 'id', values, bind(after.last_id, 'uuid'))}"


def _without(key: SortKey) -> str:
    source = _source(key)
    where = f"{source.alias}.run_id = r.id and {source.where}"
    return f"not exists (select from {source.table} {source.alias} where {where} offset 0)"


def _source(key: SortKey) -> Source:
    if key.source is None:
        raise ValueError(f"{key.expression} has no index to walk")
    return key.source
