"""Boards from memory: cut at a vector, taken by runs, the newest evaluation of each system on each set."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np

from speech_experiment_api.queries.standings import Standings, _signed
from speech_experiment_schemas.ids import run_hash


def row(nth: int, run: int, test_set: str, **changes: Any) -> dict[str, Any]:
    """A score as it is read; nth tells evaluations apart."""
    given = {
        "id": UUID(int=nth << 64),
        "run_id": UUID(int=run),
        "test_set_name": test_set,
        "decoding_text": "",
        "own": False,
        "pinned": 0,
        "started": nth,
        "partition": 0,
        "completed": nth,
        "number": 1,
        "rate": nth / 100,
        "digest": "d",
        "language": "",
    }
    return given | changes


def hashes(*runs: int) -> list[int]:
    return [_signed(run_hash(UUID(int=run))) for run in runs]


def shown(standings: Standings, below: list[int], newest: dict[str, int], *runs: int) -> dict[Any, float]:
    """(run, test set) → rate."""
    standing = standings.at(below, newest, hashes(*runs))
    return {
        (standings.systems.names[system][0].int, standings.test_sets.names[place]): rate
        for (system, place), rate in np.ndenumerate(standing.rates)
        if rate == rate
    }


def test_what_lies_before_the_vector_counts_on_the_newest_revision() -> None:
    standings = Standings()
    standings._add([row(1, 1, "a"), row(2, 1, "b"), row(3, 2, "a"), row(4, 1, "a")])
    standings._add([row(1, 1, "a", number=2, rate=0.5), row(3, 2, "a", number=2, rate=0.6)])
    newest = {"a": 1, "b": 1}
    assert shown(standings, [9], newest, 1, 2) == {(1, "a"): 0.04, (1, "b"): 0.02, (2, "a"): 0.03}
    assert shown(standings, [4], newest, 1, 2) == {(1, "a"): 0.01, (1, "b"): 0.02, (2, "a"): 0.03}
    assert shown(standings, [2], newest, 1, 2) == {(1, "a"): 0.01}
    assert shown(standings, [4], {"a": 2}, 1, 2) == {(1, "a"): 0.5, (2, "a"): 0.6}
    assert shown(standings, [9], newest, 2) == {(2, "a"): 0.03}
    assert shown(standings, [9], {}, 1, 2) == {}


def test_references_of_ones_own_and_pinned_revisions_do_not_wait_for_the_newest() -> None:
    standings = Standings()
    standings._add([row(1, 1, "a", own=True, number=0), row(2, 2, "a", pinned=1), row(3, 3, "a")])
    assert shown(standings, [9], {"a": 2}, 1, 2, 3) == {(1, "a"): 0.01, (2, "a"): 0.02}
    rows = standings.at([9], {"a": 2}, hashes(1, 2, 3)).row
    assert standings.references(rows[rows >= 0]) == {("d", 0): 1, ("d", 1): 1}


def test_equals_are_ranked_alike_whatever_was_read_first() -> None:
    rows = [row(number, number, "a", rate=0.1) for number in range(1, 6)]
    one, other = Standings(), Standings()
    one._add(rows)
    other._add(rows[::-1])
    for standings in (one, other):
        by_rank = np.argsort(standings.rank)
        assert [standings.systems.names[system][0].int for system in by_rank.tolist()] == [1, 2, 3, 4, 5]
    assert shown(Standings(), [9], {}, 1) == {}


def test_the_best_of_a_column_is_on_its_references() -> None:
    standings = Standings()
    standings._add(
        [
            row(1, 1, "s", digest="other"),
            row(4, 2, "s"),
            row(3, 3, "s"),
            row(5, 4, "s", rate=0.03),
            row(2, 5, "s", rate=None),
        ]
    )
    rows = np.arange(5)
    assert standings.best(rows, "d") == 2
    assert standings.best(rows, "other") == 0
    assert standings.best(rows, "none") is None


def test_a_decoding_may_be_chosen_where_it_was_compared_and_nowhere_else() -> None:
    standings = Standings()
    rows = [("test", "beam=1"), ("test", "beam=2"), ("other", "beam=1")]
    standings._add(
        [row(nth, 1, each, decoding_text=text) for nth, (each, text) in enumerate(rows, 1)]
        + [row(4, 2, "test")]
    )
    newest = {"test": 1, "other": 1, "dev": 1}
    at = standings.at([99], newest, hashes(1, 2))
    assert standings.tuned(at, UUID(int=1)) == {"test"}
    assert standings.tuned(at, UUID(int=2)) == set()
    standings._add([row(5 + nth, 1, "dev", decoding_text=f"beam={nth}") for nth in range(3)])
    assert standings.tuned(standings.at([99], newest, hashes(1)), UUID(int=1)) == set()
    assert standings.tuned(standings.at([5], newest, hashes(1)), UUID(int=1)) == {"test"}


def test_a_column_is_in_the_language_that_most_of_its_numbers_say() -> None:
    standings = Standings()
    standings._add([row(1, 1, "a", language="de"), row(2, 2, "a"), row(3, 3, "a", language="de")])
    standings._add([row(4, 4, "a", language="fr")])
    rows = standings.at([9], {"a": 1}, hashes(1, 2, 3, 4)).row
    assert standings.language(rows[rows >= 0]) == "de"
    rows = standings.at([9], {"a": 1}, hashes(2)).row
    assert standings.language(rows[rows >= 0]) is None
