"""GET /scores: systems × test sets, with what each number stands on, so that only like is put beside like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from ..params import flag, integer, test_sets
from ..routing import Param, Routes
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
from .languages import Registered, by_language, columns_of, registered_sets
from .needs import needs_of
from .plans import Planner
from .reading import Reading, filter_problem, reading
from .runs import FILTER_PARAMS, question_of
from .scored import PROFILE, Seen, rate, seen, speed
from .sql import Binder
from .standings import Standing, Standings, standings_of
from .syntax import FilterError

routes = Routes("scores")
MAX_ROWS, DEFAULT_ROWS, MAX_SETS = 1_000, 100, 50


class Cell(msgspec.Struct, kw_only=True):
    """One system on one test set; rates are fractions.

    differs  what makes the number incomparable with the column's: references (another version of them), coverage
             (utterances are missing), refused (no number: the profile forbids it)
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


class ScoredSet(msgspec.Struct, kw_only=True):
    """A column: the references that most systems were scored on.

    registered  whether these are a revision of a registered set; references: digest of ids and texts
    language    of the registered set, else of most evaluations on it
    """

    test_set: str
    language: str | None
    registered: bool
    revision: int | None
    references: str | None
    systems: int


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
        Param("test_set", "may be given several times (default: those with most systems)", many=True),
        PROFILE,
        *FILTER_PARAMS,
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
    sight = await seen(read)
    try:
        await read.world.fields(needs_of(question_of(read).query))
        hashes = await _runs(read)
    except FilterError as error:
        raise filter_problem(error, "filter") from None
    standings = await standings_of(read, sight)
    below = list(read.vector.below("evaluations").values())
    registered = await registered_sets(read)
    standing = standings.at(below, {name: each.number for name, each in registered.items()}, hashes)
    columns = _columns(standings, standing, registered, test_sets(read.request, MAX_SETS))
    best = _best(standings, standing, [each["test_set"] for each in columns], limit)
    by_name = {each["test_set"]: each for each in columns}
    systems = _systems(await _rows(read, sight, best), best, by_name)
    answer = {"profile": sight.profile, "unit": sight.unit, "test_sets": columns, "systems": systems}
    if not flag(read.request, "intervals"):
        return answer
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


async def _runs(read: Reading) -> list[int]:
    """Hashes of the runs that the question takes."""
    bind = Binder()
    conditions = Planner(read.tables, question_of(read)).conditions(bind, probing=False)
    sql = f"select array_agg(r.hash) as hashes from {read.tables.metadata}.runs r where {conditions}"
    return (await read.fetch(sql, *bind.values))[0]["hashes"] or []


def _columns(
    standings: Standings, standing: Standing, registered: Mapping[str, Registered], wanted: Sequence[str]
) -> list[dict[str, Any]]:
    """The sets that are asked for, else those with most systems, by name."""
    counts = (standing.row >= 0).sum(axis=0).tolist()
    known = {name: number for name, number in standings.test_sets.numbers.items() if counts[number]}
    most = sorted(known, key=lambda name: (-counts[known[name]], name))[:MAX_SETS]
    return [
        _column(standings, standing, name, known.get(name), registered.get(name))
        for name in wanted or sorted(most)
    ]


def _column(
    standings: Standings, standing: Standing, name: str, number: int | None, registered: Registered | None
) -> dict[str, Any]:
    """With a registered set's newest references, else the ones that most systems have."""
    rows = np.zeros(0, np.int64) if number is None else standing.row[standing.row[:, number] >= 0, number]
    versions = standings.references(rows)
    first = max(versions, key=lambda each: (each[1], versions[each], each[0]), default=(None, 0))
    return {
        "test_set": name,
        "language": registered.language if registered else standings.language(rows),
        "registered": bool(first[1]),
        "revision": first[1] or None,
        "references": first[0],
        "systems": len(rows),
    }


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


async def _rows(read: Reading, sight: Seen, systems: Sequence[_System]) -> list[Any]:
    """The scores of the systems' evaluations, and what their runs are called."""
    chosen = [each for system in systems for each in system.evaluations.values()]
    return await read.fetch(
        "select s.evaluation, s.number, s.hits, s.substitutions, s.deletions, s.insertions, s.utterances, s.covered, "
        "s.speakers, s.mean_of_speakers, s.audio_seconds, s.decode_seconds, s.digest, s.rate, s.refused, "
        f"r.name as run, x.name as experiment from unnest($1::uuid[], $2::int[]) n (evaluation, number) "
        f"join {read.tables.scores}.scores s on s.evaluation = n.evaluation and s.number = n.number and s.profile = $3 "
        f"join {read.tables.metadata}.runs r on r.id = s.run_id "
        f"left join {read.tables.metadata}.experiments x on x.id = r.experiment_id",
        [evaluation for evaluation, _ in chosen],
        [number for _, number in chosen],
        sight.identity,
    )


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
        "rtf": speed(row["decode_seconds"], row["audio_seconds"])["rtf"],
        "revision": row["number"] or None,
        "differs": differs,
        "tuned_here": tuned,
    }
