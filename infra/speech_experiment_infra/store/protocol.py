"""ClickHouse's HTTP interface over an `Engine`: logins, parameters, formats, codings, errors.

Served: ``/`` (queries and inserts by GET or POST, statement in the URL, the body or a form) and
``/ping``. Not served: external tables, and sessions: every request stands alone.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Iterable, Iterator
from uuid import uuid4

from . import codings
from .body import Body
from .engine import Engine, EngineError, Outcome, Statement
from .forms import form_fields
from .http import ProtocolError, Request, Response

DEFAULT_FORMAT = "TabSeparated"

#: URL parameters of the interface itself; all others but ``param_…`` are settings of the query.
_NOT_SETTINGS = frozenset(
    [
        "query",
        "database",
        "default_format",
        "user",
        "password",
        "quota_key",
        "role",
        "session_id",
        "session_check",
        "session_timeout",
        "query_id",
        "stacktrace",
        "compress",
        "decompress",
        "wait_end_of_query",
        "buffer_size",
        "client_protocol_version",
        "enable_http_compression",
        "http_zlib_compression_level",
        "http_headers_progress_interval_ms",
        "send_progress_in_http_headers",
        "cancel_http_readonly_queries_on_client_close",
        "add_http_cors_header",
    ]
)
_HTTP_STATUS = {60: 404, 62: 400, 81: 404, 115: 404, 516: 403}
_MAX_INSERT_HEAD_BYTES = 1 << 20
_INSERT_WITHIN_BYTES = 256

_INSERT = re.compile(r"\s*INSERT\s+INTO\s", re.IGNORECASE)
_FORMAT_AND_ROWS = re.compile(r"\s+FORMAT\s+(\w+)[ \t]*\r?\n", re.IGNORECASE)
_FORMAT_AT_END = re.compile(r"\s+FORMAT\s+(\w+)\s*\Z", re.IGNORECASE)
_QUOTED_OR_LIST = re.compile(r"`(?:\\.|[^`])*`|\"(?:\\.|[^\"])*\"|\([^()]*\)")
_CARRIES_ROWS = re.compile(r"\b(?:SELECT|VALUES|INFILE|WITH)\b", re.IGNORECASE)
_OUTPUT_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*\Z", re.IGNORECASE)
_RETURNS_ROWS = re.compile(
    r"[\s(]*(?:SELECT|WITH|SHOW|DESC|DESCRIBE|EXISTS|EXPLAIN|CHECK|FROM)\b", re.IGNORECASE
)


class Protocol:
    """Answers requests; one instance serves all connections."""

    def __init__(self, engine: Engine, user: str, password: str, *, max_body_bytes: int = 512 << 20) -> None:
        self._engine = engine
        self._login = (user.encode(), password.encode())
        self._max_body_bytes = max_body_bytes

    def answer(self, request: Request, body: Iterator[bytes]) -> Response:
        """The response to one request; what the engine refuses becomes ClickHouse's error response."""
        if request.path == "/ping":
            return Response(body=b"Ok.\n")
        if request.path != "/":
            return Response(404, body=b"There is no handle for this path\n")
        try:
            self._authenticate(request)
            decoded = codings.decode(request.headers.get("content-encoding", ""), body)
            return self._run(request, Body(self._limited(decoded)))
        except EngineError as error:
            return _error_response(error)

    def _run(self, request: Request, body: Body) -> Response:
        fields = request.query
        content_type = request.headers.get("content-type", "")
        if content_type.startswith("multipart/form-data"):
            fields, body = fields | form_fields(content_type, b"".join(body)), Body(())
        if insert := _split_insert(fields.get("query", ""), body):
            sql, input_format, rows = insert
            return _response(request, self._engine.insert(_statement(sql, fields), input_format, rows), None)
        text = fields.get("query", "")
        if text and request.method == "POST":
            text += "\n"
        text += b"".join(body).decode("utf-8", "surrogateescape")
        return self._query(request, text.strip(), fields)

    def _query(self, request: Request, sql: str, fields: dict[str, str]) -> Response:
        if not sql:
            raise EngineError("Code: 62. DB::Exception: Empty query. (SYNTAX_ERROR)")
        default = fields.get("default_format", DEFAULT_FORMAT)
        outcome = self._engine.query(_statement(sql, fields), default)
        named = _OUTPUT_FORMAT.search(sql)
        returns_rows = bool(_RETURNS_ROWS.match(sql))
        return _response(request, outcome, (named[1] if named else default) if returns_rows else None)

    def _authenticate(self, request: Request) -> None:
        given = _given_login(request)
        pairs = zip(given, self._login, strict=True)
        if not all([hmac.compare_digest(one, other) for one, other in pairs]):  # noqa: C419 (no early exit)
            raise EngineError(
                "Code: 516. DB::Exception: Authentication failed: password is incorrect, or there is no "
                "user with such name. (AUTHENTICATION_FAILED)"
            )

    def _limited(self, body: Iterable[bytes]) -> Iterator[bytes]:
        left = self._max_body_bytes
        for piece in body:
            left -= len(piece)
            if left < 0:
                raise ProtocolError(
                    413, f"body larger than {self._max_body_bytes} bytes; insert fewer rows at once"
                )
            yield piece


def _statement(sql: str, fields: dict[str, str]) -> Statement:
    """The statement with the parameters and settings that came with the request."""
    parameters = {name[6:]: value for name, value in fields.items() if name.startswith("param_")}
    settings = {
        name: value
        for name, value in fields.items()
        if name not in _NOT_SETTINGS and not name.startswith("param_")
    }
    return Statement(sql, parameters, settings, fields.get("database", ""))


def _split_insert(query: str, body: Body) -> tuple[str, str, Iterator[bytes]] | None:
    """(statement without FORMAT, input format, rows) of an insert whose rows are in the body."""
    if query:
        found = _insert_format(query, _FORMAT_AT_END)
        return (query[: found.start()], found[1], iter(body)) if found else None
    text = body.peek(_INSERT_WITHIN_BYTES).decode("latin-1")
    if not _INSERT.match(text):
        return None
    while not (found := _insert_format(text, _FORMAT_AND_ROWS)):
        longer = body.peek(len(text) + 1).decode("latin-1")
        if len(longer) == len(text) or len(text) > _MAX_INSERT_HEAD_BYTES:
            return None
        text = longer
    head = body.take(found.end())
    return head[: found.start()].decode(), found[1], iter(body)


def _insert_format(text: str, clause: re.Pattern[str]) -> re.Match[str] | None:
    """The FORMAT clause of an insert of data; None for every other statement."""
    if not _INSERT.match(text):
        return None
    found = clause.search(text)
    if found and not _CARRIES_ROWS.search(_QUOTED_OR_LIST.sub(" ", text[: found.start()])):
        return found
    return None


def _given_login(request: Request) -> tuple[bytes, bytes]:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            plain = base64.b64decode(credentials, validate=True)
        except binascii.Error:
            return b"", b""
        basic_user, _, basic_password = plain.partition(b":")
        return basic_user, basic_password
    user = request.headers.get("x-clickhouse-user") or request.query.get("user", "default")
    password = request.headers.get("x-clickhouse-key") or request.query.get("password", "")
    return user.encode(), password.encode()


def _response(request: Request, outcome: Outcome, output_format: str | None) -> Response:
    summary = {
        "read_rows": str(outcome.read_rows),
        "read_bytes": str(outcome.read_bytes),
        "written_rows": str(outcome.written_rows),
        "written_bytes": str(outcome.written_bytes),
    }
    headers = {
        "Content-Type": "application/octet-stream",
        "X-ClickHouse-Server-Display-Name": "speech-experiment-store",
        "X-ClickHouse-Query-Id": request.query.get("query_id") or str(uuid4()),
        "X-ClickHouse-Summary": json.dumps(summary),
    }
    if output_format:
        headers["X-ClickHouse-Format"] = output_format
    rows = outcome.rows
    if request.query.get("enable_http_compression") == "1" and len(rows):
        coding = codings.choose(request.headers.get("accept-encoding", ""))
        if coding:
            headers["Content-Encoding"] = coding
            rows = codings.encode(coding, rows)
    return Response(headers=headers, body=rows, owner=outcome)


def _error_response(error: EngineError) -> Response:
    headers = {
        "Content-Type": "text/plain; charset=UTF-8",
        "X-ClickHouse-Exception-Code": str(error.code),
    }
    return Response(_HTTP_STATUS.get(error.code, 500), headers, f"{error}\n".encode())
