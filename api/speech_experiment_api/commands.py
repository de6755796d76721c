"""Server commands of `speech-tracker`: a way in when every admin key is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.command("admin-key")
def admin_key(
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="Folder of a running stack; on a cluster the server's environment."),
    ] = None,
) -> None:
    """Make a new admin key on the server's own authority, without an old one.

    It needs what the server itself needs to log in to its stores, and stands in the audit trail
    as made by the system. The stack must run. The key goes to standard output, once.
    """
    from .rescue import RescueError, rescue

    try:
        typer.echo(rescue(data_dir))
    except RescueError as error:
        typer.echo(f"no key was made: {error}", err=True)
        raise typer.Exit(1) from None
