"""The Range header (RFC 9110): one range of bytes, or the whole."""

from __future__ import annotations

import re
from typing import NamedTuple

from .problems import Problem

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z", re.ASCII)


class ByteRange(NamedTuple):
    """start … stop - 1 of the content."""

    start: int
    stop: int
    partial: bool

    @property
    def length(self) -> int:
        return self.stop - self.start


def parse_range(header: str | None, size: int) -> ByteRange:
    """What to send; several ranges and other units are ignored, as the standard allows; 416 beyond the end."""
    match = _RANGE.match(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return ByteRange(0, size, partial=False)
    first, last = match.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
    if start >= stop:
        headers = {"Content-Range": f"bytes */{size}"}
        raise Problem(416, "range_not_satisfiable", f"the content has {size:,} bytes", headers=headers)
    return ByteRange(start, stop, partial=True)
