"""The read routes under /api/v1."""

from __future__ import annotations

from ..routing import Routes
from . import (
    audit,
    breakdowns,
    confusions,
    curves,
    evaluations,
    experiments,
    field_names,
    flips,
    gate,
    latency,
    leaderboard,
    logs,
    marks,
    measurements,
    named,
    profiles,
    recordings,
    replayed,
    replicates,
    runs,
    scoreboard,
    significance,
    summaries,
    test_sets,
    utterances,
    values,
)

routes = Routes("queries")
for _each in (
    experiments,
    runs,
    named,
    summaries,
    curves,
    logs,
    values,
    field_names,
    leaderboard,
    scoreboard,
    replicates,
    evaluations,
    utterances,
    recordings,
    breakdowns,
    flips,
    confusions,
    latency,
    significance,
    gate,
    test_sets,
    marks,
    profiles,
    measurements,
    audit,
    replayed,
):
    routes.endpoints.extend(_each.routes)
