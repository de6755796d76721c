"""GET /replicates: configurations × test sets over their seeds, as a claim about a way of training needs several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_projections.scoring.replicates import Ranked, rank

from ..params import integer, plain
from ..problems import bad_request
from ..routing import Param, Routes
from .boards import BOARD_PARAMS, Board, ScoredSet, board_of, rows_of
from .calculators import answered
from .certainties import ALPHA_PARAM, alpha_of
from .configurations import Group, groups_of
from .languages import by_language, columns_of
from .reading import Reading
from .scored import rate

routes = Routes("replicates")
MAX_ROWS, DEFAULT_ROWS, MAX_APART = 200, 100, 50


class SeedScore(msgspec.Struct, kw_only=True):
    """seed: as the run says it; null where it says none."""

    run_id: UUID
    run: str
    evaluation: UUID
    seed: str | None
    rate: float
    coverage: float | None


class ReplicatedCell(msgspec.Struct, kw_only=True):
    """Rates of the seeds of one configuration on one test set, those on the references of its column.

    sd           over the seeds (n - 1); null with one seed
    single_seed  what is said of it holds for one model, not for the configuration
    best         the lowest mean of the configurations shown
    p            of the difference to the best, by Welch's test over seeds, Holm over the configurations of the column
    tied         not shown to differ from the best at alpha; null where one of the two has a single seed
    coverage     the lowest of the seeds'; left_out: seeds that are on other references
    """

    seeds: int
    mean: float
    sd: float | None
    single_seed: bool
    best: bool
    p: float | None
    tied: bool | None
    coverage: float | None
    left_out: int
    scores: list[SeedScore]


class ReplicatedSystem(msgspec.Struct, kw_only=True):
    """A configuration with one decoding; run: its newest. config: null where its run says no seed, and so stands alone.

    macro_over_sets, by_language, macro_over_languages  as on the board of systems, of the means
    """

    config: str | None
    experiment: str | None
    run: str
    runs: list[UUID]
    decoding: str
    cells: dict[str, ReplicatedCell]
    macro_over_sets: float | None
    missing: int
    by_language: dict[str, float]
    macro_over_languages: float | None
    missing_languages: int


class ReplicatedBoard(msgspec.Struct, kw_only=True):
    profile: str
    unit: str | None
    alpha: float
    test_sets: list[ScoredSet]
    configurations: list[ReplicatedSystem]
    vector: str


@routes.get(
    "/api/v1/replicates",
    access="viewer",
    response=ReplicatedBoard,
    params=[
        *BOARD_PARAMS,
        Param(
            "apart_from",
            f"a config key that may differ between seeds as well, e.g. output_dir; up to {MAX_APART}",
            many=True,
        ),
        ALPHA_PARAM,
        Param("limit", f"configurations, up to {MAX_ROWS} (default {DEFAULT_ROWS})", int),
    ],
)
async def replicates(request: Request) -> Response:
    """Configurations over their seeds: mean ± sd on each test set, and tests across seeds against the best."""
    return await answered(request, _question)


async def _question(read: Reading) -> partial[dict[str, Any]]:
    limit = integer(read.request, "limit", DEFAULT_ROWS, 1, MAX_ROWS)
    alpha = alpha_of(read)
    apart = [plain(each) for each in dict.fromkeys(read.request.query_params.getlist("apart_from"))]
    if len(apart) > MAX_APART:
        raise bad_request(f"name up to {MAX_APART} keys, got {len(apart)}", "apart_from")
    board = await board_of(read)
    groups = _ordered(board, await groups_of(read, board, apart))[:limit]
    rows = [row for group in groups for seeds in group.rows.values() for row in seeds.values()]
    places = [(board.standings.ids[row], board.standings.number(row)) for row in rows]
    found = {row["evaluation"]: row for row in await rows_of(read, board.sight, places)}
    head = {"profile": board.sight.profile, "unit": board.sight.unit, "alpha": alpha}
    return partial(_answered, head, board, groups, found)


def _ordered(board: Board, groups: Sequence[Group]) -> list[Group]:
    """Those that miss fewer sets, then by the mean of their means."""
    standings = board.standings

    def key(group: Group) -> tuple[Any, ...]:
        means = [
            float(np.mean([standings.rate(row) for row in each.values()])) for each in group.rows.values()
        ]
        first = min(row for each in group.rows.values() for row in each.values())
        return -len(means), sum(means) / len(means), str(standings.run(first)), group.decoding

    return sorted(groups, key=key)


def _answered(
    head: dict[str, Any], board: Board, groups: Sequence[Group], found: Mapping[UUID, Any]
) -> dict[str, Any]:
    cells: list[dict[str, Any]] = [{} for _ in groups]
    for column in board.columns:
        name = column["test_set"]
        having = [place for place, group in enumerate(groups) if name in group.rows]
        rates = [[board.standings.rate(row) for row in groups[place].rows[name].values()] for place in having]
        for place, ranked in zip(having, rank(rates, head["alpha"]), strict=True):
            cells[place][name] = _cell(board, groups[place], name, ranked, found)
    languages = {each["test_set"]: each["language"] for each in board.columns}
    return {
        **head,
        "test_sets": board.columns,
        "configurations": [
            _system(board, group, each, languages, found) for group, each in zip(groups, cells, strict=True)
        ],
    }


def _cell(board: Board, group: Group, name: str, ranked: Ranked, found: Mapping[UUID, Any]) -> dict[str, Any]:
    scores = []
    for seed, row in group.rows[name].items():
        score = found[board.standings.ids[row]]
        scores.append(
            {
                "run_id": score["run_id"],
                "run": score["run"],
                "evaluation": score["evaluation"],
                "seed": seed if group.configuration else None,
                "rate": board.standings.rate(row),
                "coverage": rate(score["covered"], score["utterances"]),
            }
        )
    return {
        "seeds": ranked.replicates.seeds,
        "mean": ranked.replicates.mean,
        "sd": ranked.replicates.sd,
        "single_seed": ranked.replicates.single_seed,
        "best": ranked.best,
        "p": ranked.p,
        "tied": ranked.tied,
        "coverage": min((each["coverage"] for each in scores if each["coverage"] is not None), default=None),
        "left_out": group.left_out[name],
        "scores": sorted(scores, key=lambda each: (each["seed"] or "", str(each["run_id"]))),
    }


def _system(
    board: Board,
    group: Group,
    cells: dict[str, Any],
    languages: Mapping[str, str | None],
    found: Mapping[UUID, Any],
) -> dict[str, Any]:
    rows = [row for each in group.rows.values() for row in each.values()]
    newest = found[board.standings.ids[max(rows, key=board.standings.started)]]
    means = {name: cell["mean"] for name, cell in cells.items()}
    return {
        "config": group.configuration.name if group.configuration else None,
        "experiment": newest["experiment"],
        "run": newest["run"],
        "runs": sorted({board.standings.run(row) for row in rows}),
        "decoding": group.decoding,
        "cells": cells,
        "macro_over_sets": sum(means.values()) / len(means) if means else None,
        "missing": len(board.columns) - len(cells),
        **columns_of(by_language(means, languages)),
    }
