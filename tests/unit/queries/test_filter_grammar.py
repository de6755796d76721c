"""What the filter language says, and what it answers to what it does not understand."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_api.queries.builder import MAX_DEPTH, MAX_ORDER_TERMS, MAX_TERMS
from speech_experiment_api.queries.grammar import MAX_LENGTH, parse_filter, parse_order, parse_path
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
    Query,
)

EXAMPLE = (
    "task = 'asr' and language in ('en','de') and params.encoder_layers >= 12 "
    "and wer['librispeech-test-clean'] < 0.05 and not tags.stage = 'draft' order by metrics.val_wer"
)


def where(text: str) -> Expression:
    expression = parse_filter(text).where
    assert expression is not None
    return expression


def compared(text: str) -> Compare:
    expression = where(text)
    assert isinstance(expression, Compare)
    return expression


def error_of(text: str) -> FilterError:
    with pytest.raises(FilterError) as raised:
        parse_filter(text)
    return raised.value


def test_the_documented_example() -> None:
    query = parse_filter(EXAMPLE)
    assert isinstance(query.where, And)
    task, language, layers, wer, stage = query.where.operands
    assert isinstance(task, Compare)
    assert task.value.value == "asr"
    assert isinstance(language, In)
    assert [value.value for value in language.values] == ["en", "de"]
    assert isinstance(layers, Compare)
    assert (layers.path.root, layers.path.parts, layers.operator) == ("params", ("encoder_layers",), ">=")
    assert isinstance(wer, Compare)
    assert (wer.path.root, wer.path.parts, wer.path.quoted) == ("wer", ("librispeech-test-clean",), (True,))
    assert isinstance(stage, Not)
    assert [(str(term.path), term.descending) for term in query.order] == [("metrics.val_wer", False)]


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_nothing_takes_every_run(text: str) -> None:
    assert parse_filter(text) == Query()


def test_an_order_alone() -> None:
    query = parse_filter("order by created desc, params['a b'] asc, name")
    assert [(str(term.path), term.descending) for term in query.order] == [
        ("created", True),
        ("params['a b']", False),
        ("name", False),
    ]
    assert parse_order("created desc, params['a b'] asc, name") is not None


def test_and_binds_closer_than_or_and_not_closest() -> None:
    expression = where("a = 1 or not b = 2 and c = 3")
    assert isinstance(expression, Or)
    assert isinstance(expression.operands[1], And)
    assert isinstance(expression.operands[1].operands[0], Not)


def test_parentheses() -> None:
    assert isinstance(where("(a = 1 or b = 2) and c = 3"), And)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("name like 'conf%'", Like),
        ("name ilike 'CONF%'", Like),
        ("name contains 'conf'", Contains),
        ("started between '2026-11-01' and '2026-11-05'", Between),
        ("model_type is null", IsNull),
    ],
)
def test_predicates_and_their_negation(text: str, kind: type) -> None:
    assert isinstance(where(text), kind)
    words = text.split(" ", 2)
    negated = (
        text.replace("is null", "is not null") if kind is IsNull else " ".join([words[0], "not", *words[1:]])
    )
    expression = where(negated)
    assert isinstance(expression, Not)
    assert isinstance(expression.operand, kind)


def test_two_negations_are_none() -> None:
    assert isinstance(where("not not a = 1"), Compare)
    assert isinstance(where("not (not (not a = 1))"), Not)


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("'it''s'", "it's"),
        ('"say ""hi"""', 'say "hi"'),
        ("'\"; drop table runs; --'", '"; drop table runs; --'),
        ("''", ""),
        ("12", 12.0),
        ("-1.5e-3", -0.0015),
        (".5", 0.5),
        ("+7", 7.0),
        ("true", True),
        ("FALSE", False),
        ("2h", timedelta(hours=2)),
        ("1.5d", timedelta(hours=36)),
        ("now()", Now(timedelta())),
        ("now() - 7d", Now(timedelta(days=-7))),
        ("now()-7d", Now(timedelta(days=-7))),
        ("now() + 30s", Now(timedelta(seconds=30))),
    ],
)
def test_literals(literal: str, value: object) -> None:
    assert compared(f"a = {literal}").value.value == value


@pytest.mark.parametrize(
    ("text", "root", "parts", "options"),
    [
        ("params.a.b", "params", ("a", "b"), ()),
        ("params['a b']", "params", ("a b",), ()),
        ("params.a['b.c'].d", "params", ("a", "b.c", "d"), ()),
        ("metrics.train/loss.min", "metrics", ("train/loss", "min"), ()),
        ("metrics['loss', rank=1]", "metrics", ("loss",), (("rank", "1"),)),
        ("wer[speaker='1272']", "wer", (), (("speaker", "1272"),)),
        (
            "wer['x', speaker='3', decoding='beam=10']",
            "wer",
            ("x",),
            (("speaker", "3"), ("decoding", "beam=10")),
        ),
        ("tags.order", "tags", ("order",), ()),
        ("params.in.and.0", "params", ("in", "and", "0"), ()),
        ("params.früh", "params", ("früh",), ()),
    ],
)
def test_paths(text: str, root: str, parts: tuple[str, ...], options: tuple[tuple[str, str], ...]) -> None:
    path = parse_path(text)
    assert (path.root, path.parts, path.options, str(path)) == (root, parts, options, text)


def test_keywords_in_any_case_but_not_inside_names() -> None:
    assert isinstance(where("a = 1 AND b = 2 Or c = 3"), Or)
    assert compared("android = 1").path.root == "android"
    assert compared("nothing = 1").path.root == "nothing"


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("task = ", 7, "ends too early; expected a value"),
        ("task 'asr'", 5, "did not understand"),
        ("task = 'asr", 7, "no closing quote"),
        ("task = 'asr' an x = 1", 13, "expected and, or, order, the end"),
        ("params. = 1", 8, "expected a name after the dot"),
        ("a in ('x' 'y')", 10, "expected"),
        ("(a = 1", 6, "expected )"),
        ("a = 1)", 5, "did not understand"),
        ("a = 1 order by", 14, "ends too early; expected a field"),
        ("a = 1; drop table runs", 5, "did not understand ';'"),
        ("a = 1 -- comment", 6, "did not understand"),
        ("a @ 1", 2, "did not understand '@'"),
    ],
)
def test_errors_say_where_and_what_was_expected(text: str, position: int, words: str) -> None:
    error = error_of(text)
    assert error.position == position
    assert words in str(error)


def test_limits() -> None:
    assert "characters" in str(error_of("a" * (MAX_LENGTH + 1)))
    assert "comparisons" in str(error_of(" and ".join(["a=1"] * (MAX_TERMS + 1))))
    assert "order has" in str(error_of("order by " + ",".join(["a"] * (MAX_ORDER_TERMS + 1))))
    assert "too large" in str(error_of("a = 1e999"))
    assert "too long" in str(error_of("a < 99999999999999d"))
    deep = "a = 1"
    for i in range(MAX_DEPTH + 1):
        deep = f"({deep}) {'or' if i % 2 else 'and'} b = 2"
    assert "deep" in str(error_of(deep))


def test_many_parentheses_are_no_depth() -> None:
    assert compared("(" * 1000 + "a = 1" + ")" * 1000).path.root == "a"


def test_a_nul_is_refused() -> None:
    assert error_of("a = 'x\0y'").position == 6


SCRAPS = st.sampled_from(
    ["a", " and ", " or ", "not ", "=", "(", ")", "'x'", "5", "in", "['k']", ".b", " order by ", ","]
)


@given(st.one_of(st.text(max_size=60), st.lists(SCRAPS, max_size=12).map("".join)))
def test_any_text_parses_or_is_explained(text: str) -> None:
    error = problem_with(text)
    if error is not None:
        assert str(error)
        assert error.position is None or 0 <= error.position <= len(text)


def problem_with(text: str) -> FilterError | None:
    try:
        parse_filter(text)
    except FilterError as error:
        return error
    return None


@given(st.text(max_size=30).filter(lambda text: "\0" not in text))
def test_any_text_survives_quoting(text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    assert compared(f"a = {quoted}").value.value == text
    assert parse_path(f"params[{quoted}]").parts == (text,)
