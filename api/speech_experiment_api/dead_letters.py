"""Records that a projection could not apply: listed, and appended to the log again on request."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_schemas import decode, record_key
from speech_experiment_schemas.stamps import REPLAYED_BY, REPLAYED_FROM, Headers, read_stamps

from .actors import Actor
from .auth import actor_of
from .log_writer import Outgoing
from .params import flag, integer
from .problems import conflict, not_found
from .responses import json_response
from .routing import Param, Routes
from .services import Services, services_of

routes = Routes("dead letters")
_PATIENCE = 5.0


class DeadLetter(msgspec.Struct):
    """type, subject and producer are read from the record where it can be read at all."""

    projection: str
    id: int
    topic: str
    partition: int
    offset: int
    reason: str
    error: str
    code_version: str
    size: int
    parked_at: datetime
    replayed_at: datetime | None
    workspace: str
    actor: str
    type: str | None = None
    subject: tuple[str, UUID] | None = None
    producer: UUID | None = None


class DeadLetters(msgspec.Struct):
    dead_letters: list[DeadLetter]


class Replay(msgspec.Struct):
    """Where the letter's bytes stand in the log now; applied: whether the projection took them this time.

    One that fails again is parked as a new letter.
    """

    projection: str
    id: int
    topic: str
    partition: int
    offset: int
    applied: bool


@routes.get(
    "/api/v1/dead-letters",
    access="admin",
    response=DeadLetters,
    params=[
        Param("projection", "only of this one"),
        Param("replayed", "also those that were replayed (default false)", bool),
        Param("limit", "at most so many of each projection, newest first (default 100, up to 1,000)", int),
    ],
)
async def list_dead_letters(request: Request) -> Response:
    """Records that were parked, newest first, with the reason."""
    services, actor = services_of(request), actor_of(request)
    limit, replayed = integer(request, "limit", 100, 1, 1_000), flag(request, "replayed")
    only = request.query_params.get("projection")
    letters: list[DeadLetter] = []
    for projection, schema in (await services.stores.versions.schemas()).items():
        if only in (None, projection):
            condition = "true" if replayed else "replayed_at is null"
            query = f"select * from {schema}.dead_letters where {condition} order by id desc limit $1"  # noqa: S608
            rows = await services.stores.pool.fetch(query, limit)
            letters += [_letter(projection, row) for row in rows if _visible(row, actor, services)]
    letters.sort(key=lambda letter: letter.parked_at, reverse=True)
    return json_response(DeadLetters(letters))


@routes.post("/api/v1/dead-letters/{projection}/{id:int}/replay", access="admin", response=Replay)
async def replay_dead_letter(request: Request) -> Response:
    """Appends a parked record's bytes to the log again; the gap that it left takes them."""
    services, actor = services_of(request), actor_of(request)
    projection, letter_id = request.path_params["projection"], request.path_params["id"]
    schema = (await services.stores.versions.schemas()).get(projection)
    row = await _find(services, schema, letter_id)
    if row is None or not _visible(row, actor, services):
        raise not_found(f"the dead letter {letter_id} of {projection}")
    if row["reason"] == "forbidden":
        raise conflict("its sender may not write that: it stays parked, and a replay would be parked again")
    record = Outgoing(row["topic"], _key(row), row["value"])
    [(topic, partition, offset)] = await services.writer.append([record], replay_headers(row, actor))
    await services.positions.reached({(topic, partition): offset}, _PATIENCE)
    now = await _find(services, schema, letter_id)
    applied = now is not None and now["replayed_at"] is not None
    return json_response(Replay(projection, letter_id, topic, partition, offset, applied))


async def _find(services: Services, schema: str | None, letter_id: int) -> Any:
    if schema is None or letter_id >= 2**63:
        return None
    return await services.stores.pool.fetchrow(
        f"select * from {schema}.dead_letters where id = $1",  # noqa: S608
        letter_id,
    )


def replay_headers(row: Mapping[str, Any], actor: Actor) -> Headers:
    """The letter's own headers, where it came from, and who asked."""
    kept = [(name, value) for name, value in _headers(row) if name not in (REPLAYED_FROM, REPLAYED_BY)]
    place = f"{row['topic']}/{row['partition']}/{row['offset']}"
    return [*kept, (REPLAYED_FROM, place.encode()), (REPLAYED_BY, actor.name.encode())]


def _headers(row: Mapping[str, Any]) -> Headers:
    pairs: list[tuple[str, str]] = msgspec.json.decode(row["headers"])
    return [(name, b64decode(value)) for name, value in pairs]


def _key(row: Mapping[str, Any]) -> bytes | None:
    """The key that the record should have had; the one it had when it cannot be read."""
    try:
        return record_key(decode(row["value"]))
    except msgspec.DecodeError:
        key: bytes | None = row["key"]
        return key


def _visible(row: Mapping[str, Any], actor: Actor, services: Services) -> bool:
    """Letters of the admin's workspace; unstamped ones belong to the server's home workspace."""
    names = {name for name, _ in _headers(row)}
    home = services.settings.workspace
    workspace = read_stamps(_headers(row)).workspace if "workspace" in names else home
    return workspace == actor.workspace


def _letter(projection: str, row: Mapping[str, Any]) -> DeadLetter:
    stamps = read_stamps(_headers(row))
    copied = (
        "id",
        "topic",
        "partition",
        "offset",
        "reason",
        "error",
        "code_version",
        "parked_at",
        "replayed_at",
    )
    letter = DeadLetter(
        projection=projection,
        size=len(row["value"] or b""),
        workspace=stamps.workspace,
        actor=stamps.actor,
        **{name: row[name] for name in copied},
    )
    try:
        envelope = decode(row["value"] or b"")
    except msgspec.DecodeError:
        return letter
    letter.type, letter.subject, letter.producer = envelope.type, envelope.subject, envelope.producer
    return letter
