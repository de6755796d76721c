"""From the parser's tree to the values of syntax.py."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from .syntax import (
    And,
    Between,
    Compare,
    ComparisonOperator,
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
    Query,
    Term,
    Value,
)

if TYPE_CHECKING:
    from lark import Token

MAX_TERMS = 200
MAX_DEPTH = 40
MAX_ORDER_TERMS = 8
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Builder:
    """Tree → values, bottom up without recursion in the depth of the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.terms = 0

    def build(self, tree: Any) -> object:
        from lark import Tree

        built: dict[int, object] = {}
        for node in tree.iter_subtrees():
            children = [built[id(child)] if isinstance(child, Tree) else child for child in node.children]
            built[id(node)] = getattr(self, f"_{node.data}")(node, children)
        return built[id(tree)]

    def _query(self, _: Any, children: list[Any]) -> Query:
        found = [child for child in children if child is not None]
        where = next((child for child in found if isinstance(child, Expression)), None)
        order = next((child for child in found if isinstance(child, tuple)), ())
        if where is not None:
            _check_depth(where)
        return Query(where, order)

    def _order_terms(self, _: Any, children: list[Any]) -> tuple[Term, ...]:
        if len(children) > MAX_ORDER_TERMS:
            raise FilterError(f"order has {len(children)} terms, at most {MAX_ORDER_TERMS} are allowed")
        return tuple(children)

    def _term(self, _: Any, children: list[Any]) -> Term:
        return Term(children[0], any(_is(child, "DESC") for child in children[1:]))

    def _any_of(self, _: Any, children: list[Any]) -> Expression:
        return Or(tuple(children)) if len(children) > 1 else cast("Expression", children[0])

    def _all_of(self, _: Any, children: list[Any]) -> Expression:
        return And(tuple(children)) if len(children) > 1 else cast("Expression", children[0])

    def _negated(self, _: Any, children: list[Any]) -> Expression:
        return _negation(children[-1])

    def _nested(self, _: Any, children: list[Any]) -> Expression:
        return cast("Expression", children[0])

    def _compare(self, _: Any, children: list[Any]) -> Expression:
        path, token, value = children
        operator = {"<>": "!=", "==": "="}.get(str(token), str(token))
        return self._counted(Compare(path, cast("ComparisonOperator", operator), value))

    def _member(self, _: Any, children: list[Any]) -> Expression:
        values = tuple(child for child in children if isinstance(child, Value))
        self.terms += len(values) // 20
        return self._perhaps_not(In(children[0], values), children)

    def _like(self, _: Any, children: list[Any]) -> Expression:
        ignore_case = any(_is(child, "ILIKE") for child in children)
        return self._perhaps_not(Like(children[0], children[-1], ignore_case), children)

    def _contains(self, _: Any, children: list[Any]) -> Expression:
        return self._perhaps_not(Contains(children[0], children[-1]), children)

    def _between(self, _: Any, children: list[Any]) -> Expression:
        return self._perhaps_not(Between(children[0], children[-2], children[-1]), children)

    def _is_null(self, _: Any, children: list[Any]) -> Expression:
        return self._perhaps_not(IsNull(children[0]), children)

    def _perhaps_not(self, predicate: Expression, children: list[Any]) -> Expression:
        self._counted(predicate)
        return Not(predicate) if any(_is(child, "NOT") for child in children) else predicate

    def _counted(self, predicate: Expression) -> Expression:
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise FilterError(f"filter has more than {MAX_TERMS} comparisons; narrow it down")
        return predicate

    def _path(self, node: Any, children: list[Any]) -> Path:
        root, selectors = children[0], children[1:]
        parts = [(part, quoted) for part, quoted, _ in selectors if part is not None]
        return Path(
            str(root),
            tuple(part for part, _ in parts),
            tuple(quoted for _, quoted in parts),
            tuple(option for _, _, options in selectors for option in options),
            root.start_pos,
            self.text[root.start_pos : node.meta.end_pos],
        )

    def _dotted(self, _: Any, children: list[Any]) -> tuple[str, bool, tuple[()]]:
        return str(children[0]), False, ()

    def _bracketed(self, _: Any, children: list[Any]) -> tuple[str | None, bool, tuple[Any, ...]]:
        if isinstance(children[0], tuple):
            return None, True, tuple(children)
        return _unquote(children[0]), True, tuple(children[1:])

    def _option(self, _: Any, children: list[Any]) -> tuple[str, str]:
        name, value = children
        return str(name), _unquote(value) if value.type == "STRING" else str(value)

    def _text(self, _: Any, children: list[Any]) -> Value:
        return _value(children[0], _unquote(children[0]))

    def _number(self, _: Any, children: list[Any]) -> Value:
        number = float(children[0])
        if math.isinf(number):
            raise FilterError(f"{children[0]} is too large for a number", children[0].start_pos)
        return _value(children[0], number)

    def _duration(self, _: Any, children: list[Any]) -> Value:
        return _value(children[0], _timedelta(children[0]))

    def _true(self, _: Any, children: list[Any]) -> Value:
        return _value(children[0], True)

    def _false(self, _: Any, children: list[Any]) -> Value:
        return _value(children[0], False)

    def _now(self, _: Any, children: list[Any]) -> Value:
        shift = _timedelta(children[2]) if children[2] is not None else timedelta()
        return _value(children[0], Now(-shift if _is(children[1], "SIGN") and children[1] == "-" else shift))


def _is(item: object, kind: str) -> bool:
    return getattr(item, "type", None) == kind


def _value(token: Token, value: str | float | timedelta | Now) -> Value:
    return Value(value, token.start_pos or 0, str(token))


def _unquote(token: Token) -> str:
    quote = token[0]
    return token[1:-1].replace(quote * 2, quote)


def _timedelta(token: Token) -> timedelta:
    try:
        return timedelta(**{_UNITS[token[-1]]: float(token[:-1])})
    except OverflowError:
        raise FilterError(f"{token} is too long a time", token.start_pos) from None


def _negation(expression: Expression) -> Expression:
    return expression.operand if isinstance(expression, Not) else Not(expression)


def _check_depth(expression: Expression, depth: int = 1) -> None:
    if depth > MAX_DEPTH:
        raise FilterError(f"filter is nested more than {MAX_DEPTH} deep; flatten it")
    match expression:
        case And(operands) | Or(operands):
            for operand in operands:
                _check_depth(operand, depth + 1)
        case Not(operand):
            _check_depth(operand, depth + 1)
        case _:
            pass
