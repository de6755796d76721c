"""`speech-tracker measurements`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from .at import At, asked, command, say_vector
from .measured import defined, value
from .output import MISSING, clip, console, print_json, short_id, table
from .server import connect

app = typer.Typer(add_completion=False)
_NAMES = 40


@app.command()
def measurements(
    task: Annotated[str | None, typer.Option("--task", help="diarization, verification, spotting, …")] = None,
    test_set: Annotated[str | None, typer.Option("--test-set", "-t", help="The name of the set.")] = None,
    definition: Annotated[
        str | None,
        typer.Option("--definition", "-d", help="Only those of a definition, by the beginning of its id."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000, help="At most so many rows.")] = 20,
    at: At = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Tasks other than recognition: what was measured; of one task on one test set, which system is best.

    Systems are compared only where their numbers mean the same: else this says what differs.

    Examples:

      speech-tracker measurements

      speech-tracker measurements --task diarization --test-set callhome-part2
    """
    moment = asked(at)
    question = {"task": task, "test_set": test_set, "definition": definition, "as_of": moment}
    compared = bool(task and test_set)
    with connect() as server:
        if compared:
            found = server.get("/measurements/comparison", **question)
        else:
            found = server.get("/measurements", limit=limit, **question)
    if as_json:
        print_json(found)
        return
    rows = found["measurements"]
    if not rows:
        console().print("no measurements" + (" as of then" if moment else " yet"))
    else:
        _show(rows[:limit])
    if compared and rows:
        console().print(f"[dim]{'higher' if found['higher_is_better'] else 'lower'} is better[/dim]")
        console().print(f"[dim]{escape(defined(found['definition']['settings']))}[/dim]")
    again = {"--task": task, "--test-set": test_set, "--definition": definition}
    say_vector(found, moment, again=command("measurements", **again))


def _show(rows: Sequence[Mapping[str, Any]]) -> None:
    made = table("id", "run", "name", "task", "test set", "", "value", "interval", "definition", right=[6, 7])
    for row in rows:
        headline = row["headline"]
        bounds = row["intervals"].get(headline)
        reach = f"{value(headline, bounds['low'])} … {value(headline, bounds['high'])}" if bounds else MISSING
        made.add_row(
            short_id(row["run_id"]),
            f"[bold]{escape(clip(row['run'], _NAMES))}[/bold]",
            escape(clip(row["name"] or "", _NAMES)) or MISSING,
            row["task"],
            escape(clip(row["test_set"], _NAMES)),
            escape(headline),
            value(headline, row["values"].get(headline)),
            reach,
            row["identity"][:8],
        )
    console().print(made)
