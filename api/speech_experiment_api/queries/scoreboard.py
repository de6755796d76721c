"""GET /scores: systems × test sets, with what each number stands on, so that only like is put beside like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from ..params import flag, integer
from ..routing import Param, Routes
from .boards import BOARD_PARAMS, ScoredSet, board_of, rows_of
from .certainties import (
    ALPHA_PARAM,
    MAX_CELLS,
    MAX_UTTERANCES,
    STATED,
    CellCertainty,
    Wanted,
    alpha_of,
    certainties_of,
)
from .configurations import seeds_of_systems
from .languages import by_language, columns_of
from .reading import Reading, reading
from .scored import Seen, rate, speed
from .standings import Standing, Standings

routes = Routes("scores")
MAX_ROWS, DEFAULT_ROWS = 1_000, 100


class Cell(msgspec.Struct, kw_only=True):
    """One system on one test set; rates are fractions.

    differs  what makes the number incomparable with the column's: references (another version of them), coverage
             (utterances are missing), refused (no number: the profile forbids it)
    rtf, rtfx  decoding time per audio time, and its inverse; timing: what they were measured on: device, batch_size,
               includes_io, …
    tuned_here  the run was decoded on this set in several ways, and no two of them were compared on another set: the rate of
                a decoding that was chosen here is too good
    certainty  only where it was asked for, and null for a cell on other references than its column's
    """

    evaluation: UUID
    rate: float | None
    errors: int | None
    tokens: int | None
    utterances: int | None
    coverage: float | None
    mean_of_speakers: float | None
    speakers: int | None
    rtf: float | None
    rtfx: float | None
    timing: dict[str, Any]
    revision: int | None
    differs: list[str]
    tuned_here: bool
    certainty: CellCertainty | None = None


class System(msgspec.Struct, kw_only=True):
    """One run with one decoding.

    macro_over_sets       mean of its rates on the sets shown that it has; missing: how many it has not
    by_language           mean of its rates on the sets of each language
    macro_over_languages  mean of these: each language counts the same, however many sets it has; null where no language
                          is known. missing_languages: how many of the board's it has no rate of
    seeds                 runs of its configuration with other seeds and itself, as many as are on the references of a
                          column; 1: what is claimed of it holds for one model. Only with intervals; see /replicates
    """

    run_id: UUID
    run: str
    experiment: str | None
    decoding: str
    cells: dict[str, Cell]
    macro_over_sets: float | None
    missing: int
    by_language: dict[str, float]
    macro_over_languages: float | None
    missing_languages: int
    seeds: int | None = None


class Scoreboard(msgspec.Struct, kw_only=True):
    """alpha (of the ties), level (of the intervals), draws, warnings: only where intervals were asked for."""

    profile: str
    unit: str | None
    test_sets: list[ScoredSet]
    systems: list[System]
    vector: str
    alpha: float | None = None
    level: float | None = None
    draws: int | None = None
    warnings: list[str] = []


@routes.get(
    "/api/v1/scores",
    access="viewer",
    response=Scoreboard,
    params=[
        *BOARD_PARAMS,
        Param(
            "intervals",
            f"how sure each cell is, and which ones tie with the best of their column; of up to {MAX_CELLS} cells with "
            f"{MAX_UTTERANCES:,} utterances together (default false)",
            bool,
        ),
        ALPHA_PARAM,
        Param("limit", f"systems, up to {MAX_ROWS} (default {DEFAULT_ROWS})", int),
    ],
)
async def scoreboard(request: Request) -> Response:
    """Systems by their scores on test sets, the best first: those that miss fewer sets, then by their mean."""
    async with reading(request) as read:
        return read.not_modified() if read.unchanged else read.answer(await _board(read))


async def _board(read: Reading) -> dict[str, Any]:
    limit = integer(read.request, "limit", DEFAULT_ROWS, 1, MAX_ROWS)
    board = await board_of(read)
    sight, standings, standing, columns = board
    best = _best(standings, standing, [each["test_set"] for each in columns], limit)
    by_name = {each["test_set"]: each for each in columns}
    systems = _systems(
        await rows_of(read, sight, [each for system in best for each in system.evaluations.values()]),
        best,
        by_name,
    )
    answer = {"profile": sight.profile, "unit": sight.unit, "test_sets": columns, "systems": systems}
    if not flag(read.request, "intervals"):
        return answer
    seeds = await seeds_of_systems(read, board)
    for system in systems:
        system["seeds"] = seeds.get((system["run_id"], system["decoding"]), 1)
    return answer | await _sure(read, sight, _leaders(standings, standing, by_name), systems)


def _leaders(
    standings: Standings, standing: Standing, columns: Mapping[str, dict[str, Any]]
) -> dict[str, tuple[UUID, int]]:
    """Test set → (evaluation, revision) of the best on the references of its column, shown or not."""
    leaders = {}
    for name, column in columns.items():
        number = standings.test_sets.numbers.get(name)
        rows = np.zeros(0, np.int64) if number is None else standing.row[standing.row[:, number] >= 0, number]
        row = standings.best(rows, column["references"])
        if row is not None:
            leaders[name] = (standings.ids[row], standings.number(row))
    return leaders


async def _sure(
    read: Reading,
    sight: Seen,
    leaders: Mapping[str, tuple[UUID, int]],
    systems: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Puts its certainty into each cell that is like its column; and what is to be said of all."""
    alpha = alpha_of(read)
    cells = {
        (name, cell["evaluation"]): cell
        for system in systems
        for name, cell in system["cells"].items()
        if name in leaders and cell["rate"] is not None and "references" not in cell["differs"]
    }
    wanted = [
        (Wanted(name, evaluation, cell["revision"] or 0, leaders[name]), cell["utterances"])
        for (name, evaluation), cell in cells.items()
    ]
    found = await certainties_of(read, sight, wanted, alpha)
    for place, cell in cells.items():
        cell["certainty"] = found.of.get(place)
    said = [f"{found.left_out} cells are without an interval: they are too many"] if found.left_out else []
    return {"alpha": alpha, **STATED, "warnings": said}


class _System(NamedTuple):
    """A row of the board. evaluations: (evaluation, revision) by test set; tuned: sets that its decoding may be chosen on."""

    run: UUID
    decoding: str
    macro: float | None
    missing: int
    evaluations: dict[str, tuple[UUID, int]]
    tuned: set[str]


def _best(standings: Standings, standing: Standing, test_sets: Sequence[str], limit: int) -> list[_System]:
    """The systems that miss fewer of the sets, then by their mean."""
    numbers = [standings.test_sets.numbers[name] for name in test_sets if name in standings.test_sets.numbers]
    if not numbers:
        return []
    rates, rows = standing.rates[:, numbers], standing.row[:, numbers]
    scored = (~np.isnan(rates)).sum(axis=1)
    with np.errstate(invalid="ignore"):
        macro = np.where(scored > 0, np.nansum(rates, axis=1) / scored, np.inf)
    there = np.flatnonzero((rows >= 0).any(axis=1))
    order = there[np.lexsort((standings.rank[there], macro[there], -scored[there]))][:limit]
    named: list[tuple[UUID, str]] = standings.systems.names
    return [
        _System(
            named[system][0],
            named[system][1],
            float(macro[system]) if scored[system] else None,
            len(test_sets) - int(scored[system]),
            {
                standings.test_sets.names[number]: (standings.ids[row], standings.number(row))
                for number, row in zip(numbers, rows[system].tolist(), strict=True)
                if row >= 0
            },
            standings.tuned(standing, named[system][0]),
        )
        for system in order.tolist()
    ]


def _systems(
    rows: Sequence[Any], systems: Sequence[_System], columns: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    found = {row["evaluation"]: row for row in rows}
    languages = {name: column["language"] for name, column in columns.items()}
    shown = []
    for system in systems:
        first = found[next(iter(system.evaluations.values()))[0]]
        cells = {
            name: _cell(found[evaluation], columns[name], tuned=name in system.tuned)
            for name, (evaluation, _) in system.evaluations.items()
        }
        shown.append(
            {
                "run_id": system.run,
                "run": first["run"],
                "experiment": first["experiment"],
                "decoding": system.decoding,
                "cells": cells,
                "macro_over_sets": system.macro,
                "missing": system.missing,
                **columns_of(by_language({name: cell["rate"] for name, cell in cells.items()}, languages)),
            }
        )
    return shown


def _cell(row: Any, column: dict[str, Any], *, tuned: bool) -> dict[str, Any]:
    refused, hits = bool(row["refused"]), row["hits"]
    errors = None if hits is None else row["substitutions"] + row["deletions"] + row["insertions"]
    differs = [
        *(["refused"] if refused else []),
        *(["references"] if not refused and row["digest"] != column["references"] else []),
        *(["coverage"] if row["covered"] != row["utterances"] else []),
    ]
    return {
        "evaluation": row["evaluation"],
        "rate": row["rate"],
        "errors": errors,
        "tokens": None if hits is None else hits + row["substitutions"] + row["deletions"],
        "utterances": row["utterances"],
        "coverage": rate(row["covered"], row["utterances"]),
        "mean_of_speakers": row["mean_of_speakers"],
        "speakers": row["speakers"],
        **speed(row["decode_seconds"], row["audio_seconds"]),
        "timing": msgspec.Raw(row["timing"].encode()),
        "revision": row["number"] or None,
        "differs": differs,
        "tuned_here": tuned,
    }
