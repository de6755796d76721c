"""`speech-tracker marks`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from .at import At, asked, command, say_vector
from .output import MISSING, age, console, print_json, table
from .server import connect

app = typer.Typer(add_completion=False)


@app.command()
def marks(
    test_set: Annotated[str | None, typer.Argument(help="Only those of a set.")] = None,
    state: Annotated[str, typer.Option("--state", "-s", help="open, dismissed, corrected or all.")] = "open",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000)] = 100,
    at: At = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """References that are marked as doubtful, the newest first, so that someone can work through them.

    They are marked on the page or by client.mark_reference; a correction settles a mark, and it can be dismissed.

    Examples:

      speech-tracker marks

      speech-tracker marks test-other --state all
    """
    moment = asked(at)
    with connect() as server:
        answer = server.get("/marks", test_set=test_set, state=state, limit=limit, as_of=moment)
    if as_json:
        print_json(answer)
        return
    made = table("test set", "utterance", "state", "note", "by", "when")
    for each in answer["marks"]:
        when = age(each["time"])
        told = (each["test_set"], each["utterance"], each["state"], each["note"], each["by"] or MISSING, when)
        made.add_row(*map(escape, told))
    console().print(made)
    console().print(f"[dim]{len(answer['marks'])} of {answer['total']}[/dim]")
    options = {"--state": state if state != "open" else None, "--limit": limit if limit != 100 else None}
    say_vector(answer, moment, again=command("marks", *filter(None, [test_set]), **options))
