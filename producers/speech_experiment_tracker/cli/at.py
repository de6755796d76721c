"""`--at`: the question as of an earlier moment, and how to ask it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import join
from typing import Annotated, Any

import typer
from rich.markup import escape

from ..moments import as_of
from .output import console, local_time

At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="WHEN",
        help="As it was: 'last tuesday', 'yesterday 18:00', '3 days ago', 2026-11-17, or the vector of an answer.",
    ),
]


def asked(at: str | None) -> str | None:
    """What the server is asked for: a vector, or a moment on this machine's clock in ISO 8601."""
    return as_of(at)


def vector_of(answer: Mapping[str, Any], moment: str | None) -> str | None:
    """What further questions belonging to the same answer are asked as of; None: as it is."""
    return answer.get("vector", moment) if moment else None


def command(name: str, *arguments: str, **options: Any) -> str:
    """A command line as it would be typed; options as {"--limit": 5}, lists are repeated, None and False left out."""
    words = ["speech-tracker", name, *arguments]
    for option, given in options.items():
        values: Sequence[Any] = given if isinstance(given, list | tuple) else [given]
        for value in values:
            if value is True:
                words.append(option)
            elif value is not None and value is not False:
                words += [option, str(value)]
    return join(words)


def say_vector(answer: Mapping[str, Any], moment: str | None = None, *, again: str) -> None:
    """Below an answer: when it was true, and the command that gives it again."""
    vector = answer.get("vector")
    if vector is None:
        return
    then = f"as of {local_time(moment)}; " if moment and moment != vector else ""
    told = escape(f"{then}the same again: {again} --at {vector}")
    console().print(f"[dim]{told}[/dim]", soft_wrap=True)
