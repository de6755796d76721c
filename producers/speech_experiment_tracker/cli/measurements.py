"""`speech-tracker measurements`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ..errors import TrackerError
from .at import At, asked, command, say_vector
from .measured import comparison_table, defined, measurements_table
from .output import console, errors, print_json, table, text
from .server import Server, connect

app = typer.Typer(add_completion=False)
_MOST = 1_000


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
            found = _compared(server, question)
        else:
            found = server.get("/measurements", limit=limit, **question)
    if as_json:
        print_json(found)
        return
    rows = found["measurements"]
    if not rows:
        console().print("no measurements" + (" as of then" if moment else " yet"))
    elif compared:
        _show_comparison(found, limit)
    else:
        console().print(measurements_table(rows))
    again = {"--task": task, "--test-set": test_set, "--definition": definition}
    say_vector(found, moment, again=command("measurements", **again))


def _compared(server: Server, question: Mapping[str, Any]) -> dict[str, Any]:
    """The comparison; raises TrackerError where definitions differ, after a list of them to choose from."""
    try:
        found: dict[str, Any] = server.get("/measurements/comparison", **question)
    except TrackerError as error:
        if error.status != 409:
            raise
        rows = server.get("/measurements", limit=_MOST, **question)["measurements"]
        errors().print(_definitions(rows))
        hint = "take one of them: --definition with its id"
        raise TrackerError("the numbers do not mean the same", hint, status=409) from None
    return found


def _definitions(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each definition: how many measurements have it, and what tells it from the others."""
    by_identity: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_identity.setdefault(row["identity"], []).append(row)
    flat = {name: _flat(same[0]["definition"]) for name, same in by_identity.items()}
    names = sorted({name for each in flat.values() for name in each})
    differing = [name for name in names if len({str(each.get(name)) for each in flat.values()}) > 1]
    made = table("definition", "measurements", *map(escape, differing), right=[1])
    for identity, same in by_identity.items():
        told = (text(flat[identity].get(name)) for name in differing)
        made.add_row(identity[:8], str(len(same)), *told)
    return made


def _flat(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {**definition["settings"], "tool": definition["tool"], "version": definition["version"]}


def _show_comparison(found: Mapping[str, Any], limit: int) -> None:
    made, hidden = comparison_table(found["measurements"][:limit], console().width)
    console().print(made)
    better = "higher" if found["higher_is_better"] else "lower"
    more = f"; {hidden} more numbers with a wider window or --json" if hidden else ""
    console().print(f"[dim]by {escape(found['headline'])}, {better} is better{more}[/dim]")
    paired = next((row["against_best"] for row in found["measurements"] if row.get("against_best")), None)
    if paired:
        told = f"to the best: {paired['level']:.0%} intervals by draws of the parts that both have"
        console().print(f"[dim]{told}; one that holds 0 shows no difference[/dim]")
    console().print(f"[dim]{escape(defined(found['definition']['settings']))}[/dim]")
