"""Nothing is written to a log that is not the one the projections were built from.

Consumers refuse to read a swapped log; without this the gateway would still append to it, and
what it acknowledged would be in nobody's truth.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from . import log
from .outages import is_outage
from .positions import Place
from .problems import Problem, unavailable

if TYPE_CHECKING:
    from .services import Services

_SOON, _LATER = 0.05, 5.0


async def run(services: Services) -> None:
    """Opens the writer once the log is known to be ours, and closes it when it is not any more."""
    thorough = True
    while True:
        try:
            services.writer.barred = await examine(services, thorough=thorough)
            thorough = False
        except Problem:
            pass  # a store is away: what was found last stands
        except Exception as error:  # noqa: BLE001 - tried again until the stores are there
            if not is_outage(error):
                log.write_error(error, task="log guard")
        await asyncio.sleep(_SOON if thorough else _LATER)


async def examine(services: Services, *, thorough: bool) -> str | None:
    """Why the connected log is not the projections' own; None when it is.

    thorough: also reads the first record that each projection applied, and compares its hash.
    """
    rows = await _positions(services)
    ends = await services.ends.at(_place(row) for row in rows)
    for row in rows:
        place = _place(row)
        if row["next_offset"] > ends[place]:
            return _another(
                f"{_name(place)}: {row['next_offset']} records were applied, it has {ends[place]}"
            )
        if thorough and not await _begins_alike(services, place, row):
            return _another(f"{_name(place)}: the record at offset {row['first_offset']} is another one")
    return None


async def _positions(services: Services) -> list[Any]:
    columns = "topic, partition, next_offset, first_offset, first_hash"
    schemas = (await services.stores.versions.schemas()).values()
    tables = " union all ".join(f"select {columns} from {schema}.positions" for schema in schemas)  # noqa: S608
    return await services.stores.pool.fetch(tables) if tables else []


async def _begins_alike(services: Services, place: Place, row: Any) -> bool:
    first = row["first_offset"]
    if first is None:
        return True
    piece = await services.log_reader.scan(place, first, first + 1, None, 1)
    if piece.next_offset <= first:  # a broker that is slow is no other log
        raise unavailable(f"{_name(place)}, the record at offset {first},")
    return bool(piece.records) and sha256(piece.records[0].value).digest() == row["first_hash"]


def _place(row: Any) -> Place:
    return row["topic"], row["partition"]


def _name(place: Place) -> str:
    return f"{place[0]}/{place[1]}"


def _another(evidence: str) -> str:
    return (
        f"this is another log than the databases were built from ({evidence}); connect the Kafka they "
        "belong to, or give this one empty databases"
    )
