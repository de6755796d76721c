"""Rebuilding projections: the jobs, the versions that they make, and which of them is live."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_infra import rebuilds, versions
from speech_experiment_infra.versions import Behind, Refused
from speech_experiment_schemas.limits import Line

from .actors import Actor
from .auth import actor_of
from .problems import Problem, conflict, not_found
from .responses import json_response, read_json
from .routing import Routes
from .services import Services, services_of
from .versions import TOPIC_OF

routes = Routes("rebuilds")
_ROOT = "/api/v1/rebuilds"
Reason = Annotated[str, msgspec.Meta(max_length=1_000)]


class NewRebuild(msgspec.Struct, forbid_unknown_fields=True):
    """flip: go live as soon as the new version is found equal to the live one."""

    projection: Line
    flip: bool = True


class NewFlip(msgspec.Struct, forbid_unknown_fields=True):
    """force: also to a version that was not found equal; then the reason is kept with the flip."""

    force: bool = False
    reason: Reason = ""


class Rebuild(msgspec.Struct):
    """One job. phase ends as done, differs (from the live version, and so not flipped), failed or aborted.

    progress  records, points, position, total, rates, percent, eta_seconds: of what was in the log at its begin
    findings  of the comparison: equal, and per table how many keys differ, with examples
    """

    projection: str
    version: int
    flip: bool
    phase: str
    over: bool
    holder: str | None
    failures: int
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    progress: dict[str, Any]
    findings: dict[str, Any] | None
    error: str | None


class ProjectionVersion(msgspec.Struct):
    """state: building, kept (followed, and may become live), live, retired (its tables go, or are gone).

    line: versions of one line were compared and hold the same.
    """

    projection: str
    version: int
    state: str
    line: int
    created_at: datetime
    changed_at: datetime
    dropped_at: datetime | None


class Rebuilds(msgspec.Struct):
    versions: list[ProjectionVersion]
    rebuilds: list[Rebuild]


class Flipped(msgspec.Struct):
    projection: str
    version: int
    previous: int


@routes.get(_ROOT, access="admin", response=Rebuilds)
async def list_rebuilds(request: Request) -> Response:
    """All versions of all projections, and the jobs that made them, newest first."""
    services = _home(request)[0]
    jobs = await rebuilds.read_rebuilds(services.stores.pool)
    known = await versions.read_versions(services.stores.pool)
    return json_response(Rebuilds([_version(each) for each in known], [_job(each) for each in jobs]))


@routes.post(_ROOT, access="admin", request=NewRebuild, response=Rebuild, status=202)
async def start_rebuild(request: Request) -> Response:
    """Builds the next version of a projection beside the live one, or goes on with the one under way."""
    services, actor = _home(request)
    wanted = await read_json(request, NewRebuild)
    _known(wanted.projection, "projection")
    try:
        job = await rebuilds.request(services.stores.pool, wanted.projection, flip=wanted.flip, by=actor.name)
    except Refused as refused:
        raise conflict(str(refused)) from None
    return json_response(_job(job), 202)


@routes.get(_ROOT + "/{projection}/{version:int}", access="admin", response=Rebuild)
async def get_rebuild(request: Request) -> Response:
    """One job, as it last said."""
    services = _home(request)[0]
    name, version = _place(request)
    for job in await rebuilds.read_rebuilds(services.stores.pool, name):
        if job.version == version:
            return json_response(_job(job))
    raise not_found(f"a rebuild {name}:{version}")


@routes.post(_ROOT + "/{projection}/abort", access="admin", response=Rebuild)
async def abort_rebuild(request: Request) -> Response:
    """Ends the job under way and retires what it had built."""
    services = _home(request)[0]
    name = _known(request.path_params["projection"])
    try:
        return json_response(_job(await rebuilds.abort(services.stores.pool, name)))
    except Refused as refused:
        raise conflict(str(refused)) from None


@routes.post(_ROOT + "/{projection}/{version:int}/flip", access="admin", request=NewFlip, response=Flipped)
async def flip_version(request: Request) -> Response:
    """Makes a kept version live; 409 says why it may not, 503 that it did not come level in time."""
    services, actor = _home(request)
    name, version = _place(request)
    wanted = await read_json(request, NewFlip)
    try:
        previous = await versions.flip(
            services.stores.pool, name, version, by=actor.name, force=wanted.force, reason=wanted.reason
        )
    except Refused as refused:
        raise conflict(str(refused)) from None
    except Behind as behind:
        raise Problem(503, "behind", f"{behind}; try again", headers={"Retry-After": "5"}) from None
    return json_response(Flipped(name, version, previous))


@routes.post(_ROOT + "/{projection}/{version:int}/retire", access="admin", response=ProjectionVersion)
async def retire_version(request: Request) -> Response:
    """Follows a version no more, and drops its tables once nobody can be reading them."""
    services = _home(request)[0]
    name, version = _place(request)
    try:
        await versions.retire(services.stores.pool, name, version)
    except Refused as refused:
        raise conflict(str(refused)) from None
    found = await versions.read_versions(services.stores.pool, name)
    return json_response(_version(versions.find(found, name, version)))


def _home(request: Request) -> tuple[Services, Actor]:
    """Projections serve all workspaces: only admins of the server's home workspace may touch them."""
    services, actor = services_of(request), actor_of(request)
    home = services.settings.workspace
    if actor.workspace != home:
        raise Problem(403, "forbidden", f"rebuilds are for admins of the workspace {home}")
    return services, actor


def _known(name: str, field: str = "") -> str:
    if name not in TOPIC_OF:
        raise Problem(
            404,
            "not_found",
            f"there is no projection {name[:100]!r}, only {', '.join(TOPIC_OF)}",
            field=field,
        )
    return name


def _place(request: Request) -> tuple[str, int]:
    version = request.path_params["version"]
    if version >= 2**31:
        raise not_found(f"the version {version}")
    return _known(request.path_params["projection"]), version


def _version(found: versions.Version) -> ProjectionVersion:
    return ProjectionVersion(
        found.name,
        found.version,
        found.state,
        found.line,
        found.created_at,
        found.changed_at,
        found.dropped_at,
    )


def _job(job: rebuilds.Rebuild) -> Rebuild:
    return Rebuild(
        job.name,
        job.version,
        job.flip,
        job.phase,
        job.over,
        job.holder,
        job.failures,
        job.requested_by,
        job.requested_at,
        job.finished_at,
        job.progress,
        job.findings,
        job.error,
    )
