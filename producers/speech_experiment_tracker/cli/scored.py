"""Rates and verdicts as people read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import typer
from rich.markup import escape

from ..errors import TrackerError
from .output import errors


def percent(rate: float | None, digits: int = 2) -> str:
    """4.37 for 0.0437; – where there is none."""
    return "–" if rate is None else f"{100 * rate:.{digits}f}"


def rate_given(text: str, name: str) -> float:
    """A rate that was given in per cent; raises BadParameter for anything else."""
    try:
        if not text.strip().endswith("%"):
            raise ValueError
        return float(text.strip()[:-1]) / 100
    except ValueError:
        raise typer.BadParameter(f"{text!r}: write per cent, e.g. 0.2%", param_hint=name) from None


def need_scoring() -> None:
    """Raises TrackerError where what scores is not installed."""
    try:
        import kaldialign  # noqa: F401
        import numpy  # noqa: F401
        import rapidfuzz  # noqa: F401
        import regex  # noqa: F401
        import scipy  # noqa: F401
    except ImportError as error:
        raise TrackerError(
            f"scoring needs {error.name}", "pip install 'speech-experiment-tracker[scoring]'"
        ) from error


def say_notes(notes: Iterable[str]) -> None:
    """On stderr, each once."""
    for note in dict.fromkeys(notes):
        errors().print(f"[yellow]note[/yellow] {escape(note)}", soft_wrap=True, highlight=False)


def latex(text: Any) -> str:
    """A text inside LaTeX."""
    replaced = str(text).replace("\\", r"\textbackslash{}")
    for character in "&%$#_{}":
        replaced = replaced.replace(character, f"\\{character}") if character not in "{}" else replaced
    return replaced.replace("~", r"\textasciitilde{}").replace("^", r"\textasciicircum{}")
