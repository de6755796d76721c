"""The filter language: text → `Query`.

    task = 'asr' and params.encoder_layers >= 12 and not tags.stage = 'draft' order by metrics.val_wer

Operators = != < <= > >= · in, like, ilike, contains, between … and …, is null, each also with not ·
and, or, not, parentheses. Texts in single or double quotes (doubled inside to mean the quote itself),
numbers, true, false, moments ('2026-11-01', now() - 7d), durations (90s, 5m, 2h, 7d, 2w).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from .builder import Builder
from .syntax import FilterError, Path, Query, Term

if TYPE_CHECKING:
    from lark import Lark

MAX_LENGTH = 8_000

GRAMMAR = r"""
query: [expression] [_order]
order_terms: term ("," term)*
_order: ORDER BY order_terms
term: path [ASC | DESC]

?expression: conjunction (_OR conjunction)* -> any_of
?conjunction: negation (_AND negation)*     -> all_of
?negation: NOT negation                     -> negated
         | "(" expression ")"               -> nested
         | predicate
predicate: path COMPARISON value                     -> compare
         | path [NOT] IN "(" value ("," value)* ")"  -> member
         | path [NOT] (LIKE | ILIKE) value           -> like
         | path [NOT] CONTAINS value                 -> contains
         | path [NOT] BETWEEN value _AND value       -> between
         | path IS [NOT] NULL                        -> is_null

path: NAME selector*
selector: "." SEGMENT                                -> dotted
        | "[" STRING "]"                             -> bracketed
        | "[" STRING ("," option)+ "]"               -> bracketed
        | "[" option ("," option)* "]"               -> bracketed
option: NAME "=" (STRING | NUMBER)

value: STRING                          -> text
     | NUMBER                          -> number
     | DURATION                        -> duration
     | TRUE                            -> true
     | FALSE                           -> false
     | NOW "(" ")" [SIGN DURATION]     -> now

COMPARISON: "!=" | "<>" | "<=" | ">=" | "==" | "=" | "<" | ">"
SIGN: "+" | "-"
STRING: /'(?:[^']|'')*'|"(?:[^"]|"")*"/
DURATION.3: /[0-9]+(?:\.[0-9]+)?(?:s|m|h|d|w)\b/
NUMBER.2: /[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/
SEGMENT: /[\w@\/:%+-]+/
NAME: /[^\W\d]\w*/
_AND.4: /and\b/i
_OR.4: /or\b/i
NOT.4: /not\b/i
IN.4: /in\b/i
LIKE.4: /like\b/i
ILIKE.4: /ilike\b/i
CONTAINS.4: /contains\b/i
BETWEEN.4: /between\b/i
IS.4: /is\b/i
NULL.4: /null\b/i
TRUE.4: /true\b/i
FALSE.4: /false\b/i
NOW.4: /now\b/i
ORDER.4: /order\b/i
BY.4: /by\b/i
ASC.4: /asc\b/i
DESC.4: /desc\b/i
%ignore /\s+/
"""

_EXPECTED = {
    "NAME": "a field",
    "SEGMENT": "a name after the dot",
    "STRING": "a text in quotes",
    "NUMBER": "a number",
    "DURATION": "a duration such as 7d",
    "COMPARISON": "= != < <= > >=",
    "SIGN": "+ or -",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "DOT": ".",
    "COMMA": ",",
    "EQUAL": "=",
    "NOW": "now()",
    "$END": "the end",
}


def parse_filter(text: str) -> Query:
    """A whole filter, with or without `order by`; the empty text takes every run.

    Raises:
        FilterError: what is wrong, where, and what was expected there.
    """
    return cast("Query", _parse(text, "query"))


def parse_order(text: str) -> tuple[Term, ...]:
    """The terms of an order alone: `metrics.val_wer desc, name`. Raises FilterError."""
    return cast("tuple[Term, ...]", _parse(text, "order_terms")) if text.strip() else ()


def parse_path(text: str) -> Path:
    """One field: `params['a b']`. Raises FilterError."""
    return cast("Path", _parse(text, "path"))


def _parse(text: str, start: str) -> object:
    from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

    if len(text) > MAX_LENGTH:
        raise FilterError(f"filter has {len(text)} characters, at most {MAX_LENGTH} are allowed")
    if "\0" in text:
        raise FilterError("filter contains a NUL character", text.index("\0"), "remove it")
    try:
        return Builder(text).build(_parser().parse(text, start=start))
    except UnexpectedToken as error:
        position = len(text) if error.token.type == "$END" else int(error.token.start_pos or 0)
        raise FilterError(
            _found(text, position), position, _expected(error.accepts or error.expected)
        ) from None
    except UnexpectedCharacters as error:
        position = error.pos_in_stream or 0
        raise FilterError(_found(text, position), position, _expected(error.allowed or ())) from None
    except VisitError as error:
        raise error.orig_exc from None
    except UnexpectedInput as error:
        raise FilterError(str(error), error.pos_in_stream) from None


@cache
def _parser() -> Lark:
    from lark import Lark

    return Lark(
        GRAMMAR,
        parser="lalr",
        lexer="contextual",
        start=["query", "order_terms", "path"],
        maybe_placeholders=True,
        propagate_positions=True,
    )


def _found(text: str, position: int) -> str:
    if position >= len(text):
        return "filter ends too early"
    if text[position] in "'\"" and text.count(text[position]) % 2:
        return f"the text that begins at character {position + 1} has no closing quote"
    word = text[position:].split(maxsplit=1)[0][:40]
    return f"did not understand {word!r} at character {position + 1}"


def _expected(terminals: Any) -> str:
    terminals = set(terminals)
    if {"NUMBER", "DURATION"} <= terminals:
        return "expected a value: a text in quotes, a number, true, false, now() or a duration such as 7d"
    names = {_EXPECTED.get(name, name.strip("_").lower()) for name in terminals}
    return "expected " + ", ".join(sorted(names)) if names else ""
