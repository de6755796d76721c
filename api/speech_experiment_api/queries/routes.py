"""The read routes under /api/v1."""

from __future__ import annotations

from ..routing import Routes
from . import curves, experiments, leaderboard, logs, runs, summaries, values

routes = Routes("queries")
for _each in (experiments, runs, summaries, curves, logs, values, leaderboard):
    routes.endpoints.extend(_each.routes)
