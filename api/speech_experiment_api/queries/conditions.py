"""One comparison of one operand as SQL, by the operand's kind."""

from __future__ import annotations

from datetime import datetime

from .fields import Kind
from .literals import boolean_of, moment_of, number_of, seconds_of, text_of, uuid_of
from .sql import Binder
from .syntax import (
    Between,
    Compare,
    ComparisonOperator,
    Contains,
    FilterError,
    In,
    IsNull,
    Like,
    Path,
    Predicate,
    Value,
)

TYPES: dict[Kind, str] = {
    "text": "text",
    "number": "float8",
    "time": "timestamptz",
    "duration": "float8",
    "boolean": "boolean",
    "uuid": "uuid",
    "list": "text",
}
#: Postgres holds NaN equal to itself and above every number; a filter holds it to be no number at all.
NOT_NAN = "'NaN'::float8"


class Conditions:
    """Comparisons as SQL conditions; what an operand without a value yields is null or false."""

    def __init__(self, bind: Binder, now: datetime) -> None:
        self.bind = bind
        self.now = now

    def on(self, operand: str, kind: Kind, predicate: Predicate) -> str:
        """The condition of `predicate` on an SQL expression of `kind`. Raises FilterError."""
        match predicate:
            case IsNull():
                return f"{operand} is null"
            case Compare(path, operator, value):
                return self._compare(operand, kind, path, operator, value)
            case Between(path, low, high):
                low_side = self._compare(operand, kind, path, ">=", low)
                return f"({low_side} and {self._compare(operand, kind, path, '<=', high)})"
            case In(path, values):
                return self._member(operand, kind, path, values)
            case Like(path, pattern, ignore_case):
                return self._like(_as_text(operand, kind, path), path, pattern, ignore_case)
            case Contains(path, value):
                part = self.bind(text_of(path, value).lower(), "text")
                return f"strpos(lower({_as_text(operand, kind, path)}), {part}) > 0"

    def _compare(
        self, operand: str, kind: Kind, path: Path, operator: ComparisonOperator, value: Value
    ) -> str:
        if kind == "time":
            return self._compare_moments(operand, path, operator, value)
        if kind in ("boolean", "uuid") and operator not in ("=", "!="):
            raise FilterError(f"{path} has no order", path.position, "compare it by = or !=")
        other = self.bind(self.literal(kind, path, value), TYPES[kind])
        condition = f"{operand} {_SQL[operator]} {other}"
        if kind in ("number", "duration") and operator in (">", ">="):
            return f"({condition} and {operand} < {NOT_NAN})"
        return condition

    def _compare_moments(self, operand: str, path: Path, operator: ComparisonOperator, value: Value) -> str:
        moment = moment_of(path, value, self.now)
        if not moment.whole_day:
            return f"{operand} {_SQL[operator]} {self.bind(moment.start, 'timestamptz')}"
        if operator in ("<=", ">"):
            word = "<" if operator == "<=" else ">="
            return f"{operand} {word} {self.bind(moment.end, 'timestamptz')}"
        start = self.bind(moment.start, "timestamptz")
        if operator in ("<", ">="):
            return f"{operand} {operator} {start}"
        end = self.bind(moment.end, "timestamptz")
        if operator == "=":
            return f"({operand} >= {start} and {operand} < {end})"
        return f"({operand} < {start} or {operand} >= {end})"

    def _member(self, operand: str, kind: Kind, path: Path, values: tuple[Value, ...]) -> str:
        if kind == "time":
            return f"({' or '.join(self._compare(operand, kind, path, '=', each) for each in values)})"
        items = [self.literal(kind, path, each) for each in values]
        return f"{operand} = any({self.bind(items, TYPES[kind] + '[]')})"

    def _like(self, operand: str, path: Path, pattern: Value, ignore_case: bool) -> str:
        text = text_of(path, pattern)
        if (len(text) - len(text.rstrip("\\"))) % 2:
            raise FilterError(f"the pattern {pattern.text} ends in a single backslash", pattern.position)
        return f"{operand} {'ilike' if ignore_case else 'like'} {self.bind(text, 'text')}"

    def literal(self, kind: Kind, path: Path, value: Value) -> object:
        match kind:
            case "number":
                return number_of(path, value)
            case "duration":
                return seconds_of(path, value)
            case "boolean":
                return boolean_of(path, value)
            case "uuid":
                return uuid_of(path, value)
            case _:
                return text_of(path, value)


_SQL: dict[ComparisonOperator, str] = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def _as_text(operand: str, kind: Kind, path: Path) -> str:
    if kind in ("text", "list"):
        return operand
    if kind == "uuid":
        return f"{operand}::text"
    raise FilterError(f"{path} is no text", path.position, "compare it by = != < <= > >=")
