"""Groups of the runs that a filter takes, with statistics of chosen numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..problems import bad_request
from .details import json_object
from .fields import Column, Param, TestSet, resolve
from .grammar import parse_path
from .needs import needs_of
from .ordering import Ordering
from .plans import Planner, Question
from .sql import Binder
from .syntax import FilterError, Path, Term

if TYPE_CHECKING:
    from .reading import Reading

MAX_GROUPS = 1_000
MAX_FIELDS = 4
MAX_NUMBERS = 10


async def groups_of(read: Reading, question: Question) -> list[msgspec.Raw]:
    """The groups as JSON, the largest first; see documents.Group.

    A run with several values of a list (languages, test sets) counts in each of their groups.

    Raises:
        FilterError: a field that there is none, or that is no number.
    """
    parameters = read.request.query_params
    fields = _paths(parameters.get("group_by", ""), "group_by", MAX_FIELDS)
    numbers = _paths(parameters.get("aggregate", ""), "aggregate", MAX_NUMBERS)
    if not fields:
        raise bad_request("name at least one field, e.g. group_by=model_type", "group_by")
    await read.world.fields(needs_of(question.query, (*fields, *numbers)))
    bind = Binder()
    sql = _Groups(read, question, bind).statement(fields, numbers)
    return [msgspec.Raw(row[0].encode()) for row in await read.fetch(sql, *bind.values)]


class _Groups:
    def __init__(self, read: Reading, question: Question, bind: Binder) -> None:
        self.tables, self.question, self.bind = read.tables, question, bind
        self.joins: list[str] = []

    def statement(self, fields: list[Path], numbers: list[Path]) -> str:
        keys = [self._key(path, i) for i, path in enumerate(fields)]
        values = [self._number(path) for path in numbers]
        selected = [f"{sql} as g{i}" for i, sql in enumerate(keys)]
        selected += [f"{sql}::float8 as v{i}" for i, sql in enumerate(values)]
        where = Planner(self.tables, self.question).conditions(self.bind, probing=False)
        found = f"select {', '.join(selected)} from {self.tables.metadata}.runs r {' '.join(self.joins)} where {where}"
        by = json_object({str(path): f"g{i}" for i, path in enumerate(fields)}, self.bind)
        statistics = json_object(
            {str(path): _statistics(f"v{i}") for i, path in enumerate(numbers)}, self.bind
        )
        grouped = ", ".join(f"g{i}" for i in range(len(keys)))
        return (
            f"with found as materialized ({found}) "
            f"select json_build_object('by', {by}, 'count', count(*), 'values', {statistics})::text "
            f"from found group by {grouped} order by count(*) desc, {grouped} limit {MAX_GROUPS}"
        )

    def _key(self, path: Path, index: int) -> str:
        """The group's value as jsonb, over r and the joins."""
        match resolve(path):
            case Column(kind="list") as column:
                self.joins.append(f"left join lateral unnest({column.expression}) as l{index}(item) on true")
                return f"to_jsonb(l{index}.item)"
            case TestSet():
                table = f"{self.tables.results}"
                sets = f"select distinct x.test_set as item from {table} x where x.run_id = r.id and x.test_set <> ''"
                self.joins.append(f"left join lateral ({sets}) l{index} on true")
                return f"to_jsonb(l{index}.item)"
            case Param(key):
                where = f"p.run_id = r.id and p.key = {self.bind(key, 'text')}"
                value = "coalesce(to_jsonb(p.num), to_jsonb(p.txt))"
                return f"(select {value} from {self.tables.metadata}.run_params p where {where})"
            case _:
                return f"to_jsonb({self._sort_key(path)[0]})"

    def _number(self, path: Path) -> str:
        expression, kind = self._sort_key(path)
        if kind != "float8":
            raise FilterError(
                f"{path} is no number", path.position, "aggregate metrics, results, numeric columns"
            )
        return expression

    def _sort_key(self, path: Path) -> tuple[str, str]:
        key = Ordering(self.tables, self.bind, self.question.now).keys([Term(path)])[0]
        return key.over_runs, key.type


def _statistics(value: str) -> str:
    return (
        f"json_build_object('count', count({value}), 'mean', avg({value}), 'sd', stddev_samp({value}), "
        f"'min', min({value}), 'max', max({value}))"
    )


def _paths(text: str, field: str, most: int) -> list[Path]:
    """Fields separated by commas outside of brackets and quotes."""
    parts: list[str] = [""]
    depth, quote = 0, ""
    for character in text:
        if character == "," and not depth and not quote:
            parts.append("")
            continue
        if character in "'\"":
            quote = "" if quote == character else quote or character
        depth += {"[": 1, "]": -1}.get(character, 0) if not quote else 0
        parts[-1] += character
    paths = [parse_path(part) for part in parts if part.strip()]
    if len(paths) > most:
        raise bad_request(f"at most {most} fields are allowed, got {len(paths)}", field)
    return paths
