"""Exit codes, and errors as one line with a hint instead of a traceback."""

from __future__ import annotations

from typing import Final

from rich.markup import escape

from ..errors import TrackerError
from .output import errors

NEGATIVE: Final = 1
"""The answer is no: something is missing, failed, or needs attention."""
FAILED: Final = 3
"""There is no answer: the server cannot be reached, refused, or does not know the thing."""


def explain(error: TrackerError) -> None:
    """Says on stderr what went wrong and what to do."""
    errors().print(f"[red]{escape(error.message)}[/red]", soft_wrap=True, highlight=False)
    if error.hint and error.hint not in error.message:
        errors().print(f"  {escape(error.hint)}", soft_wrap=True, highlight=False)
