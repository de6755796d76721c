"""Who asks: API keys, shared links, roles, workspaces.

A key is `stk_` and 256 random bits in URL-safe base64. The server knows its SHA-256 alone, from
the live control projection, and remembers what it looked up for at most a second: a revocation
is answered only after no process honours the key any more.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from starlette.requests import Request

from .problems import Problem
from .sessions import session_digest, share_named

if TYPE_CHECKING:
    from .stores import Stores

Role = Literal["viewer", "editor", "admin"]
Access = Literal["public", "viewer", "editor", "admin"]
RANK: dict[str, int] = {"public": 0, "viewer": 1, "editor": 2, "admin": 3}
CACHE_SECONDS = 1.0
_CACHE_LIMIT = 10_000
_KEY = re.compile(r"stk_[A-Za-z0-9_-]{43}\Z")


@dataclass(frozen=True, slots=True)
class Share:
    """What a shared link opens: the view at an address of the page, at a vector or (None) as it is, for a while.

    made_by  id of the key that made it
    """

    name: str
    path: str
    as_of: str | None
    expires_at: datetime
    made_by: UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """The key or shared link that a request was made with; everything it may see is in its workspace.

    key_id  of the key, or of the share
    """

    key_id: UUID
    workspace: str
    role: Role
    share: Share | None = None

    @property
    def name(self) -> str:
        """As stamped on records: `key:<uuid>`; a share, which writes none, is `share:<uuid>`."""
        return f"{'share' if self.share else 'key'}:{self.key_id}"

    @property
    def ended(self) -> bool:
        return self.share is not None and datetime.now(UTC) >= self.share.expires_at

    def may(self, access: Access) -> bool:
        return RANK[self.role] >= RANK[access]


def new_key() -> str:
    """A fresh key: shown once, never stored."""
    return "stk_" + secrets.token_urlsafe(32)


def key_digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def well_formed(key: str) -> bool:
    return _KEY.match(key) is not None


class KeyRing:
    """Looks keys up by digest, with a cache of CACHE_SECONDS; revoked ones are refused at once."""

    def __init__(self, fetch: Callable[[str], Awaitable[Actor | None]]) -> None:
        self._fetch = fetch
        self._cache: dict[str, tuple[float, Actor | None]] = {}
        self._revoked: set[UUID] = set()

    async def identify(self, key: str) -> Actor | None:
        """The actor of a key; None for one that is malformed, unknown or revoked."""
        return await self.recognise(key_digest(key)) if well_formed(key) else None

    async def recognise(self, digest: str) -> Actor | None:
        """The actor of the key with this digest; None for one that is unknown or revoked."""
        now = time.monotonic()
        expires, actor = self._cache.get(digest, (0.0, None))
        if expires <= now:
            actor = await self._fetch(digest)
            self._remember(digest, now + CACHE_SECONDS, actor)
        return None if actor is None or actor.ended or self._refused(actor) else actor

    def _refused(self, actor: Actor) -> bool:
        """A link is worth no more than the key that made it."""
        maker = actor.share.made_by if actor.share else actor.key_id
        return not self._revoked.isdisjoint((actor.key_id, maker))

    def _remember(self, digest: str, expires: float, actor: Actor | None) -> None:
        if len(self._cache) >= _CACHE_LIMIT:
            self._cache.clear()
        self._cache[digest] = (expires, actor)

    def refuse(self, key_id: UUID) -> None:
        """From now on the key, or the share, is refused here, whatever the projection still says."""
        self._revoked.add(key_id)

    def forget(self) -> None:
        """Looks everything up again: a key was made."""
        self._cache.clear()


async def authenticate(request: Request, access: Access) -> None:
    """Sets request.state.actor, or raises 401 or 403; public paths are not asked."""
    if access == "public":
        return
    stores: Stores = request.app.state.stores
    actor = await stores.keys.recognise(credential(request))
    if actor is None:
        raise _unauthorized(_LINK_ENDED if share_named(request) else "the API key is unknown or revoked")
    request.state.actor = actor
    if not actor.may(access):
        detail = (
            f"this needs the role {access}, the key has the role {actor.role} in workspace {actor.workspace}"
        )
        raise Problem(403, "forbidden", detail)


def credential(request: Request) -> str:
    """The digest of the key or link that a request was made with: named in a header, or by a session of the page."""
    if "authorization" not in request.headers:
        if digest := session_digest(request):
            return digest
        if share_named(request):
            raise _unauthorized(_LINK_ENDED)
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise _unauthorized("send the API key as `Authorization: Bearer stk_…`")
    return key_digest(key.strip())


_LINK_ENDED = "this link has ended or was taken back; open it again, or ask whoever sent it for a new one"


def _unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": 'Bearer realm="speech-tracker"'})


def actor_of(request: Request) -> Actor:
    """The actor of a request to a route that is not public."""
    actor: Actor = request.state.actor
    return actor
