"""GET /test-sets/{name}: a registered set, its revisions and what does not fit in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_schemas.ids import birth_name, test_set_id

from ..params import plain
from ..problems import not_found
from ..routing import Routes
from .reading import AS_OF, Reading, reading
from .scored import descriptions, known
from .sql import Binder

routes = Routes("test-sets")
MAX_REVISIONS = 1_000


class TestSetRevision(msgspec.Struct, kw_only=True):
    """base: the revision whose list it corrects, its own number for a list; corrected: references that it changes."""

    __test__ = False

    number: int
    base: int
    utterances: int
    corrected: int
    reason: str
    by: str | None
    time: datetime


class RegisteredTestSet(msgspec.Struct, kw_only=True):
    """revisions: the newest first, up to 1,000; empty while no list of utterances is complete."""

    id: UUID
    name: str
    language: str | None
    domain: str | None
    corpus: str | None
    description: str | None
    created_at: datetime
    revisions: list[TestSetRevision]
    vector: str


@routes.get("/api/v1/test-sets/{name:path}", access="viewer", response=RegisteredTestSet, params=[AS_OF])
async def test_set(request: Request) -> Response:
    """A registered test set and its revisions."""
    async with reading(request) as read:
        return read.not_modified() if read.unchanged else read.answer(await _test_set(read))


async def _test_set(read: Reading) -> dict[str, Any]:
    name = birth_name(plain(read.request.path_params["name"]))
    identity = test_set_id(read.actor.workspace, name)
    schema, bind = read.tables.scores, Binder()
    found = await read.fetch(
        "select t.id, t.name, d.language, d.domain, d.corpus, d.description, t.created_at "
        f"from {schema}.test_sets t left join {descriptions(read, bind)} d on d.test_set = t.id "
        f"where t.id = {bind(identity, 'uuid')}",
        *bind.values,
    )
    bind = Binder()
    revisions = await read.fetch(
        "select v.number, v.base, v.utterances, v.corrected, v.reason, v.actor as by, v.time "
        f"from {schema}.test_set_revisions v where v.test_set = {bind(identity, 'uuid')} and {known(read, bind, 'v')} "
        f"order by v.number desc limit {MAX_REVISIONS}",
        *bind.values,
    )
    if not found or (read.past and not revisions):
        raise not_found(f"the test set {name[:100]!r}")
    return {**dict(found[0]), "revisions": [dict(row) for row in revisions]}
