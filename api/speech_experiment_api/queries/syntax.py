"""What a filter means, as values: the tree that the grammar makes and the compiler reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal as OneOf

ComparisonOperator = OneOf["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Path:
    """A field as written: `params.a['b c']`, `metrics.loss.min`, `wer['test-clean', speaker='1272']`.

    root       the first name
    parts      what follows it, by dots and brackets; quoted[i] tells whether parts[i] was in brackets
    options    name=value pairs in brackets
    position   where it starts in the text, from 0
    """

    root: str
    parts: tuple[str, ...] = ()
    quoted: tuple[bool, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    position: int = 0
    text: str = ""

    def __str__(self) -> str:
        return self.text or ".".join((self.root, *self.parts))


@dataclass(frozen=True, slots=True)
class Value:
    """A literal. A moment relative to now is a `Now`; everything else is a Python value."""

    value: str | float | bool | timedelta | Now
    position: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Now:
    """`now() - 7d`: the moment of the question, shifted."""

    shift: timedelta


@dataclass(frozen=True, slots=True)
class Compare:
    path: Path
    operator: ComparisonOperator
    value: Value


@dataclass(frozen=True, slots=True)
class In:
    path: Path
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Like:
    """SQL's LIKE: % is any text, _ any character; `ignore_case` for ILIKE."""

    path: Path
    pattern: Value
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class Contains:
    """A part of a text, upper and lower case alike, or an item of a list."""

    path: Path
    value: Value


@dataclass(frozen=True, slots=True)
class Between:
    """Both ends included."""

    path: Path
    low: Value
    high: Value


@dataclass(frozen=True, slots=True)
class IsNull:
    path: Path


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression


@dataclass(frozen=True, slots=True)
class And:
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    operands: tuple[Expression, ...]


Predicate = Compare | In | Like | Contains | Between | IsNull
Expression = Predicate | Not | And | Or


@dataclass(frozen=True, slots=True)
class Term:
    """One term of an order; runs without the value come last either way."""

    path: Path
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed filter: which runs, in which order. None and () where nothing was said."""

    where: Expression | None = None
    order: tuple[Term, ...] = ()


class FilterError(ValueError):
    """A filter that cannot be understood; says where, and what to write instead.

    position   offset in the text, from 0; None when no place is to blame
    hint       what was expected there, or the nearest name that exists
    """

    def __init__(self, message: str, position: int | None = None, hint: str = "") -> None:
        super().__init__(message if not hint else f"{message}; {hint}")
        self.position = position
        self.hint = hint
