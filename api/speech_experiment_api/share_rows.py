"""Shares as the control projection has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from asyncpg import UndefinedTableError

from .actors import Actor, Share
from .control_rows import kept_by_newer

if TYPE_CHECKING:
    from asyncpg import Pool

_LINKS = "links"


async def share_of(pool: Pool, schema: str, digest: str) -> Actor | None:
    """Whoever has a link, by the digest of its token; None once it, or the key that made it, is revoked."""
    query = (
        f"select s.*, k.id as maker from {schema}.shares s join {schema}.keys k on s.created_by = 'key:' || k.id "  # noqa: S608
        "where s.sha256 = $1 and s.revoked_at is null and k.revoked_at is null"
    )
    try:
        row = await pool.fetchrow(query, digest)
    except UndefinedTableError:
        return None
    return None if row is None else _actor(row)


def _actor(row: Any) -> Actor:
    share = Share(row["name"], row["path"], row["as_of"], row["expires_at"], row["maker"])
    return Actor(row["id"], row["workspace"], "viewer", share)


async def open_shares(pool: Pool, schema: str, workspace: str) -> int:
    """How many links of a workspace open something."""
    query = f"select count(*) from {schema}.shares where workspace = $1 and revoked_at is null and expires_at > now()"  # noqa: S608
    with kept_by_newer(_LINKS):
        return int(await pool.fetchval(query, workspace))


async def listed(pool: Pool, schema: str, workspace: str, limit: int) -> list[Any]:
    """The newest shares of a workspace, ended ones too."""
    query = (
        f"select s.*, k.label as created_by_label, k.revoked_at is not null as maker_revoked from {schema}.shares s "  # noqa: S608
        f"left join {schema}.keys k on s.created_by = 'key:' || k.id "
        "where s.workspace = $1 order by s.created_at desc, s.id desc limit $2"
    )
    with kept_by_newer(_LINKS):
        return list(await pool.fetch(query, workspace, limit))


async def one(pool: Pool, schema: str, workspace: str, identity: UUID) -> Any | None:
    with kept_by_newer(_LINKS):
        query = f"select * from {schema}.shares where id = $1 and workspace = $2"  # noqa: S608
        return await pool.fetchrow(query, identity, workspace)


async def by_digest(pool: Pool, schema: str, digest: str) -> Any | None:
    """The share with this digest, also one that has ended."""
    with kept_by_newer(_LINKS):
        return await pool.fetchrow(f"select * from {schema}.shares where sha256 = $1", digest)  # noqa: S608
