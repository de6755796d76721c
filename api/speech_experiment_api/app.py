"""The composition root: the one place where routes, stores and services are put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from . import bootstrap, log_guard
from .admission import admit
from .artifacts import routes as artifact_routes
from .blobs import routes as blob_routes
from .corrections import routes as correction_routes
from .dead_letters import routes as dead_letter_routes
from .deletions import routes as deletion_routes
from .delivery_routes import routes as delivery_routes
from .health import routes as health_routes
from .ingest import routes as ingest_routes
from .keys import routes as key_routes
from .live import routes as live_routes
from .me import routes as me_routes
from .memory import give_back
from .middleware import Envelope
from .openapi import document
from .page import routes as page_routes
from .pages import routes as document_routes
from .problems import Problem, handle_http_exception, handle_problem
from .queries.routes import routes as query_routes
from .rebuilds import routes as rebuild_routes
from .reports import routes as report_routes
from .routing import Routes, mount
from .run_events import routes as run_event_routes
from .services import build
from .session_routes import routes as session_routes
from .sessions import Sessions
from .settings import ApiSettings
from .shares import routes as share_routes
from .status import routes as status_routes
from .storage import routes as storage_routes
from .stores import Stores
from .verification_routes import routes as verification_routes
from .waiting import routes as waiting_routes

ALL_ROUTES: tuple[Routes, ...] = (
    ingest_routes,  # first: it is called most
    query_routes,
    waiting_routes,
    delivery_routes,
    verification_routes,
    run_event_routes,
    live_routes,
    artifact_routes,
    blob_routes,
    deletion_routes,
    correction_routes,
    key_routes,
    me_routes,
    session_routes,
    share_routes,
    report_routes,
    dead_letter_routes,
    rebuild_routes,
    status_routes,
    storage_routes,
    health_routes,
    document_routes,
    page_routes,
)


def create_app(settings: ApiSettings | None = None, routes: Iterable[Routes] = ALL_ROUTES) -> Starlette:
    """The ASGI application; its stores are opened by its lifespan, and need not be there yet."""
    endpoints = [endpoint for group in routes for endpoint in group]
    app = Starlette(
        routes=mount(endpoints, admit),
        middleware=[Middleware(Envelope)],
        exception_handlers={Problem: handle_problem, HTTPException: handle_http_exception},
        lifespan=_lifespan,
    )
    app.state.settings = settings or ApiSettings.load()
    app.state.sessions = Sessions(app.state.settings.postgres_dsn)
    app.state.openapi = document(endpoints)
    return app


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    stores = Stores(app.state.settings)
    services = build(app.state.settings, stores)
    app.state.stores, app.state.services = stores, services
    async with (
        stores.running(),
        _beside(log_guard.run(services)),
        _beside(bootstrap.run(services)),
        _beside(give_back(services.state)),
    ):
        yield
        with suppress(Problem, TimeoutError):
            await services.control.close()
            await services.test_sets.close()
        await services.tail.close()


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
