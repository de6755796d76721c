"""The query endpoints."""

from __future__ import annotations

from ..routing import Routes

routes = Routes("queries")
