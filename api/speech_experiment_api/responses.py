"""Bodies: msgspec structs in and out, as JSON for people and msgpack for the drain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from .problems import bad_request

T = TypeVar("T")

_json = msgspec.json.Encoder()
_msgpack = msgspec.msgpack.Encoder()


def json_response(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None, etag: str | None = None
) -> Response:
    """Anything that msgspec encodes; NaN and ±Inf become null, so write them as strings before."""
    response = Response(_json.encode(content), status, headers, media_type="application/json")
    if etag is not None:
        response.headers["ETag"] = etag
        response.headers["Cache-Control"] = "private, no-cache"  # may be kept, and asked about each time
    return response


def msgpack_response(content: Any, media_type: str, status: int = 200) -> Response:
    return Response(_msgpack.encode(content), status, media_type=media_type)


async def read_json(request: Request, kind: type[T]) -> T:
    """The body as `kind`; a 400 names the field that does not fit."""
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        raise bad_request(message, field=path.rstrip("`")) from None
    except msgspec.DecodeError as error:
        raise bad_request(f"the body is not JSON: {error}") from None
