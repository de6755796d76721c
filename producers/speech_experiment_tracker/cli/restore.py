"""`speech-tracker restore`."""

from __future__ import annotations

import typer

from .deleting import Id, Json, KindArgument, Reason, Yes, agreed, find, say_done
from .failures import NEGATIVE
from .output import print_json
from .server import connect

app = typer.Typer(add_completion=False)


@app.command()
def restore(
    kind: KindArgument, subject: Id, reason: Reason = "", yes: Yes = False, as_json: Json = False
) -> None:
    """Show a deleted run, experiment, artifact or report again. Names are found with an admin's key, ids with an editor's.

    Exit codes: 0 done, 1 you said no, 3 no answer.

    Examples:

      speech-tracker restore run 0199a3c2-7f1e-7a41-9d5b-0c2f3e4d5a6b --reason "it was right after all"

      speech-tracker restore experiment "First tries"
    """
    with connect() as server:
        found = find(server, kind, subject, deleted=True)
        if not agreed(f"Restore {found}?", yes=yes):
            raise typer.Exit(NEGATIVE)
        done = server.post(f"{found.path}/restore", reason=reason or None)
    if as_json:
        print_json(done)
        return
    say_done("restored", found, f"its story: speech-tracker audit --subject {found.id}")
