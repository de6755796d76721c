"""What boards of systems × test sets have in common: the runs that are asked for, their newest scores, the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import numpy as np

from ..params import test_sets
from ..routing import Param
from .languages import Registered, registered_sets
from .needs import needs_of
from .plans import Planner
from .reading import Reading, filter_problem
from .runs import FILTER_PARAMS, question_of
from .scored import PROFILE, Seen, seen
from .sql import Binder
from .standings import Standing, Standings, standings_of
from .syntax import FilterError

MAX_SETS = 50
BOARD_PARAMS = (
    Param("test_set", "may be given several times (default: those with most systems)", many=True),
    PROFILE,
    *FILTER_PARAMS,
)


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


class Board(NamedTuple):
    """columns: ScoredSet as mappings."""

    sight: Seen
    standings: Standings
    standing: Standing
    columns: list[dict[str, Any]]


async def board_of(read: Reading) -> Board:
    """What the parameters of a board ask for; Problem 400 for a filter that was not understood."""
    sight = await seen(read)
    try:
        await read.world.fields(needs_of(question_of(read).query))
        hashes = await _runs(read)
    except FilterError as error:
        raise filter_problem(error, "filter") from None
    standings = await standings_of(read, sight)
    registered = await registered_sets(read)
    standing = standings.at(below(read), numbers_of(registered), hashes)
    columns = _columns(standings, standing, registered, test_sets(read.request, MAX_SETS))
    return Board(sight, standings, standing, columns)


def below(read: Reading) -> list[int]:
    """The vector in the topic of evaluations."""
    return list(read.vector.below("evaluations").values())


def numbers_of(registered: Mapping[str, Registered]) -> dict[str, int]:
    return {name: each.number for name, each in registered.items()}


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


async def rows_of(read: Reading, sight: Seen, chosen: Sequence[tuple[UUID, int]]) -> list[Any]:
    """The scores of these evaluations at these revisions, and what their runs are called."""
    return await read.fetch(
        "select s.evaluation, s.number, s.hits, s.substitutions, s.deletions, s.insertions, s.utterances, s.covered, "
        "s.speakers, s.mean_of_speakers, s.audio_seconds, s.decode_seconds, s.digest, s.rate, s.refused, e.timing, "
        f"s.run_id, r.name as run, x.name as experiment from unnest($1::uuid[], $2::int[]) n (evaluation, number) "
        f"join {read.tables.scores}.scores s on s.evaluation = n.evaluation and s.number = n.number and s.profile = $3 "
        f"join {read.tables.scores}.evaluations e on e.id = s.evaluation "
        f"join {read.tables.metadata}.runs r on r.id = s.run_id "
        f"left join {read.tables.metadata}.experiments x on x.id = r.experiment_id",
        [evaluation for evaluation, _ in chosen],
        [number for _, number in chosen],
        sight.identity,
    )
