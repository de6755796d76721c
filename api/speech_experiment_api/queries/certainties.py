"""How sure the cells of a board are, and which systems tie with the best of their column.

Scores never change, so what was drawn once for an evaluation, or for two of them, is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from speech_experiment_projections.scoring.intervals import DRAWS, LEVEL
from speech_experiment_projections.scoring.report import ALPHA, certainty, p_against, totals
from speech_experiment_projections.scoring.significance import holm

from ..params import number
from ..problems import bad_request
from ..routing import Param
from .calculators import calculated
from .evaluations import scored_rows
from .packed import Scored, scored_utterances
from .reading import Reading
from .scored import Seen
from .sql import Binder
from .together import Places, places_in, scores_of

MAX_CELLS, MAX_UTTERANCES = 200, 2_000_000
"""Of one board: cells, and utterances of them together."""
ALPHA_PARAM = Param("alpha", f"level of the tests that decide on ties (default {ALPHA})", float)
_KEPT = 50_000
STATED = {"level": LEVEL, "draws": DRAWS}
_Key = tuple[Any, ...]


class CellCertainty(msgspec.Struct, kw_only=True):
    """low, high: of the rate, 95 %; null without a token of reference.

    drawn  by the bootstrap: speakers, where all are known, else utterances
    p      of the difference to the best of the column, by Holm over the cells of the column; null for the best
    tied   not shown to be different from the best at alpha
    """

    low: float | None
    high: float | None
    drawn: str | None
    p: float | None
    tied: bool


class Wanted(NamedTuple):
    """A cell. best: of the column, by rate."""

    test_set: str
    evaluation: UUID
    number: int
    best: tuple[UUID, int]

    @property
    def own(self) -> tuple[UUID, int]:
        return self.evaluation, self.number


class Certainties(NamedTuple):
    """of: (test set, evaluation) → CellCertainty as a mapping; left_out: cells that are too many."""

    of: dict[tuple[str, UUID], dict[str, Any]]
    left_out: int


def alpha_of(read: Reading) -> float:
    """The parameter `alpha`; Problem 400 for what is no level of a test."""
    alpha = number(read.request, "alpha")
    if alpha is None:
        return ALPHA
    if not 0 < alpha <= 0.5:
        raise bad_request(f"must be above 0 and at most 0.5, got {alpha:g}", "alpha")
    return alpha


async def certainties_of(
    read: Reading, sight: Seen, cells: Iterable[tuple[Wanted, int]], alpha: float
) -> Certainties:
    """cells: with how many utterances each has, the most important first."""
    chosen, left_out = _within_limits(cells)
    kept = read.services.stores.certainties
    version = (read.tables.scores, sight.identity)
    missing = {key: made for each in chosen for key, made in _calculations(version, each) if key not in kept}
    if missing:
        parts = await _parts(read, sight, {place for key in missing for place in key[2:]})
        jobs = {key: partial(made, *(await _together(read, parts, key[2:]))) for key, made in missing.items()}
        found = await calculated(partial(_all, jobs))
        kept.update(found)
    results = {key: kept[key] for each in chosen for key, _ in _calculations(version, each)}
    for key in results:
        kept.move_to_end(key)
    while len(kept) > _KEPT:
        kept.popitem(last=False)
    return Certainties(_shown(chosen, results, version, alpha), left_out)


def _within_limits(cells: Iterable[tuple[Wanted, int]]) -> tuple[list[Wanted], int]:
    chosen: list[Wanted] = []
    left_out, utterances = 0, 0
    for cell, size in cells:
        if len(chosen) < MAX_CELLS and utterances + size <= MAX_UTTERANCES:
            chosen.append(cell)
            utterances += size
        else:
            left_out += 1
    return chosen, left_out


def _calculations(version: _Key, cell: Wanted) -> list[tuple[_Key, Callable[..., Any]]]:
    """What is kept by → what makes it: the interval, and the test against the best."""
    alone = [((*version, cell.own), _interval)]
    return alone if cell.own == cell.best else [*alone, ((*version, cell.own, cell.best), _test)]


async def _parts(
    read: Reading, sight: Seen, places: Iterable[tuple[UUID, int]]
) -> dict[tuple[UUID, int], Scored]:
    bind = Binder()
    ids = bind([evaluation for evaluation, _ in places], "uuid[]")
    rows = await scored_rows(read, sight, bind, f"e.id = any({ids})")
    return {(row["id"], row["number"]): await scored_utterances(read, row, sight) for row in rows}


async def _together(
    read: Reading, parts: Mapping[tuple[UUID, int], Scored], places: Sequence[tuple[UUID, int]]
) -> tuple[list[Scored], list[Places]]:
    chosen = [parts[place] for place in places]
    return chosen, await places_in(read, chosen, common=False)


def _all(jobs: Mapping[_Key, Callable[[], Any]]) -> dict[_Key, Any]:
    return {key: job() for key, job in jobs.items()}


def _interval(parts: Sequence[Scored], places: Sequence[Places]) -> Any:
    (scores,) = scores_of(parts, places)
    return None if totals(scores).rate is None else certainty(scores)


def _test(parts: Sequence[Scored], places: Sequence[Places]) -> float | None:
    one, best = scores_of(parts, places)
    return p_against(one, best)


def _shown(
    cells: Sequence[Wanted], results: Mapping[_Key, Any], version: _Key, alpha: float
) -> dict[tuple[str, UUID], dict[str, Any]]:
    shown: dict[tuple[str, UUID], dict[str, Any]] = {}
    for test_set in dict.fromkeys(cell.test_set for cell in cells):
        column = [cell for cell in cells if cell.test_set == test_set]
        p_values = {
            str(cell.evaluation): p
            for cell in column
            if cell.own != cell.best and (p := results[(*version, cell.own, cell.best)]) is not None
        }
        adjusted = holm(p_values)
        for cell in column:
            sure, p = results[(*version, cell.own)], adjusted.get(str(cell.evaluation))
            shown[test_set, cell.evaluation] = {
                "low": sure and sure.interval.low,
                "high": sure and sure.interval.high,
                "drawn": sure and sure.drawn,
                "p": p,
                "tied": sure is not None and (p is None or p >= alpha),
            }
    return shown
