"""A report as a file, as its author keeps it in a repository: Markdown below a head that says which report it is.

---
report: 0199a3c2-7f1e-7a41-9d5b-0c2f3e4d5a6b
revision: 3
title: Which decoder for far-field speech
---
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from .errors import TrackerError

_MARK = "---"
_PAIR = re.compile(r"(?P<key>\w+)\s*:\s*(?P<value>.*?)\s*\Z")
_KEYS = ("report", "revision", "title", "as_of")


@dataclass(frozen=True)
class ReportFile:
    """report, revision: of which it was exported, or as which it was saved; None: it is a new one."""

    title: str | None
    body: str
    report: str | None = None
    revision: int | None = None
    as_of: str | None = None

    @classmethod
    def of(cls, answer: dict[str, Any]) -> ReportFile:
        """From what the server answers."""
        return cls(answer["title"], answer["body"], answer["id"], answer["revision"], answer["as_of"])

    def text(self) -> str:
        values = (self.report, self.revision, self.title, self.as_of)
        head = [
            f"{key}: {value}" for key, value in zip(_KEYS, values, strict=True) if value not in (None, "")
        ]
        return "\n".join([_MARK, *head, _MARK, "", self.body.strip("\n"), ""])


def read(text: str) -> ReportFile:
    """The inverse of ReportFile.text; a file without a head is a new report.

    Raises TrackerError that names the line of the head that is wrong.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if lines[0].strip() != _MARK:
        return ReportFile(None, text)
    end = next((i for i, line in enumerate(lines[1:], 1) if line.strip() == _MARK), None)
    if end is None:
        raise TrackerError("line 1: the head of the report has no end", f"close it with a line {_MARK}")
    given = dict(_pair(number, line) for number, line in enumerate(lines[1:end], 2) if line.strip())
    return ReportFile(
        given.get("title") or None,
        "\n".join(lines[end + 1 :]).strip("\n"),
        _identity(given.get("report")),
        _revision(given.get("revision")),
        given.get("as_of") or None,
    )


def _pair(number: int, line: str) -> tuple[str, str]:
    found = _PAIR.match(line.strip())
    if found is None or found["key"] not in _KEYS:
        raise TrackerError(
            f"line {number}: {line.strip()[:80]!r} is no line of a report's head",
            f"write {', '.join(f'{key}: …' for key in _KEYS)}",
        )
    return found["key"], found["value"]


def _identity(text: str | None) -> str | None:
    try:
        return str(UUID(text)) if text else None
    except ValueError:
        raise TrackerError(f"report: {text!r} is no id of a report", "leave it out for a new one") from None


def _revision(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise TrackerError(f"revision: {text!r} is no number")
    return int(text)
