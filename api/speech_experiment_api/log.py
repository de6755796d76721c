"""Structured logging: one JSON object a line, on standard output; never a header, key or query string."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


def write(kind: str, **fields: Any) -> None:
    """A line with the time (seconds since 1970), the kind, and the fields."""
    sys.stdout.buffer.write(_encode({"time": round(time.time(), 6), "kind": kind, **fields}) + b"\n")
    sys.stdout.buffer.flush()


def write_error(error: BaseException, **fields: Any) -> None:
    write("error", error=repr(error), traceback="".join(traceback.format_exception(error)), **fields)


class JsonHandler(logging.Handler):
    """Brings the lines of libraries into the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        fields = {"logger": record.name, "level": record.levelname.lower(), "message": record.getMessage()}
        if record.exc_info and record.exc_info[1]:
            fields["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))
        write("log", **fields)


def configure(level: int = logging.WARNING) -> None:
    logging.basicConfig(level=level, handlers=[JsonHandler()], force=True)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)  # an absent broker shows in /readyz
