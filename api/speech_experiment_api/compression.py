"""Opening compressed bodies, with a bound on what comes out."""

from __future__ import annotations

import zlib

import zstandard

from .problems import Problem, bad_request
from .routing import too_large

_WINDOW = 1 << 23
_GZIP = 31


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The body behind a Content-Encoding; 413 beyond `limit` bytes, 415 for an unknown encoding."""
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "zstd":
            return _zstd(body, limit)
        case "gzip" | "x-gzip":
            return _gzip(body, limit)
    raise Problem(
        415, "unsupported_encoding", "send the body as zstd, gzip or uncompressed", field="Content-Encoding"
    )


def _zstd(body: bytes, limit: int) -> bytes:
    try:
        with zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(body) as reader:
            content = reader.read(limit + 1)
    except zstandard.ZstdError as error:
        raise bad_request(f"the body is not zstd: {error}") from None
    return _bounded(content, limit)


def _gzip(body: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj(_GZIP)
    try:
        content = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise bad_request(f"the body is not gzip: {error}") from None
    _bounded(content, limit)
    if not inflater.eof or inflater.unused_data:
        raise bad_request("the gzip body is cut off, or followed by something else")
    return content


def _bounded(content: bytes, limit: int) -> bytes:
    if len(content) > limit:
        raise too_large(limit)
    return content
