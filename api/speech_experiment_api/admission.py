"""What a request by a shared link may ask."""

from __future__ import annotations

from starlette.requests import Request

from .actors import Share
from .routing import Endpoint
from .shared_reports import panel_position
from .shared_views import ALWAYS, API, check, closed, pin, view_of


async def admit(request: Request, endpoint: Endpoint, share: Share) -> None:
    """As check, also for what the panels of a shared report ask, which are known once it is read."""
    view, route = view_of(share.path), endpoint.path.removeprefix(API)
    if view.report is None or endpoint.method != "GET" or route in ALWAYS | view.routes:
        check(request, endpoint, share)
        return
    try:
        position = await panel_position(request, route, share, view)
    except LookupError:
        raise closed("this link shows one report, and nothing beside it") from None
    if position is not None:
        pin(request, endpoint, position)
