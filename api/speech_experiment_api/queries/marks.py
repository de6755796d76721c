"""GET /marks: references that somebody doubts, so that someone can work through them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_schemas.ids import birth_name, test_set_id

from ..params import integer, plain
from ..problems import bad_request
from ..routing import Param, Routes
from .reading import AS_OF, Reading, reading
from .scored import known
from .sql import Binder

routes = Routes("marks")
MAX_ROWS, DEFAULT_ROWS = 1_000, 100
STATES = ("open", "dismissed", "corrected", "all")


class OpenMark(msgspec.Struct):
    """Of an utterance whose reference is doubted: why, by whom, since when."""

    note: str
    by: str | None
    time: datetime


class ReferenceMark(msgspec.Struct, kw_only=True):
    """The last word on the reference of an utterance.

    state   open; dismissed: found right, and the note tells why; corrected: since it was marked
    """

    test_set: str
    utterance: str
    state: str
    note: str
    by: str | None
    time: datetime


class ReferenceMarks(msgspec.Struct):
    """The newest first; total: of those asked for, however many are shown."""

    marks: list[ReferenceMark]
    total: int
    vector: str


@routes.get(
    "/api/v1/marks",
    access="viewer",
    response=ReferenceMarks,
    params=[
        Param("test_set", "only those of a set"),
        Param("state", f"{', '.join(STATES)} (default open)"),
        Param("limit", f"marks, up to {MAX_ROWS} (default {DEFAULT_ROWS})", int),
        AS_OF,
    ],
)
async def marks(request: Request) -> Response:
    """References that are marked as doubtful, and what became of them."""
    async with reading(request) as read:
        return read.not_modified() if read.unchanged else read.answer(await _marks(read))


async def _marks(read: Reading) -> dict[str, Any]:
    parameters = read.request.query_params
    limit = integer(read.request, "limit", DEFAULT_ROWS, 1, MAX_ROWS)
    state = parameters.get("state", "open")
    if state not in STATES:
        raise bad_request(f"{state[:100]!r} is no state; there are {', '.join(STATES)}", "state")
    bind = Binder()
    condition = f"t.workspace = {bind(read.actor.workspace, 'text')}"
    if test_set := parameters.get("test_set"):
        identity = test_set_id(read.actor.workspace, birth_name(plain(test_set)))
        condition += f" and t.id = {bind(identity, 'uuid')}"
    rows = await read.fetch(
        "select t.name as test_set, m.utterance, m.state, m.note, m.actor as by, m.time, "
        "count(*) over () as total "
        f"from {_last(read, bind)} m join {read.tables.scores}.test_sets t on t.id = m.test_set "
        f"where {condition} and {bind(state, 'text')} in (m.state, 'all') "
        f'order by m.time desc, m."offset" desc, m.utterance limit {limit}',
        *bind.values,
    )
    names = ReferenceMark.__struct_fields__
    return {
        "marks": [{name: row[name] for name in names} for row in rows],
        "total": rows[0]["total"] if rows else 0,
    }


async def open_marks(read: Reading, test_set: UUID) -> dict[str, OpenMark]:
    """Utterance → its mark, of those in a set that are doubted at the vector."""
    bind = Binder()
    rows = await read.fetch(
        f"select m.utterance, m.note, m.actor, m.time from {_last(read, bind)} m "
        f"where m.test_set = {bind(test_set, 'uuid')} and m.state = 'open'",
        *bind.values,
    )
    return {row["utterance"]: OpenMark(row["note"], row["actor"], row["time"]) for row in rows}


async def marks_of(read: Reading, row: Any) -> dict[str, OpenMark]:
    """As open_marks, of the set that an evaluation is scored on; none on references of its own."""
    return {} if row["own"] else await open_marks(read, row["test_set"])


def _last(read: Reading, bind: Binder) -> str:
    """A relation of the last mark of each utterance at the vector, with its state."""
    schema = read.tables.scores
    corrected = (
        f"exists (select from {schema}.corrections c join {schema}.test_set_revisions v "
        "on v.test_set = c.test_set and v.number = c.number where c.test_set = m.test_set "
        f'and c.utterance = m.utterance and v."offset" > m."offset" and {known(read, bind, "v")})'
    )
    return (
        "(select m.*, case when not m.doubtful then 'dismissed' "
        f"when {corrected} then 'corrected' else 'open' end as state "
        f"from (select distinct on (m.test_set, m.utterance) m.* from {schema}.reference_marks m "
        f"where {known(read, bind, 'm')} "
        'order by m.test_set, m.utterance, m."offset" desc) m)'
    )
