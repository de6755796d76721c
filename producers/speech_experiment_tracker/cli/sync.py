"""`speech-tracker sync`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.status import Status

from .output import console, errors, print_json

if TYPE_CHECKING:
    from ..sync import SyncProgress

app = typer.Typer(add_completion=False)


@app.command()
def sync(
    directory: Annotated[
        Path | None, typer.Argument(help="A spool; by default this user's.", metavar="[DIR]")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on, for runs still being written; Ctrl-C ends.")
    ] = False,
    url: Annotated[str | None, typer.Option("--url", help="The server, if not the usual one.")] = None,
    api_key: Annotated[str | None, typer.Option("--api-key", help="A key with the role editor.")] = None,
    workspace: Annotated[
        str | None, typer.Option("--workspace", help="Where runs logged for another workspace may go.")
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0, help="Give up after so many seconds without progress.")
    ] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Deliver a spool that was written offline, or on a node without a network, and clear it.

    Delivering twice, or from two machines, stores everything once.

    Exit codes: 0 all was delivered, 3 it was not (what is left stays in the spool).

    Examples:

      speech-tracker sync

      speech-tracker sync /shared/spools/node17 --watch

      SPEECH_TRACKER_MODE=offline SPEECH_TRACKER_SPOOL_DIR=$SCRATCH/spool python train.py
    """
    from ..sync import sync as deliver

    with errors().status("looking at the spool") as shown:

        def progress(state: SyncProgress) -> None:
            _show(shown, state)

        try:
            state = deliver(
                directory, url, api_key, watch=watch, workspace=workspace, progress=progress, timeout=timeout
            )
        except KeyboardInterrupt:
            return
    runs = sorted(str(run) for run in state.runs)
    if as_json:
        print_json({"runs": runs, "records": state.records, "open": state.producers})
        return
    console().print(f"delivered {state.records:,} records of {len(runs)} runs")
    if state.producers:
        console().print(
            f"[yellow]{state.producers} processes are still writing; --watch goes on with them[/yellow]"
        )


def _show(shown: Status, state: SyncProgress) -> None:
    """One line while it goes on."""
    told = (
        f"{state.records:,} records delivered, {state.waiting:,} on the way, {state.producers} producers open"
    )
    shown.update(told + (f"  [yellow]{escape(state.problems[0])}[/yellow]" if state.problems else ""))
