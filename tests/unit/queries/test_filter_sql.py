"""Filters as SQL: bound, typed, and refused with a hint."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_api.queries.cursors import Cursor
from speech_experiment_api.queries.directions import higher_is_better
from speech_experiment_api.queries.grammar import parse_filter, parse_path
from speech_experiment_api.queries.ordering import Ordering
from speech_experiment_api.queries.plans import Planner, Question
from speech_experiment_api.queries.predicates import Predicates
from speech_experiment_api.queries.sql import Binder, Tables
from speech_experiment_api.queries.syntax import FilterError, Term
from speech_experiment_api.queries.visibility import Scope

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TABLES = Tables.of({"metadata": 3, "metrics": 2, "scores": 1, "artifacts": 1, "control": 1})


def compiled(text: str, probing: bool = False) -> tuple[str, list[object]]:
    where = parse_filter(text).where
    assert where is not None
    bind = Binder()
    return Predicates(TABLES, bind, NOW, probing).compile(where), bind.values


def sql_of(text: str) -> str:
    return compiled(text)[0]


def refused(text: str) -> str:
    with pytest.raises(FilterError) as raised:
        compiled(text)
    return str(raised.value)


def test_live_versions_are_the_schemas() -> None:
    assert "metadata_v3.run_tags" in sql_of("tags.a = 'b'")
    assert "metrics_v2.summaries" in sql_of("metrics.loss < 1")


def test_values_are_bound_and_equal_ones_share_a_placeholder() -> None:
    sql, values = compiled("name = 'x' or user = 'x' or name = 'y'")
    assert values == ["x", "y"]
    assert sql == "(r.name = $1::text or r.user_name = $1::text or r.name = $2::text)"


def test_negation_is_the_complement_of_a_two_valued_comparison() -> None:
    assert sql_of("not model_type = 'x'") == "(r.model_type = $1::text) is not true"
    assert sql_of("not tags.stage = 'draft'").startswith("not exists (")
    assert sql_of("tags.stage != 'draft'").startswith("exists (")
    assert sql_of("tags.stage is null").startswith("not exists (")
    assert sql_of("tags.stage is not null").startswith("exists (")


def test_negation_reaches_the_leaves() -> None:
    sql = sql_of("not (name = 'a' and (user = 'b' or tags.c = 'd'))")
    assert re.match(
        r"\(\(r\.name = .*\) is not true or \(\(r\.user_name = .*\) is not true and not exists", sql
    )


def test_probing_keeps_the_planner_from_joins() -> None:
    assert "offset 0)" in compiled("params.a = 1", probing=True)[0]
    assert "offset 0" not in compiled("params.a = 1", probing=False)[0]


def test_a_literal_chooses_the_side_of_a_param() -> None:
    assert "p.num = " in sql_of("params.layers = 12")
    assert "p.txt = " in sql_of("params.layers = '12'")
    assert compiled("params.amp = true")[1] == ["amp", "true"]
    assert re.search(r"p\.num = any.* or p\.txt = any", sql_of("params.x in (1, 'a')"))


def test_nan_is_never_greater() -> None:
    assert "'NaN'::float8" in sql_of("metrics.loss > 1")
    assert "'NaN'::float8" not in sql_of("metrics.loss < 1")


def test_a_date_is_its_whole_day() -> None:
    day, following = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    assert compiled("created = '2026-11-01'") == (
        "(r.created_at >= $1::timestamptz and r.created_at < $2::timestamptz)",
        [day, following],
    )
    assert compiled("created > '2026-11-01'")[0].endswith(">= $1::timestamptz")
    assert compiled("created <= '2026-11-01'")[0].endswith("< $1::timestamptz")
    assert compiled("created < '2026-11-01T12:00:00+02:00'")[1] == [datetime(2026, 11, 1, 10, tzinfo=UTC)]


def test_now_is_the_moment_of_the_question() -> None:
    assert compiled("created > now() - 7d")[1] == [datetime(2026, 11, 13, 12, tzinfo=UTC)]


def test_running_without_a_sign_of_life_has_lost_contact() -> None:
    assert "'lost contact'" in sql_of("status = 'running'")


@pytest.mark.parametrize(
    ("path", "column"),
    [
        ("metrics.val_wer", "s.last_value"),
        ("metrics.val_wer.min", "s.min_value"),
        ("metrics.val_wer.best", "s.min_value"),
        ("metrics.val_acc.best", "s.max_value"),
        ("metrics.val_wer.step", "s.last_step"),
        ("metrics['val_wer.min']", "s.last_value"),
        ("metrics['a/b'].count", "s.count"),
        ("metrics.a.b.mean", "s.sum_value::float8 / nullif(s.count - s.nans, 0)"),
    ],
)
def test_statistics_of_a_metric(path: str, column: str) -> None:
    assert f"and {column} < " in sql_of(f"{path} < 1")


def test_a_quoted_statistic_is_part_of_the_key() -> None:
    assert "val_wer.min" in compiled("metrics['val_wer.min'] < 1")[1]
    assert "val_wer" in compiled("metrics.val_wer.min < 1")[1]
    assert "min" in compiled("metrics.min < 1")[1]


def test_results_of_speakers_and_decodings() -> None:
    sql, values = compiled("wer['clean', speaker='1272', decoding='beam=10'] < 0.1")
    assert "x.speaker = " in sql
    assert set(values) >= {"wer", "clean", "1272", "beam=10", 0.1}
    assert "x.speaker = '' and x.decoding = ''" in sql_of("wer['clean'] < 0.1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("statsu = 'x'", "did you mean status?"),
        ("learnign_rate < 1", "did you mean learning_rate?"),
        ("val_wer < 1", "params.val_wer (config), tags.val_wer or metrics.val_wer"),
        ("wer < 0.1", "wer['<test set>']"),
        ("wer['x', beam='3'] < 0.1", "wer['<test set>'"),
        ("params = 3", "params needs a name"),
        ("metrics['x', rank='a'] < 1", "rank=<number>"),
        ("tags['x', rank=1] = 'a'", "takes no rank="),
        ("name.x = 'a'", "has no parts"),
        ("learning_rate < 'a'", "learning_rate is a number, 'a' is not; write it without quotes"),
        ("created > 5", "is a moment"),
        ("created > 'yesterday'", "is a moment"),
        ("created > '9999-12-31'", "is a moment"),
        ("created > now() - 9999999d", "is a moment"),
        ("id = 'abc'", "is an id"),
        ("id < '019b76da-a800-71f7-b654-fb891d87cec3'", "has no order"),
        ("archived = 'x'", "is true or false"),
        ("archived < true", "has no order"),
        ("duration > 'long'", "is a duration"),
        ("language > 'en'", "is a list"),
        ("learning_rate like '1%'", "is no text"),
        ("name like 'a\\'", "ends in a single backslash"),
        ("params.x between 1 and 'b'", "is a number"),
        ("name = now()", "is a text"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_hint(text: str, words: str) -> None:
    assert words in refused(text)


@pytest.mark.parametrize("text", ["language", "test_set"])
def test_lists_have_no_order(text: str) -> None:
    with pytest.raises(FilterError, match="has many values"):
        Ordering(TABLES, Binder(), NOW).keys([Term(parse_path(text))])


HOSTILE = ["'; drop table runs; --", "$1", "x' or '1'='1", "\\'; select 1", "%s", "{0}", 'a"b', "/*", "𝛼‮"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_user_reaches_the_sql(text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    everywhere = (
        f"name = {quoted} or tags[{quoted}] = {quoted} or params[{quoted}] in ({quoted}, 1) or "
        f"metrics[{quoted}].min < 3 or wer[{quoted}, speaker={quoted}, decoding={quoted}] < 1 or "
        f"test_set like {quoted} or language contains {quoted} or params.x = {quoted} "
        f"order by params[{quoted}], tags[{quoted}] desc, wer[{quoted}], metrics[{quoted}]"
    )
    plain = everywhere.replace(quoted, "'harmless'")
    cursor = Cursor(TABLES.lines, b"", (1.0, text, text, 2.0, 3.0), UUID(int=1).bytes)
    hostile, harmless = (
        Planner(TABLES, Question(parse_filter(each), Scope("default"), NOW)) for each in (everywhere, plain)
    )
    for after in (None, cursor):
        found, expected = hostile.gather(after, 50), harmless.gather(after, 50)
        assert unnumbered(found.sql) == unnumbered(expected.sql)
        assert text in found.args


@given(st.text(min_size=1, max_size=40).filter(lambda text: "\0" not in text))
def test_sql_does_not_depend_on_texts(text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    template = "tags[{0}] = {0} and params[{0}] contains {0} and wer[{0}] < 1"
    assert unnumbered(sql_of(template.format(quoted))) == unnumbered(sql_of(template.format("'other'")))


def unnumbered(sql: str) -> str:
    """SQL with all placeholders alike: equal values share one, so their numbers depend on the values."""
    return re.sub(r"\$\d+::", "$::", sql)


def test_every_bound_value_is_used() -> None:
    """Postgres refuses arguments that no placeholder names."""
    filters = [
        "",
        "status = 'running'",
        "task = 'a' order by params.x desc",
        "order by status, wer['x']",
        "a.b",
    ]
    cursor = Cursor(TABLES.lines, b"", (1.0, None), UUID(int=1).bytes)
    for text in filters[:3]:
        planner = Planner(TABLES, Question(parse_filter(text), Scope("default"), NOW))
        for phase in planner.phases(None):
            for after in (None, cursor if "params" in text else None):
                walk = planner.walk(phase, after, 10, 100)
                assert used(walk.sql) == set(range(1, len(walk.args) + 1))
        gathered = planner.gather(cursor if "params" in text else None, 10)
        assert used(gathered.sql) == set(range(1, len(gathered.args) + 1))


def used(sql: str) -> set[int]:
    return {int(number) for number in re.findall(r"\$(\d+)::", sql)}


@pytest.mark.parametrize(
    ("key", "higher"),
    [
        ("val_wer", False),
        ("train/loss", False),
        ("token_accuracy", True),
        ("dev/acc", True),
        ("librispeech-test-clean_f1", True),
        ("mos", True),
        ("accuracy_loss", False),
        ("rtf", False),
        ("map", True),
        ("macro", False),
        ("si-sdr", True),
        ("", False),
    ],
)
def test_direction_of_a_metric(key: str, higher: bool) -> None:
    assert higher_is_better(key) is higher
