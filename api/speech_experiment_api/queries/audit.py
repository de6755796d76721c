"""GET /audit: what people did to keys, members and workspaces, and what they deleted and restored."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ..params import identity, integer, moment, plain
from ..positions import Place, format_positions, parse_positions
from ..problems import bad_request
from ..routing import Param, Routes
from .reading import Reading, reading
from .sql import Binder, Tables

routes = Routes("audit")
_ID_LENGTH = 36


class Act(msgspec.Struct):
    """One thing that somebody did.

    position     topic:partition:offset of its event in the log
    name         what the subject is called today
    actor        key:<uuid> or system; actor_label is the label of that key
    details      the event's fields but its reason
    """

    position: str
    time: datetime
    type: str
    kind: str
    id: UUID
    name: str | None
    actor: str | None
    actor_label: str | None
    reason: str
    details: msgspec.Raw


class Audit(msgspec.Struct):
    """next_cursor: null on the last page."""

    acts: list[Act]
    next_cursor: str | None
    vector: str


@routes.get(
    "/api/v1/audit",
    access="admin",
    response=Audit,
    params=[
        Param(
            "type", "only these events, may be given several times: subject.deleted, key.created", many=True
        ),
        Param(
            "kind",
            "only about subjects of this kind: run, experiment, artifact, report, key, share, person, workspace",
        ),
        Param("subject", "only about the subject with this id"),
        Param("actor", "only what this key did: its id, key:<uuid>, or system"),
        Param("since", "from this moment or day on, ISO 8601, UTC unless an offset is given"),
        Param("until", "before this moment, or to the end of this day"),
        Param("limit", "acts on a page, up to 1,000 (default 100)", int),
        Param("cursor", "next_cursor of the page before"),
    ],
)
async def audit(request: Request) -> Response:
    """What people did in the workspace, the newest first, each with its actor, reason and place in the log."""
    limit = integer(request, "limit", 100, 1, 1_000)
    async with reading(request, newest=True) as read:
        if read.unchanged:
            return read.not_modified()
        bind = Binder()
        sql = _statement(read.tables, " and ".join(_conditions(read, bind)), limit + 1)
        rows = await read.fetch(sql, *bind.values)
        acts = [_act(row) for row in rows[:limit]]
        following = acts[-1].position if len(rows) > limit else None
        return read.answer({"acts": acts, "next_cursor": following})


def _conditions(read: Reading, bind: Binder) -> list[str]:
    request, given = read.request, read.request.query_params
    conditions = [f"a.workspace = {bind(read.actor.workspace, 'text')}"]
    if types := given.getlist("type"):
        conditions.append(f"a.type = any({bind([plain(each) for each in types], 'text[]')})")
    if kind := given.get("kind"):
        conditions.append(f"a.kind = {bind(plain(kind), 'text')}")
    if subject := given.get("subject"):
        conditions.append(f"a.id = {bind(identity(subject, 'subject'), 'uuid')}")
    if actor := given.get("actor"):
        name = f"key:{actor}" if len(actor) == _ID_LENGTH else plain(actor)
        conditions.append(f"a.actor = {bind(name, 'text')}")
    if since := moment(request, "since"):
        conditions.append(f"a.time >= {bind(since, 'timestamptz')}")
    if until := moment(request, "until", end=True):
        conditions.append(f"a.time < {bind(until, 'timestamptz')}")
    if cursor := given.get("cursor"):
        conditions.append(_behind(read.tables, cursor, bind))
    return conditions


def _behind(tables: Tables, cursor: str, bind: Binder) -> str:
    """What follows the act that a cursor names; its time is looked up, so a rebuild changes nothing."""
    partition, offset = _place(cursor)
    last = (
        f'select l.time, l.partition, l."offset" from {tables.control}.audit l '
        f'where l.partition = {bind(partition, "int")} and l."offset" = {bind(offset, "bigint")}'
    )
    return f'(a.time, a.partition, a."offset") < ({last})'


def _statement(tables: Tables, where: str, limit: int) -> str:
    newest_first = 'order by a.time desc, a.partition desc, a."offset" desc'
    page = f"select * from {tables.control}.audit a where {where} {newest_first} limit {limit}"
    return (
        f"select a.*, {_name(tables)} as name, k.label as actor_label from ({page}) a "
        f"left join {tables.control}.keys k on a.actor = 'key:' || k.id {newest_first}"
    )


def _name(tables: Tables) -> str:
    """What a subject is called today, by its kind."""
    named = {
        "run": f"{tables.metadata}.runs s where s.id = a.id",
        "experiment": f"{tables.metadata}.experiments s where s.id = a.id",
        "workspace": f"{tables.control}.workspaces s where s.id = a.id",
        "key": f"(select id, label as name from {tables.control}.keys) s where s.id = a.id",
        "artifact": f"(select id, path as name from {tables.artifacts}.artifacts) s where s.id = a.id",
    }
    cases = (f"when '{kind}' then (select s.name from {source})" for kind, source in named.items())
    return f"case a.kind {' '.join(cases)} else coalesce(a.details->>'name', a.details->>'title') end"


def _act(row: Any) -> Act:
    place: Place = ("control", row["partition"])
    copied = ("time", "type", "kind", "id", "name", "actor", "actor_label", "reason")
    return Act(
        position=format_positions({place: row["offset"]}),
        details=msgspec.Raw(row["details"].encode()),
        **{name: row[name] for name in copied},
    )


def _place(cursor: str) -> tuple[int, int]:
    match [*parse_positions(cursor).items()]:
        case [(("control", partition), offset)] if partition < 2**31:
            return partition, offset
    raise bad_request("is no cursor of this list", "cursor")
