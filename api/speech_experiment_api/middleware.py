"""Around every request: an id, an access-log line, security headers, and no stack trace outside."""

from __future__ import annotations

import re
import time
from secrets import token_hex

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import log
from .outages import is_outage
from .problems import render, unavailable, unexpected

_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.-]{1,64}\Z")
_CLIENT_GONE = 499
_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class Envelope:
    """The outermost middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        try:
            await self.app(scope, receive, exchange.send)
        except ClientDisconnect:
            exchange.status = _CLIENT_GONE
        except Exception as error:  # noqa: BLE001 - the last line of defence
            await exchange.fail(error, receive)
        finally:
            exchange.finish()


class _Exchange:
    """One request and what became of it."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = self.request_id
        self._send = send
        self._started = time.perf_counter()
        self.status = 0
        self.sent = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._add_headers(message)
        elif message["type"] == "http.response.body":
            self.sent += len(message.get("body", b""))
        await self._send(message)

    def _add_headers(self, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        for name, value in _SECURITY.items():
            headers.setdefault(name, value)
        headers["X-Request-ID"] = self.request_id

    async def fail(self, error: Exception, receive: Receive) -> None:
        outage = is_outage(error)
        if outage:
            log.write("outage", request_id=self.request_id, error=f"{type(error).__name__}: {error}")
        else:
            log.write_error(error, request_id=self.request_id)
        if self.status:
            return  # the answer was under way; closing the connection says that it is cut
        response = render(unavailable("a store"), self.request_id) if outage else unexpected(self.request_id)
        await response(self.scope, receive, self.send)

    def finish(self) -> None:
        state = self.scope["state"]
        actor = state.get("actor")
        log.write(
            "access",
            request_id=self.request_id,
            method=self.scope["method"],
            path=self.scope["path"],
            status=self.status,
            ms=round((time.perf_counter() - self._started) * 1000, 2),
            actor=actor.name if actor else None,
            workspace=actor.workspace if actor else None,
            bytes_out=self.sent,
            client=self.scope["client"][0] if self.scope.get("client") else None,
        )


def _request_id(scope: Scope) -> str:
    """The caller's X-Request-ID when it is harmless, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.match(value):
            return str(value, "ascii")
    return token_hex(8)
