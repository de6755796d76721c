"""HTTP content codings that ClickHouse clients use: lz4 (frames), zstd, gzip; codecs load on use."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .http import ProtocolError

SUPPORTED = ("lz4", "zstd", "gzip")


def decode(coding: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Decode pieces of a body as they arrive; frames may follow each other.

    Raises:
        ProtocolError: unknown coding, or damaged data.
    """
    if coding in ("", "identity"):
        yield from pieces
        return
    make = _decoder(coding)
    decoder = make()
    for piece in pieces:
        data = piece
        while data:
            try:
                decoded = decoder.decompress(data)
            except Exception as error:
                raise ProtocolError(400, f"body is not valid {coding}: {error}") from error
            if decoded:
                yield decoded
            data = decoder.unused_data if decoder.eof else b""
            if decoder.eof:
                decoder = make()


def choose(accepted: str) -> str | None:
    """The first coding of an Accept-Encoding header that we have."""
    for offer in accepted.split(","):
        coding = offer.split(";")[0].strip().lower()
        if coding in SUPPORTED:
            return coding
    return None


def encode(coding: str, body: bytes | memoryview) -> bytes:
    """Encode a whole body; fast levels, the peer is on this machine."""
    if coding == "lz4":
        import lz4.frame

        return bytes(lz4.frame.compress(body))
    if coding == "zstd":
        import zstandard

        return bytes(zstandard.ZstdCompressor(level=1).compress(body))
    return zlib.compress(body, level=1, wbits=31)


def _decoder(coding: str) -> Callable[[], Any]:
    if coding == "lz4":
        import lz4.frame

        return lambda: lz4.frame.LZ4FrameDecompressor()
    if coding == "zstd":
        import zstandard

        return lambda: zstandard.ZstdDecompressor().decompressobj()
    if coding == "gzip":
        return lambda: zlib.decompressobj(wbits=31)
    raise ProtocolError(400, f"Content-Encoding {coding!r} is not served; use one of {', '.join(SUPPORTED)}")
