"""Reports: Markdown with panels, saved as events in the control topic; every revision stays.

A save names the revision that it changes. Of two who changed the same one, the log says who was first; the other is
told, and nothing of theirs is lost or overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_projections.texts import clean_text
from speech_experiment_schemas.control import ReportSaved, Title
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.limits import Text

from .auth import actor_of
from .params import integer, path_uuid
from .problems import Problem, bad_request, conflict, not_found
from .queries import reports as rows
from .queries.reading import AS_OF, Reading, reading
from .report_panels import panels_in
from .responses import json_response, read_json
from .routing import Param, Routes
from .services import services_of
from .vectors import open_token

routes = Routes("reports")
MOST_REPORTS = 10_000
_MAX_LISTED, _LISTED = 1_000, 100
_LAST = 2**31 - 1


class NewReport(msgspec.Struct, forbid_unknown_fields=True):
    """body: Markdown, up to 200,000 characters. as_of: freezes the panels there, but for those with their own."""

    title: Title
    body: Text
    as_of: str | None = None


class ChangedReport(msgspec.Struct, forbid_unknown_fields=True):
    """The whole report as it is to be. based_on: the revision that was changed; refused where there is a newer one."""

    title: Title
    body: Text
    based_on: int
    as_of: str | None = None


class ReportHead(msgspec.Struct):
    """as_of: where the panels are frozen, null: they are live."""

    id: UUID
    revision: int
    title: str
    as_of: str | None
    saved_at: datetime
    saved_by: str | None
    saved_by_label: str | None


class ReportList(msgspec.Struct):
    """total: of the workspace, also those beyond the limit."""

    reports: list[ReportHead]
    total: int
    vector: str


class Report(ReportHead):
    """newest: the number of the newest revision. moments: of the vectors in it, the times that they were taken."""

    body: str
    newest: int
    created_at: datetime
    created_by: str | None
    moments: dict[str, datetime]
    vector: str


class RevisionHead(ReportHead):
    characters: int


class RevisionList(msgspec.Struct):
    revisions: list[RevisionHead]
    vector: str


@routes.get(
    "/api/v1/reports",
    access="viewer",
    response=ReportList,
    params=[Param("limit", f"reports, up to {_MAX_LISTED:,} (default {_LISTED})", int), AS_OF],
)
async def list_reports(request: Request) -> Response:
    """The workspace's reports, those first that were changed last."""
    limit = integer(request, "limit", _LISTED, 1, _MAX_LISTED)
    async with reading(request) as read:
        if read.unchanged:
            return read.not_modified()
        found = await rows.listed(read, limit)
        heads = [_head(row) for row in found]
        return read.answer({"reports": heads, "total": found[0]["total"] if found else 0})


@routes.get(
    "/api/v1/reports/{id}",
    access="viewer",
    response=Report,
    params=[Param("revision", "an earlier one, as it was (default: the newest)", int), AS_OF],
)
async def get_report(request: Request) -> Response:
    """A report: its Markdown, whose panels the page draws, at a revision or as of a moment."""
    identity = path_uuid(request)
    revision = (
        integer(request, "revision", 1, 1, _LAST)
        if request.query_params.get("revision") is not None
        else None
    )
    async with reading(request) as read:
        if read.unchanged:
            return read.not_modified()
        return read.answer(await _found(read, identity, revision))


@routes.get("/api/v1/reports/{id}/revisions", access="viewer", response=RevisionList, params=[AS_OF])
async def list_revisions(request: Request) -> Response:
    """Every revision of a report, the newest first: who saved it and when."""
    identity = path_uuid(request)
    async with reading(request) as read:
        if read.unchanged:
            return read.not_modified()
        found = await rows.revisions(read, identity)
        if not found:
            raise _missing(identity, read)
        return read.answer({"revisions": [_head(row) | {"characters": row["characters"]} for row in found]})


@routes.post("/api/v1/reports", access="editor", request=NewReport, response=Report, status=201)
async def create_report(request: Request) -> Response:
    """Makes a report; the answer has its id."""
    wanted = await read_json(request, NewReport)
    async with reading(request, newest=True) as read:
        found = await rows.listed(read, 1)
    if found and found[0]["total"] >= MOST_REPORTS:
        raise conflict(f"this workspace has {MOST_REPORTS:,} reports; delete some first")
    return await _save(request, uuid7(), 1, await _event(request, wanted.title, wanted.body, wanted.as_of, 1))


@routes.put("/api/v1/reports/{id}", access="editor", request=ChangedReport, response=Report)
async def change_report(request: Request) -> Response:
    """Saves a report anew; the revision before it stays. What changes nothing makes no revision."""
    identity = path_uuid(request)
    wanted = await read_json(request, ChangedReport)
    async with reading(request, newest=True) as read:
        found = await _found(read, identity, None)
    revision = found["revision"] + 1
    event = await _event(request, wanted.title, wanted.body, wanted.as_of, revision)
    if all(found[name] == getattr(event, name) for name in ("title", "body", "as_of")):
        return json_response(found | {"vector": read.vector.token()})
    if found["revision"] != wanted.based_on:
        raise _overtaken(found)
    return await _save(request, identity, revision, event)


async def _event(request: Request, title: str, body: str, as_of: str | None, revision: int) -> ReportSaved:
    title = " ".join(clean_text(title).split())
    if not title:
        raise bad_request("is blank; give the report a title", "title")
    vector = (await services_of(request).vectors.resolve(as_of)).token() if as_of else None
    workspace = actor_of(request).workspace
    return ReportSaved(
        workspace=workspace, revision=revision, title=title, body=clean_text(body), as_of=vector
    )


async def _save(request: Request, identity: UUID, revision: int, event: ReportSaved) -> Response:
    """Writes the event and answers with what it made, once that can be read."""
    services, actor = services_of(request), actor_of(request)
    subject = ("report", identity)
    written = await services.control.append((event, subject), actor=actor.name, workspace=actor.workspace)
    await services.control.projected(written)
    schema = await services.stores.versions.schema("control")
    place = await rows.place_of(services.stores.pool, schema, identity, revision)
    async with reading(request, newest=True) as read:
        if place is None or written.get(("control", place[0])) != place[1]:
            raise _overtaken(await _found(read, identity, None))
        answer = await _found(read, identity, revision) | {"vector": read.vector.token()}
    return json_response(answer, 201 if revision == 1 else 200)


async def _found(read: Reading, identity: UUID, revision: int | None) -> dict[str, Any]:
    row = await rows.one(read, identity, revision)
    if row is None:
        raise (
            _missing(identity, read) if revision is None else not_found(f"revision {revision} of the report")
        )
    more = {name: row[name] for name in ("body", "newest", "created_at", "created_by")}
    return _head(row) | more | {"moments": _moments(row)}


def _head(row: Any) -> dict[str, Any]:
    return {name: row[name] for name in ReportHead.__struct_fields__}


def _moments(row: Any) -> Mapping[str, datetime]:
    found = {}
    for text in {row["as_of"], *(panel.as_of for panel in panels_in(row["body"]))} - {None}:
        try:
            found[text] = open_token(text).now
        except Problem:
            continue  # a date, or nothing; the panel says so where it is drawn
    return found


def _missing(identity: UUID, read: Reading) -> Problem:
    if read.past:
        detail = f"the report {identity} did not exist as of the given moment, or is deleted"
        return Problem(404, "not_found", detail)
    return not_found(f"the report {identity}")


def _overtaken(found: Mapping[str, Any]) -> Problem:
    by = found["saved_by_label"] or found["saved_by"] or "somebody"
    detail = (
        f"it was changed meanwhile: revision {found['revision']} was saved by {by} "
        f"at {found['saved_at']:%Y-%m-%d %H:%M} UTC; put your changes into that one"
    )
    extra = {"revision": found["revision"]}
    return Problem(409, "conflict", detail, field="based_on", extra=extra)
