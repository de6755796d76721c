"""Queries sent as multipart forms: clients do that when parameters are too long for a URL."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP

from .engine import EngineError


def form_fields(content_type: str, body: bytes) -> dict[str, str]:
    """Text fields of a multipart form.

    Raises:
        EngineError: the form carries a file: external tables are not served.
    """
    head = f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode("latin-1")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    fields = {}
    for part in message.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        if part.get_filename():
            raise EngineError(
                f"Code: 344. DB::Exception: External table {name!r}: not supported by the embedded store; "
                "insert the rows into a table first. (SUPPORT_IS_DISABLED)"
            )
        payload = part.get_payload(decode=True)
        fields[name] = payload.decode("utf-8", "surrogateescape") if isinstance(payload, bytes) else ""
    return fields
