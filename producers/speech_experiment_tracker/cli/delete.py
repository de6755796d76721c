"""`speech-tracker delete`."""

from __future__ import annotations

import typer

from .deleting import Id, Json, Kind, KindArgument, Reason, Subject, Yes, agreed, find, say_done
from .failures import NEGATIVE
from .output import print_json
from .server import Server, connect

app = typer.Typer(add_completion=False)


@app.command()
def delete(
    kind: KindArgument, subject: Id, reason: Reason = "", yes: Yes = False, as_json: Json = False
) -> None:
    """Hide a run, an experiment with the runs that it has, an artifact or a report. The log keeps it: `restore` shows it again.

    Who did it, when and why stands in `speech-tracker audit`. It needs an editor's key.

    Exit codes: 0 done, 1 you said no, 3 no answer.

    Examples:

      speech-tracker delete run conformer_12l --reason "trained on the test set"

      speech-tracker delete experiment "First tries" --yes
    """
    with connect() as server:
        found = find(server, kind, subject)
        if not agreed(f"Delete {found}{_consequence(server, found)}?", yes=yes):
            raise typer.Exit(NEGATIVE)
        done = server.delete(found.path, reason=reason or None)
    if as_json:
        print_json(done)
        return
    say_done("deleted", found, f"undo: speech-tracker restore {kind} {found.id}")


def _consequence(server: Server, subject: Subject) -> str:
    kind: Kind = subject.kind
    if kind != "experiment":
        return ""
    runs = server.get(subject.path)["runs"]["total"]
    return f" with its {runs:,} runs" if runs else ""
