"""The read routes under /api/v1."""

from __future__ import annotations

from ..routing import Routes

routes = Routes("queries")
