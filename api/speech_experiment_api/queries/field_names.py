"""GET /fields: the names of the filter language, for whoever completes what is typed."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ..responses import json_response
from ..routing import Routes
from .fields import COLUMNS, PREFIXES, RESULT_METRICS, STATS, Kind

routes = Routes("field names")


class FieldName(msgspec.Struct):
    name: str
    kind: Kind


class FieldNames(msgspec.Struct):
    """
    fields    columns of the run and its experiment
    keyed     names that a key follows, as params.lr: their keys are at /values
    results   metrics that a test set follows, as wer['test-clean']: the sets are at /test-sets
    stats     what may follow a metric, as metrics.val_wer.min
    """

    fields: list[FieldName]
    keyed: list[str]
    results: list[str]
    stats: list[str]


_NAMES = FieldNames(
    fields=[FieldName(name, column.kind) for name, column in COLUMNS.items()],
    keyed=sorted(set(PREFIXES.values())),
    results=sorted(RESULT_METRICS),
    stats=list(STATS),
)


@routes.get("/api/v1/fields", access="viewer", response=FieldNames)
async def field_names(request: Request) -> Response:
    """The names that filters, orders and groups may use; the same in every workspace."""
    return json_response(_NAMES)
