"""What every system has scored, kept in memory as columns: a board over a hundred thousand evaluations in milliseconds.

Rows of scores never change, so they are read once, and then what was added since. Each question cuts the
columns at its own vector, and at the runs that it takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from speech_experiment_schemas.ids import run_hash

from .decodings import tuned_here
from .kept import used
from .reading import Reading
from .scored import Seen

_MOST = 8
"""Workspaces and profiles that are kept; those asked for last."""
Ints = NDArray[np.int64]
_COLUMNS = (
    "run",
    "system",
    "test_set",
    "own",
    "pinned",
    "started",
    "partition",
    "completed",
    "number",
    "digest",
    "language",
)
_ADDED = """
select e.id, e.run_id, e.test_set_name, e.decoding_text, e.own, coalesce(e.revision, 0) as pinned,
       (extract(epoch from e.started_at) * 1000000)::bigint as started, e.partition, e.completed, s.number, s.rate,
       s.digest, coalesce(e.language, '') as language
from {schema}.scores s join {schema}.evaluations e on e.id = s.evaluation
where s.workspace = $1 and s.profile = $2 and s.made >= $3::text::xid8
"""


class Names:
    """Numbers for names, in the order in which they are met."""

    def __init__(self) -> None:
        self.numbers: dict[Any, int] = {}
        self.names: list[Any] = []

    def __call__(self, name: Any) -> int:
        number = self.numbers.get(name)
        if number is None:
            number = self.numbers[name] = len(self.names)
            self.names.append(name)
        return number

    def __len__(self) -> int:
        return len(self.names)


class Standing(NamedTuple):
    """The newest score of each system on each test set, as of a vector: arrays [systems, test sets].

    row    in the columns; -1: there is none
    rates  NaN where there is none
    """

    row: Ints
    rates: NDArray[np.float64]


class Standings:
    """The scores of a workspace under a profile.

    rank  of each system by run and decoding, which decides between equals
    """

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.runs, self.systems, self.test_sets, self.digests = Names(), Names(), Names(), Names()
        self._languages = Names()
        self.ids: list[UUID] = []
        self._places: dict[tuple[UUID, int], int] = {}
        self._since = "0"
        self._columns: dict[str, Ints] = {name: np.zeros(0, np.int64) for name in _COLUMNS}
        self._rates = np.zeros(0)
        self._order = np.zeros(0, np.int64)
        self._hashes = np.zeros(0, np.int64)
        self.rank = np.zeros(0, np.int64)
        self._decoded: dict[UUID, list[int]] = {}

    async def refresh(self, read: Reading, sight: Seen) -> None:
        """Reads what was added; whatever the question's snapshot shows is there then."""
        async with self.lock:
            query = _ADDED.format(schema=read.tables.scores)
            rows = await read.fetch(query, read.actor.workspace, sight.identity, self._since)
            self._since = (await read.fetch("select pg_snapshot_xmin(pg_current_snapshot())::text as x"))[0][
                "x"
            ]
            fresh = [row for row in rows if (row["id"], row["number"]) not in self._places]
            if fresh:
                self._add(fresh)

    def _add(self, rows: Sequence[Any]) -> None:
        self._places |= {(row["id"], row["number"]): place for place, row in enumerate(rows, len(self.ids))}
        made = [
            (
                self.runs(row["run_id"]),
                self.systems((row["run_id"], row["decoding_text"])),
                self.test_sets(row["test_set_name"]),
                row["own"],
                row["pinned"],
                row["started"],
                row["partition"],
                row["completed"],
                row["number"],
                self.digests(row["digest"]),
                self._languages(row["language"]),
            )
            for row in rows
        ]
        added = np.asarray(made, np.int64).T
        for name, values in zip(_COLUMNS, added, strict=True):
            self._columns[name] = np.concatenate([self._columns[name], values])
        rates = [np.nan if row["rate"] is None else row["rate"] for row in rows]
        self._rates = np.concatenate([self._rates, rates])
        self.ids += [row["id"] for row in rows]
        self._hashes = np.asarray([_signed(run_hash(run)) for run in self.runs.names], np.int64)
        for system in range(sum(map(len, self._decoded.values())), len(self.systems)):
            self._decoded.setdefault(self.systems.names[system][0], []).append(system)
        self.rank = np.empty(len(self.systems), np.int64)
        self.rank[sorted(range(len(self.systems)), key=self.systems.names.__getitem__)] = np.arange(
            len(self.systems)
        )
        order = np.argsort(np.asarray([each.int >> 64 for each in self.ids], np.uint64), kind="stable")
        self._order = order[np.argsort(self._columns["started"][order], kind="stable")]

    def at(self, below: Sequence[int], newest: Mapping[str, int], hashes: Sequence[int]) -> Standing:
        """As of a vector. newest: revision of each registered set; hashes: of the runs that are taken, signed."""
        columns = self._columns
        revisions = np.asarray([newest.get(name, 0) for name in self.test_sets.names], np.int64)
        runs = np.isin(self._hashes, np.asarray(hashes, np.int64))
        wanted = np.where(columns["pinned"] > 0, columns["pinned"], revisions[columns["test_set"]])
        kept = columns["completed"] < np.asarray(below, np.int64)[columns["partition"]]
        kept &= columns["number"] == np.where(columns["own"] > 0, 0, wanted)
        kept &= runs[columns["run"]]
        rows = self._order[kept[self._order]]
        standing = np.full(len(self.systems) * max(1, len(self.test_sets)), -1, np.int64)
        # Of several the last one stays: rows are in the order of their beginnings.
        standing[columns["system"][rows] * len(self.test_sets) + columns["test_set"][rows]] = rows
        shaped = standing.reshape(len(self.systems), max(1, len(self.test_sets)))
        known = np.append(self._rates, np.nan)
        return Standing(shaped, known[shaped])

    def references(self, rows: Ints) -> dict[tuple[str, int], int]:
        """(digest, revision) of the references that these scores are on → how many are; without those refused."""
        digests, numbers = self._columns["digest"][rows], self._columns["number"][rows]
        span = int(numbers.max(initial=0)) + 1
        pairs, counts = np.unique(digests * span + numbers, return_counts=True)
        found = zip((pairs // span).tolist(), (pairs % span).tolist(), counts.tolist(), strict=True)
        return {(name, number): count for code, number, count in found if (name := self.digests.names[code])}

    def language(self, rows: Ints) -> str | None:
        """That most of these evaluations name; None where none does."""
        codes, counts = np.unique(self._columns["language"][rows], return_counts=True)
        named = [
            (-count, name)
            for code, count in zip(codes.tolist(), counts.tolist(), strict=True)
            if (name := self._languages.names[code])
        ]
        return min(named)[1] if named else None

    def tuned(self, standing: Standing, run: UUID) -> set[str]:
        """Test sets on which a decoding of the run may have been chosen (see decodings)."""
        systems = self._decoded[run]
        if len(systems) < 2:
            return set()
        there = standing.row[systems] >= 0
        decodings = [np.flatnonzero(column).tolist() for column in there.T]
        return {
            self.test_sets.names[number]
            for number, here in enumerate(decodings)
            if tuned_here(here, (each for other, each in enumerate(decodings) if other != number))
        }

    def best(self, rows: Ints, references: str | None) -> int | None:
        """The row with the lowest rate of those on these references, of equal ones the system's that ranks first."""
        rated = np.asarray(self.alike(rows.tolist(), references), np.int64)
        if not len(rated):
            return None
        return int(rated[np.lexsort((self.rank[self._columns["system"][rated]], self._rates[rated]))[0]])

    def alike(self, rows: Sequence[int], references: str | None) -> list[int]:
        """Those of the rows that are on these references and have a rate."""
        found = np.asarray(rows, np.int64)
        digest = self.digests.numbers.get(references, -1)
        kept: list[int] = found[
            (self._columns["digest"][found] == digest) & ~np.isnan(self._rates[found])
        ].tolist()
        return kept

    def beside(self, standing: Standing, test_set: str, decoding: str, references: str | None) -> list[int]:
        """The rows of all runs on a test set by one decoding, those that are on these references."""
        number = self.test_sets.numbers.get(test_set)
        if number is None:
            return []
        rows = standing.row[:, number]
        there = rows[rows >= 0].tolist()
        same = [row for row in there if self.systems.names[self._columns["system"][row]][1] == decoding]
        return self.alike(same, references)

    def number(self, row: int) -> int:
        return int(self._columns["number"][row])

    def run(self, row: int) -> UUID:
        run: UUID = self.runs.names[self._columns["run"][row]]
        return run

    def started(self, row: int) -> tuple[int, int]:
        """Orders evaluations by their beginnings."""
        return int(self._columns["started"][row]), self.ids[row].int

    def rate(self, row: int) -> float:
        return float(self._rates[row])

    def rate_of(self, evaluation: UUID, number: int) -> float | None:
        """Of an evaluation at a revision; None where it has none."""
        row = self._places.get((evaluation, number))
        return None if row is None or np.isnan(self._rates[row]) else self.rate(row)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


async def standings_of(read: Reading, sight: Seen) -> Standings:
    """Those of the question's workspace and profile, with all that its snapshot shows."""
    kept = read.services.stores.standings
    key = (read.tables.scores, read.actor.workspace, sight.identity)
    kept.setdefault(key, Standings())
    found: Standings = used(kept, key, _MOST)
    await found.refresh(read, sight)
    return found
