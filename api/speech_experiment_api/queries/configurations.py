"""Which runs are the same configuration with other seeds.

Runs of one experiment are, whose configs are equal but for the seeds (see replicates.SEED_NAME) and what the question
leaves out, and which say their seed, in the config or as the tag `seed`. Of one seed the newest evaluation counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np

from speech_experiment_projections.scoring.replicates import SEED_NAME

from .boards import Board, below, numbers_of
from .languages import registered_sets
from .needs import EVERY, Needs
from .packed import Scored
from .reading import Reading
from .scored import Seen
from .sql import Binder
from .standings import Standings, standings_of
from .visibility import visible

_CONFIGURED = """
select r.id, r.experiment_id, coalesce(string_agg(coalesce(p.num::text, p.txt, ''), '; ' order by p.key collate "C") filter (where {is_seed}),
       r.tags ->> 'seed') as seed,
       encode(sha256(convert_to(coalesce(string_agg(p.key || e'\\x1f' || {value}, e'\\x1e' order by p.key collate "C")
           filter (where not {is_seed} and p.key <> all({apart})), ''), 'UTF8')), 'hex') as digest
from {metadata}.runs r left join {metadata}.run_params p on p.run_id = r.id
where r.id = any({ids}) group by r.id, r.experiment_id, r.tags ->> 'seed'
"""
_VALUE = "coalesce('n' || p.num::text, 't' || p.txt, '')"
_SHOWN_DIGITS = 12


class Configuration(NamedTuple):
    """digest: of the config without seeds."""

    experiment: UUID | None
    digest: str

    @property
    def name(self) -> str:
        return self.digest[:_SHOWN_DIGITS]


class Configured(NamedTuple):
    """A run that says its seed."""

    configuration: Configuration
    seed: str


async def configured_runs(
    read: Reading, runs: Collection[UUID], apart: Sequence[str] = ()
) -> dict[UUID, Configured]:
    """Those of the runs that say their seed. apart: config keys that may differ as well."""
    await read.world.fields(Needs(params={EVERY}))
    bind = Binder()
    seed_name = bind(SEED_NAME, "text")
    sql = _CONFIGURED.format(
        value=_VALUE,
        is_seed=f"(lower(p.key) ~ {seed_name})",
        apart=bind(list(apart), "text[]"),
        metadata=read.tables.metadata,
        ids=bind(list(runs), "uuid[]"),
    )
    rows = await read.fetch(sql, *bind.values)
    return {
        row["id"]: Configured(Configuration(row["experiment_id"], row["digest"]), row["seed"])
        for row in rows
        if row["seed"]
    }


def newest_of_seeds(standings: Standings, rows: Iterable[int], seeds: Mapping[UUID, str]) -> dict[str, int]:
    """Seed → the row of its newest evaluation. seeds: of the runs; one that says none stands for itself."""
    newest: dict[str, int] = {}
    for row in sorted(rows, key=standings.started):
        run = standings.run(row)
        newest[seeds.get(run, str(run))] = row
    return newest


class Group(NamedTuple):
    """runs: all of the configuration, of which the newest of each seed counts

    rows: test set → seed → row in the standings; left_out: test set → how many are on other references
    """

    configuration: Configuration | None
    decoding: str
    runs: list[UUID]
    rows: dict[str, dict[str, int]]
    left_out: dict[str, int]


async def groups_of(read: Reading, board: Board, apart: Sequence[str] = ()) -> list[Group]:
    """What stands in the columns, by configuration and decoding."""
    standings, numbers = board.standings, board.standings.test_sets.numbers
    shown = {each["test_set"]: each for each in board.columns if each["test_set"] in numbers}
    columns = [numbers[name] for name in shown]
    there = np.flatnonzero((board.standing.row[:, columns] >= 0).any(axis=1)).tolist() if columns else []
    configured = await configured_runs(read, {standings.systems.names[system][0] for system in there}, apart)
    seeds = {run: each.seed for run, each in configured.items()}
    systems: dict[tuple[Configuration | UUID, str], list[int]] = defaultdict(list)
    for system in there:
        run, decoding = standings.systems.names[system]
        systems[configured[run].configuration if run in configured else run, decoding].append(system)
    groups = []
    for (key, decoding), members in systems.items():
        kept, left_out = {}, {}
        for name, column in shown.items():
            rows = [row for row in board.standing.row[members, numbers[name]].tolist() if row >= 0]
            alike = standings.alike(rows, column["references"])
            if alike:
                kept[name] = newest_of_seeds(standings, alike, seeds)
                left_out[name] = len(rows) - len(alike)
        if kept:
            runs = [standings.systems.names[system][0] for system in members]
            configuration = key if isinstance(key, Configuration) else None
            groups.append(Group(configuration, decoding, runs, kept, left_out))
    return groups


async def seeds_of_systems(read: Reading, board: Board) -> dict[tuple[UUID, str], int]:
    """(run, decoding) → seeds of its configuration, on the column where they are most."""
    found: dict[tuple[UUID, str], int] = {}
    for group in await groups_of(read, board):
        seeds = max(map(len, group.rows.values()))
        found |= {(run, group.decoding): seeds for run in group.runs}
    return found


class Seeds(NamedTuple):
    """Of an evaluation: its configuration, None where its run says no seed, and the rate of each seed of it."""

    configuration: Configuration | None
    rates: list[float]


async def seeds_of(read: Reading, sight: Seen, parts: Sequence[Scored]) -> list[Seeds]:
    """With the other seeds' newest evaluations by the same decoding, on the same set and references."""
    own = await configured_runs(read, {part.row["run_id"] for part in parts})
    others = await _runs_beside(read, {each.configuration.experiment for each in own.values()})
    if read.actor.share:  # which shows its own runs, and says nothing of others
        others = {run: number for run, number in others.items() if run in own}
    standings = await standings_of(read, sight)
    standing = standings.at(below(read), numbers_of(await registered_sets(read)), list(others.values()))
    rows = [
        standings.beside(standing, part.row["test_set_name"], part.row["decoding_text"], part.row["digest"])
        for part in parts
    ]
    configured = own | await configured_runs(
        read, {standings.run(row) for each in rows for row in each} - own.keys()
    )
    return [_seeds(standings, part.row, each, configured) for part, each in zip(parts, rows, strict=True)]


def _seeds(
    standings: Standings, row: Any, rows: Iterable[int], configured: Mapping[UUID, Configured]
) -> Seeds:
    """row: of the evaluation itself, which counts as it is for its seed."""
    rate = standings.rate_of(row["id"], row["number"])
    mine = configured.get(row["run_id"])
    if mine is None or rate is None:
        return Seeds(None, [] if rate is None else [rate])
    alike = {run: each.seed for run, each in configured.items() if each.configuration == mine.configuration}
    newest = newest_of_seeds(standings, (each for each in rows if standings.run(each) in alike), alike)
    rates = {seed: standings.rate(each) for seed, each in newest.items()} | {mine.seed: rate}
    return Seeds(mine.configuration, [rates[seed] for seed in sorted(rates)])


async def _runs_beside(read: Reading, experiments: Collection[UUID | None]) -> dict[UUID, int]:
    """Run → hash, of the runs in these experiments, or in none, that may be seen."""
    bind = Binder()
    known = bind([each for each in experiments if each is not None], "uuid[]")
    within = f"r.experiment_id = any({known})" + (
        " or r.experiment_id is null" if None in experiments else ""
    )
    sql = (
        f"select r.id, r.hash from {read.tables.metadata}.runs r "
        f"where ({within}) and {visible(read.tables, bind, read.scope)}"
    )
    return {row["id"]: row["hash"] for row in await read.fetch(sql, *bind.values)}
