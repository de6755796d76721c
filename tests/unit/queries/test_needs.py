"""What a search is said to need of all runs is all that its statement looks at."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from speech_experiment_api.desks import Depth
from speech_experiment_api.queries.fields import COLUMNS
from speech_experiment_api.queries.grammar import parse_filter
from speech_experiment_api.queries.needs import needs_of
from speech_experiment_api.queries.past_rows import COLUMNS as LAID
from speech_experiment_api.queries.plans import Planner, Question
from speech_experiment_api.queries.sql import Tables, on_desk
from speech_experiment_api.queries.visibility import Scope

DESK = on_desk(Tables.of(dict.fromkeys(("metadata", "metrics", "scores", "artifacts", "control"), 1)))
OTHERS = [
    "",
    "params.lr > 1 and not tags.stage = 'draft' order by metrics.val_wer",
    "wer['clean'] < 0.1 or test_set = 'clean' order by metrics.val_wer.mean desc, created",
]


COMPARED = [f"{name} is null" for name in COLUMNS]
SORTED = [f"order by {name}" for name, column in COLUMNS.items() if column.kind != "list"]


@pytest.mark.parametrize("text", [*COMPARED, *SORTED, *OTHERS])
def test_a_search_reads_only_columns_that_are_laid_out(text: str) -> None:
    query = parse_filter(text)
    scope = Scope("default", deleted=True, then=((0, 7),))
    statement = Planner(DESK, Question(query, scope, datetime.now(UTC))).gather(None, 10)
    read = set(re.findall(r'\br\."?(\w+)', statement.sql))
    laid = LAID[needs_of(query, least=Depth.SKETCHED).runs]
    assert read <= set(laid), statement.sql
    assert "id" in read


def test_params_tags_and_metrics_need_no_more_than_sketches() -> None:
    assert {needs_of(parse_filter(text), least=Depth.SKETCHED).runs for text in OTHERS} == {Depth.SKETCHED}
