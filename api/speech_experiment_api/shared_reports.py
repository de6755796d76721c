"""What a link to a report opens beside its text: the questions of its panels, each at the position that it shows."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request

from .actors import Share
from .auth import actor_of
from .queries.needs import needs_of
from .queries.reading import reading
from .queries.reports import shown
from .queries.runs import question_of
from .queries.search import find_page
from .queries.syntax import FilterError
from .report_panels import Asked, Panel, asks, panels_in
from .services import services_of
from .shared_views import View
from .vectors import open_token

_CURVES, _WITHOUT_PAST = "/curves", "/artifacts/{id}/content"


async def panel_position(request: Request, route: str, share: Share, view: View) -> str | None:
    """The position at which a panel of the report asks this; None: at the newest.

    Raises LookupError where none of its panels asks it.
    """
    row = await _report(request, share, view)
    asked = Asked(route, request.path_params.get("id", ""), request.query_params)
    given = request.query_params.get("as_of") or share.as_of
    for panel in panels_in(row["body"]):
        position = panel.as_of or row["as_of"] or share.as_of
        if route != _WITHOUT_PAST and position != given:
            continue
        if asks(panel, asked) and await _draws(request, panel, asked, position):
            return position
    raise LookupError


async def _report(request: Request, share: Share, view: View) -> Any:
    services = services_of(request)
    schema = await services.stores.versions.schema("control")
    row = await shown(
        services.stores.pool,
        schema,
        actor_of(request).workspace,
        UUID(view.report),
        None if view.revision is None else int(view.revision),
        open_token(share.as_of).below("control") if share.as_of else None,
    )
    if row is None:
        raise LookupError
    return row


async def _draws(request: Request, panel: Panel, asked: Asked, position: str | None) -> bool:
    """Whether the runs whose curves are asked for are those that the panel's filter takes."""
    if asked.route != _CURVES or panel.listed("runs"):
        return True
    terms = {"filter": panel.filter, "order_by": panel.text("order")}
    query = urlencode(terms if position is None else {**terms, "as_of": position})
    async with reading(Request({**request.scope, "query_string": query.encode()}), walking=True) as read:
        try:
            question = question_of(read)
        except FilterError:
            return False
        await read.world.fields(needs_of(question.query))
        page = await find_page(
            read.connection, read.tables, question, None, panel.limit, walking=not read.past
        )
    return set(asked.query.getlist("run")) <= set(map(str, page.ids))
