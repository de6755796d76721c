"""Sessions of the page: a signed cookie that stands for a key or a shared link, and does not hold it.

The token is the SHA-256 of the key, the moment when the session ends, and a signature over both. So every
server process on one database honours it, nothing is kept of it, and a session ends with its key.
"""

from __future__ import annotations

import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from .problems import Problem

LIFETIME_SECONDS = 7 * 24 * 3600
PAGE_HEADER = "X-Tracker-Page"
"""Whoever changes something by a cookie sends it; no other site can, without being allowed to."""
_DIGEST, _MOMENT = 32, 8
_LENGTH = 2 * _DIGEST + _MOMENT
SHARE = "share"
"""The query parameter by which a tab asks as the shared link with this id, and not as whoever is signed in."""
_SAFE = ("GET", "HEAD", "OPTIONS")
_OWN_SITE = ("same-origin", "none")


class Sessions:
    """Makes and reads tokens; `secret` is the same for all processes on one database."""

    def __init__(self, secret: str) -> None:
        self._secret = blake2b(secret.encode(), digest_size=32, person=b"page sessions").digest()
        # Cookies know no ports: two servers on one machine must not sign each other out.
        self.cookie = f"tracker_session_{self._sign(b'name').hex()[:8]}"

    def cookie_of(self, share: str) -> str:
        """That of a shared link: several are open beside each other, and beside a session."""
        return f"{self.cookie}_{self._sign(share.encode()).hex()[:16]}"

    def seal(self, digest: str, now: float | None = None) -> str:
        """The token of a key's digest, for LIFETIME_SECONDS."""
        ends = int(time.time() if now is None else now) + LIFETIME_SECONDS
        content = bytes.fromhex(digest) + ends.to_bytes(_MOMENT)
        return urlsafe_b64encode(content + self._sign(content)).decode()

    def open(self, token: str, now: float | None = None) -> str | None:
        """The key's digest; None for a token that is not ours, or has ended."""
        try:
            sealed = urlsafe_b64decode(token.encode("ascii"))
        except ValueError:
            return None
        content, signature = sealed[: -_DIGEST or None], sealed[-_DIGEST:]
        if len(sealed) != _LENGTH or not hmac.compare_digest(signature, self._sign(content)):
            return None
        ends = int.from_bytes(content[_DIGEST:])
        return content[:_DIGEST].hex() if (time.time() if now is None else now) < ends else None

    def _sign(self, content: bytes) -> bytes:
        return blake2b(content, key=self._secret, digest_size=_DIGEST).digest()


def sessions_of(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions


def session_digest(request: Request) -> str | None:
    """The digest of the key or link that the request's cookie stands for; None without a session.

    Raises:
        Problem: 403 when it would change something and was not sent by the page.
    """
    sessions = sessions_of(request)
    share = share_named(request)
    token = request.cookies.get(sessions.cookie_of(share) if share else sessions.cookie)
    digest = sessions.open(token) if token else None
    if digest is not None and request.method not in _SAFE:
        require_page(request)
    return digest


def share_named(request: Request) -> str | None:
    return request.query_params.get(SHARE)


def require_page(request: Request) -> None:
    """Raises 403 unless our page sent the request: another site cannot set the header."""
    if PAGE_HEADER not in request.headers or request.headers.get("sec-fetch-site", "none") not in _OWN_SITE:
        detail = f"with a session, changes are made by the page alone, which sends the header {PAGE_HEADER}"
        raise Problem(403, "forbidden", detail, field=PAGE_HEADER)


def begin(request: Request, response: Response, digest: str, share: UUID | None = None) -> Response:
    """The response with the cookie of a new session, of a key or of a shared link."""
    sessions = sessions_of(request)
    response.set_cookie(
        sessions.cookie_of(str(share)) if share else sessions.cookie,
        sessions.seal(digest),
        max_age=LIFETIME_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


def end(request: Request, response: Response) -> Response:
    """The response that takes the cookie away."""
    response.delete_cookie(sessions_of(request).cookie, httponly=True, samesite="strict")
    return response
