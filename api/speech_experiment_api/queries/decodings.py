"""Whether a decoding was chosen on the test set that it is reported on, which makes its error rate too good.

So it may be where a run was decoded on a set in several ways, and no two of these were compared on any other set.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Any
from uuid import UUID

from .reading import Reading
from .scored import known
from .sql import Binder


def tuned_here(here: Collection[Hashable], elsewhere: Iterable[Collection[Hashable]]) -> bool:
    """Of a run: its decodings on the set, and those on each other set."""
    return len(here) > 1 and not any(len({*here} & {*each}) > 1 for each in elsewhere)


async def decodings_of(read: Reading, runs: Collection[UUID]) -> dict[UUID, dict[str, list[str]]]:
    """Run → test set → the decodings that it was evaluated with there, at the vector."""
    bind = Binder()
    sql = (
        "select e.run_id, e.test_set_name, array_agg(distinct e.decoding_text) as decodings "
        f"from {read.tables.scores}.evaluations e where e.run_id = any({bind(list(runs), 'uuid[]')}) "
        f"and e.test_set_name is not null and e.completed is not null and {known(read, bind, 'e', 'completed')} "
        "group by e.run_id, e.test_set_name"
    )
    found: dict[UUID, dict[str, list[str]]] = {}
    for row in await read.fetch(sql, *bind.values):
        found.setdefault(row["run_id"], {})[row["test_set_name"]] = row["decodings"]
    return found


def is_tuned(row: Any, decodings: dict[UUID, dict[str, list[str]]]) -> bool:
    """row: of an evaluation, with run_id and test_set_name."""
    sets = decodings.get(row["run_id"], {})
    here = sets.get(row["test_set_name"], [])
    return tuned_here(here, (each for name, each in sets.items() if name != row["test_set_name"]))


async def warnings_of(read: Reading, rows: Sequence[Any]) -> list[str]:
    """What is to be said of these evaluations."""
    decodings = await decodings_of(read, {row["run_id"] for row in rows})
    return [
        f"{row['run']} was decoded in {len(decodings[row['run_id']][row['test_set_name']])} ways on "
        f"{row['test_set_name']}, and no two of them on another set: if {row['decoding_text'] or 'its decoding'} was "
        "chosen here, its rate is too good"
        for row in rows
        if is_tuned(row, decodings)
    ]
