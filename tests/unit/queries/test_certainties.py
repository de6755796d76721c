"""How sure a board's cells are: within limits, and tied by Holm over the cells of a column."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest

from speech_experiment_api.queries import certainties
from speech_experiment_api.queries.certainties import Wanted, _shown, _within_limits
from speech_experiment_api.queries.decodings import tuned_here
from speech_experiment_projections.scoring.report import Scores, certainty


def cell(number: int, test_set: str = "s") -> Wanted:
    return Wanted(test_set, UUID(int=number), 1, (UUID(int=1), 1))


def test_what_is_too_much_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certainties, "MAX_CELLS", 3)
    monkeypatch.setattr(certainties, "MAX_UTTERANCES", 100)
    assert _within_limits([(cell(number), 10) for number in range(5)]) == ([cell(0), cell(1), cell(2)], 2)
    assert _within_limits([(cell(1), 90), (cell(2), 11), (cell(3), 10)]) == ([cell(1), cell(3)], 1)


def test_ties_are_by_holm_over_the_column() -> None:
    sure = certainty(Scores(np.array([[9, 1, 0, 0]] * 20), np.ones(20, np.bool_)))
    cells = [cell(1), cell(2), cell(3), cell(4)]
    p_values = {2: 0.03, 3: 0.001, 4: None}
    results = {("v", each.own): sure for each in cells} | {
        ("v", each.own, each.best): p_values[number] for number, each in enumerate(cells[1:], 2)
    }
    shown = _shown(cells, results, ("v",), 0.05)
    found = [shown["s", each.evaluation] for each in cells]
    assert [(each["p"], each["tied"]) for each in found] == [
        (None, True),
        (0.03, False),
        (0.002, False),
        (None, True),
    ]
    strict = _shown(cells, results, ("v",), 0.002)
    assert [strict["s", each.evaluation]["tied"] for each in cells] == [True, True, True, True]
    assert found[0]["drawn"] == "utterances"


@pytest.mark.parametrize(
    ("here", "elsewhere", "tuned"),
    [
        (["a"], [], False),
        (["a", "b"], [], True),
        (["a", "b"], [["a"], ["b"]], True),
        (["a", "b"], [["a", "c"]], True),
        (["a", "b"], [["a", "b"]], False),
        (["a", "b", "c"], [["c", "b"]], False),
    ],
)
def test_a_decoding_may_be_chosen_where_several_were_compared(
    here: list[str], elsewhere: list[list[str]], tuned: bool
) -> None:
    assert tuned_here(here, elsewhere) is tuned
