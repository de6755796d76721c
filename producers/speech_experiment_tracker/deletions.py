"""Hiding runs, experiments and artifacts, showing them again, and the audit that tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from .http import ApiClient
from .moments import AsOf, beginning, moment
from .queries import Frame, Row

Deletable = Literal["run", "experiment", "artifact"]
_PAGE = 500


def delete(api: ApiClient, kind: Deletable, identity: UUID | str, reason: str = "") -> None:
    """Hides a subject from plain queries; the log keeps it. Raises TrackerError (status 404) for none."""
    api.json("DELETE", f"/api/v1/{kind}s/{identity}", query={"reason": reason or None})


def restore(api: ApiClient, kind: Deletable, identity: UUID | str, reason: str = "") -> None:
    """Shows a deleted subject again."""
    api.json("POST", f"/api/v1/{kind}s/{identity}/restore", query={"reason": reason or None})


def audit(
    api: ApiClient,
    *,
    kind: str | None = None,
    types: Sequence[str] = (),
    subject: UUID | str | None = None,
    actor: str | None = None,
    since: AsOf = None,
    until: AsOf = None,
    limit: int | None = 100,
) -> Frame[Row]:
    """What people did, the newest first; see Client.audit."""
    query: dict[str, Any] = {
        "kind": kind,
        "type": [*types],
        "subject": subject,
        "actor": actor,
        "since": None if since is None else beginning(since).isoformat(),
        "until": None if until is None else moment(until).isoformat(),
    }
    rows: list[Row] = []
    vector: str | None = None
    while limit is None or len(rows) < limit:
        query["limit"] = _PAGE if limit is None else min(_PAGE, limit - len(rows))
        page = api.get("/api/v1/audit", query)
        vector = vector or page.get("vector")
        rows += page["acts"]
        query["cursor"] = page["next_cursor"]
        if query["cursor"] is None:
            break
    return Frame(rows, vector)
