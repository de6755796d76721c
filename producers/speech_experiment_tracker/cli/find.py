"""`speech-tracker find`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape

from .at import At, asked, command, say_vector
from .output import MISSING, age, console, print_json, short_id, table
from .server import connect

app = typer.Typer(add_completion=False)
_FOUND, _NOTHING = 0, 1


@app.command()
def find(
    words: Annotated[
        list[str], typer.Argument(help="Words that the name contains, all of them; or a whole id.")
    ],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=20, help="Of each kind.")] = 6,
    at: At = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Find experiments, runs, test sets, evaluations, people and reports by words of their names. Exit code 1: nothing has them.

    Example:

      speech-tracker find conformer noisy
    """
    moment = asked(at)
    with connect() as server:
        found = server.get("/search", q=" ".join(words), limit=limit, as_of=moment)
    rows = list(_rows(found))
    if as_json:
        print_json(found)
    elif rows:
        made = table("kind", "name", "of", "id", "since")
        for row in rows:
            made.add_row(*(escape(cell) or MISSING for cell in row))
        console().print(made)
        options = {"--limit": limit if limit != 6 else None}
        say_vector(found, moment, again=command("find", *words, **options))
    else:
        console().print("nothing has such a name")
    raise typer.Exit(_FOUND if rows else _NOTHING)


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    for each in found["experiments"]:
        yield (
            "experiment",
            each["name"],
            each["task"] or "",
            short_id(each["id"]),
            age(each["created_at"]),
        )
    for each in found["runs"]:
        yield "run", each["name"], each["experiment"] or "", short_id(each["id"]), age(each["created_at"])
    for each in found["test_sets"]:
        yield "test set", each["name"], _runs(each), "", ""
    for each in found["evaluations"]:
        of = each["test_set"] or ""
        yield "evaluation", each["run"], of, short_id(each["id"]), age(each["started_at"])
    for each in found["people"]:
        yield "person", each["user"], _runs(each), "", ""
    for each in found["reports"]:
        yield "report", each["title"], "", short_id(each["id"]), age(each["saved_at"])


def _runs(row: Mapping[str, Any]) -> str:
    return f"{row['runs']} {'run' if row['runs'] == 1 else 'runs'}" if row["runs"] else ""
