"""The composition root: the one place where routes, stores and services are put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from .health import routes as health_routes
from .middleware import Envelope
from .problems import Problem, handle_http_exception, handle_problem
from .queries.routes import routes as query_routes
from .routing import Endpoint, Routes, mount
from .settings import ApiSettings
from .stores import Stores

ALL_ROUTES: tuple[Routes, ...] = (health_routes, query_routes)


def create_app(settings: ApiSettings | None = None, routes: Iterable[Routes] = ALL_ROUTES) -> Starlette:
    """The ASGI application; its stores are opened by its lifespan, and need not be there yet."""
    endpoints = [endpoint for group in routes for endpoint in group]
    app = Starlette(
        routes=mount(endpoints),
        middleware=[Middleware(Envelope)],
        exception_handlers={Problem: handle_problem, HTTPException: handle_http_exception},
        lifespan=_lifespan,
    )
    app.state.settings = settings or ApiSettings()
    app.state.endpoints = endpoints
    return app


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.stores = Stores(app.state.settings)
    async with app.state.stores.running():
        yield


def endpoints_of(app: Starlette) -> list[Endpoint]:
    endpoints: list[Endpoint] = app.state.endpoints
    return endpoints
