"""`speech-tracker dead-letters`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from .failures import NEGATIVE
from .output import age, console, print_json, status, table, text
from .server import Server, connect

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="""Events that a projection could not apply: parked with the reason, never lost. They need an admin key.

    Replaying one appends its bytes to the log again; the gap that it left takes them.""",
)
Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
Projection = Annotated[str | None, typer.Option("--projection", help="Only of metadata, metrics, …")]


@app.command("list")
def list_letters(
    projection: Projection = None,
    replayed: Annotated[bool, typer.Option("--replayed", help="Also those replayed already.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000)] = 50,
    as_json: Json = False,
) -> None:
    """Parked events, newest first, with the reason.

    Example: speech-tracker dead-letters list --projection metrics
    """
    with connect() as server:
        found = _listed(server, projection, limit, replayed=replayed)
    if as_json:
        print_json({"dead_letters": found})
        return
    if not found:
        console().print("no dead letters")
        return
    made = table("letter", "event", "reason", "error", "parked")
    for letter in found:
        made.add_row(
            f"{letter['projection']}/{letter['id']}",
            text(letter["type"]),
            escape(letter["reason"]) + (" [dim](replayed)[/dim]" if letter["replayed_at"] else ""),
            escape(letter["error"]),
            age(letter["parked_at"]),
        )
    console().print(made)


@app.command()
def replay(
    letters: Annotated[
        list[str] | None, typer.Argument(help="Letters as `list` names them: metrics/17.", metavar="LETTER")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are parked.")] = False,
    projection: Projection = None,
    as_json: Json = False,
) -> None:
    """Replay parked events, once what refused them is mended.

    Exit codes: 0 all were applied, 1 some were parked again, 3 no answer.

    Examples:

      speech-tracker dead-letters replay metrics/17 metrics/18

      speech-tracker dead-letters replay --all --projection metadata
    """
    if bool(letters) == everything:
        raise typer.BadParameter("name letters, or give --all", param_hint="LETTER")
    with connect() as server:
        names = letters or [_name(letter) for letter in _listed(server, projection, 1_000)]
        outcomes = [server.post(f"/dead-letters/{_path(name)}/replay") for name in names]
    if as_json:
        print_json({"replays": outcomes})
    else:
        for name, outcome in zip(names, outcomes, strict=True):
            told = status("complete") + " applied" if outcome["applied"] else "[red]parked again[/red]"
            console().print(f"{name}  {told}")
        console().print(f"{sum(each['applied'] for each in outcomes)} of {len(outcomes)} applied")
    if not all(each["applied"] for each in outcomes):
        raise typer.Exit(NEGATIVE)


def _listed(
    server: Server, projection: str | None, limit: int, *, replayed: bool = False
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.get(
        "/dead-letters", projection=projection, limit=limit, replayed="true" if replayed else None
    )["dead_letters"]
    return found[:limit]


def _name(letter: dict[str, Any]) -> str:
    return f"{letter['projection']}/{letter['id']}"


def _path(name: str) -> str:
    projection, _, number = name.partition("/")
    if not projection.isalnum() or not number.isdecimal():
        raise typer.BadParameter(f"{name!r} is no letter; they look like metrics/17", param_hint="LETTER")
    return f"{projection}/{number}"
