"""Correcting a reference of a test set: a revision of its own, on which every system is scored again; and doubting one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_schemas.ids import birth_name, test_set_id
from speech_experiment_schemas.limits import Line, Name, Text
from speech_experiment_schemas.test_sets import ReferenceCorrected, ReferenceMarked, TestSetEvent

from .auth import actor_of
from .params import plain
from .problems import bad_request, conflict, not_found
from .queries.flips import position_of
from .queries.marks import open_marks
from .queries.packed import names_of, references_of
from .queries.reading import Reading, reading
from .responses import json_response, read_json
from .routing import Routes
from .services import services_of

routes = Routes("corrections")


class Correction(msgspec.Struct, forbid_unknown_fields=True):
    """instead_of: the reference that it replaces, as it was seen; refused where there is another by now."""

    test_set: Name
    utterance: Name
    reference: Text
    reason: Line = ""
    instead_of: Text | None = None


class Corrected(msgspec.Struct):
    """revision: the newest before it; scored: whether every system has its new score (else they follow)."""

    test_set: str
    utterance: str
    before: str | None
    reference: str
    revision: int
    scored: bool


@routes.post("/api/v1/corrections", access="editor", request=Correction, response=Corrected, status=201)
async def correct_reference(request: Request) -> Response:
    """Corrects the reference of an utterance; answers when every system is scored again. The past stays."""
    wanted = await read_json(request, Correction)
    name = birth_name(plain(wanted.test_set))
    async with reading(request, newest=True) as read:
        revision, before = await _current(read, name, plain(wanted.utterance))
    if wanted.reference == before:
        raise bad_request("is what the reference says already", "reference")
    if wanted.instead_of is not None and before is not None and wanted.instead_of != before:
        raise conflict(f"it was corrected meanwhile, and says {before[:200]!r}; look again", "instead_of")
    event = ReferenceCorrected(
        test_set=name, ids=[wanted.utterance], references=[wanted.reference], reason=wanted.reason
    )
    scored = await _said(request, event)
    return json_response(Corrected(name, wanted.utterance, before, wanted.reference, revision, scored), 201)


class NewMark(msgspec.Struct, forbid_unknown_fields=True):
    """note: what is doubtful; needed for a mark. doubtful: false dismisses the mark, and the note tells why."""

    test_set: Name
    utterance: Name
    note: Line = ""
    doubtful: bool = True


class NowMarked(msgspec.Struct):
    """shown: whether answers have it by now (else it follows)."""

    test_set: str
    utterance: str
    doubtful: bool
    note: str
    shown: bool


@routes.post("/api/v1/marks", access="editor", request=NewMark, response=NowMarked, status=201)
async def mark_reference(request: Request) -> Response:
    """Marks the reference of an utterance as doubtful, or dismisses its mark; no score changes."""
    wanted = await read_json(request, NewMark)
    name, note = birth_name(plain(wanted.test_set)), wanted.note.strip()
    if wanted.doubtful and not note:
        raise bad_request("say what is doubtful, for whoever looks at it", "note")
    async with reading(request, newest=True) as read:
        await _current(read, name, plain(wanted.utterance))
        marked = await open_marks(read, test_set_id(read.actor.workspace, name))
    if not wanted.doubtful and wanted.utterance not in marked:
        raise conflict("it has no mark that could be dismissed", "utterance")
    event = ReferenceMarked(test_set=name, ids=[wanted.utterance], doubtful=wanted.doubtful, note=note)
    shown = await _said(request, event)
    return json_response(NowMarked(name, wanted.utterance, wanted.doubtful, note, shown), 201)


async def _said(request: Request, event: TestSetEvent) -> bool:
    """Appends an event about a test set; whether the projection has it in time."""
    services, actor = services_of(request), actor_of(request)
    subject = ("test_set", test_set_id(actor.workspace, event.test_set))
    written = await services.test_sets.append((event, subject), actor=actor.name, workspace=actor.workspace)
    return await services.positions.reached(written, services.settings.projection_timeout)


async def _current(read: Reading, name: str, utterance: str) -> tuple[int, str | None]:
    """(newest revision, what the reference says there; None while nothing was scored on its list)"""
    identity = test_set_id(read.actor.workspace, name)
    revisions = f"{read.tables.scores}.test_set_revisions"
    newest = f"select number, base from {revisions} where test_set = $1 order by number desc limit 1"  # noqa: S608
    found = await read.fetch(newest, identity)
    if not found:
        detail = f"the test set {name[:100]!r}; only registered sets have references that can be corrected"
        raise not_found(detail)
    place = {"own": False, "id": identity, "test_set": identity, **dict(found[0])}
    return place["number"], await _reference(read, identity, place, utterance)


async def _reference(read: Reading, identity: UUID, place: dict[str, Any], utterance: str) -> str | None:
    listed = f"select from {read.tables.scores}.lists where owner = $1 and base = $2"
    if not await read.fetch(listed, identity, place["base"]):
        return None
    position = position_of(await names_of(read, place), utterance)
    return (await references_of(read, place, {position: utterance}))[position]
