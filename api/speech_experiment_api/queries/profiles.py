"""GET /profiles: the rules that a workspace's evaluations are scored by."""

from __future__ import annotations

from datetime import datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_projections.scoring.profiles import DEFAULT

from ..routing import Routes
from .reading import AS_OF, reading
from .scored import known
from .sql import Binder

routes = Routes("profiles")


class AppliedProfile(msgspec.Struct):
    """applied_at: when it was applied last; null for the default one, which is applied to everything."""

    name: str
    applied_at: datetime | None


class AppliedProfiles(msgspec.Struct):
    profiles: list[AppliedProfile]
    vector: str


@routes.get("/api/v1/profiles", access="viewer", response=AppliedProfiles, params=[AS_OF])
async def profiles(request: Request) -> Response:
    """Scoring profiles that were applied, the default one first."""
    async with reading(request) as read:
        if read.unchanged:
            return read.not_modified()
        bind = Binder()
        sql = (
            f"select p.name, max(p.applied_at) as applied_at from {read.tables.scores}.profiles p "
            f"where p.workspace = {bind(read.actor.workspace, 'text')} and {known(read, bind, 'p')} "
            "group by p.name order by p.name"
        )
        applied = {row["name"]: row["applied_at"] for row in await read.fetch(sql, *bind.values)}
        times = {DEFAULT: None, **applied}
        return read.answer({"profiles": [{"name": name, "applied_at": time} for name, time in times.items()]})
