"""Rows of coord.workers: the figures of live workers, read by the API."""

from __future__ import annotations

from typing import Any

import msgspec

from .status import Status

_SAVE = """
insert into coord.workers (projection, version, worker, status) values ($1, $2, $3, $4)
on conflict (projection, version, worker) do update set status = excluded.status, updated_at = now()
"""
_FORGET = "delete from coord.workers where projection = $1 and updated_at < now() - interval '1 hour'"


async def save_status(connection: Any, status: Status) -> None:
    """Renews the worker's row, and forgets those of workers long gone."""
    text = msgspec.json.encode(status).decode()
    await connection.execute(_SAVE, status.projection, status.version, status.worker, text)
    await connection.execute(_FORGET, status.projection)
