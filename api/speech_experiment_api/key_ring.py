"""API keys and what they open.

A key is `stk_` and 256 random bits in URL-safe base64. The server knows its SHA-256 alone, from
the live control projection, and remembers what it looked up for at most a second: a revocation
is answered only after no process honours the key any more.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from uuid import UUID

from .actors import Actor

CACHE_SECONDS = 1.0
_CACHE_LIMIT = 10_000
_KEY = re.compile(r"stk_[A-Za-z0-9_-]{43}\Z")


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
