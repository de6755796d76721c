"""`speech-tracker compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from ..errors import TrackerError
from .at import At, asked, command, say_vector, vector_of
from .output import MISSING, console, duration, flatten, print_json, short_id, status, table, text
from .runs import results_of
from .server import Server, connect

app = typer.Typer(add_completion=False)
_FIELDS = ("status", "duration", "git_commit", "num_params")


@app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(help="Two or more runs, by id or name.")],
    at: At = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is the same in all of them.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Several runs side by side: what differs in config and tags, and what came of it.

    Examples:

      speech-tracker compare baseline conformer_12l

      speech-tracker compare 3f2a9c1b 77d0e154 0be2c9aa --all

      speech-tracker compare baseline conformer_12l --at "3 days ago"
    """
    if len(runs) < 2:
        raise typer.BadParameter("give two runs or more", param_hint="RUNS")
    moment = asked(at)
    with connect() as server:
        found = _read(server, runs, moment)
    if len({run["id"] for run in found}) < len(found):
        raise TrackerError("a run is named twice", "name different runs")
    sections = comparison(found, everything=everything)
    if as_json:
        heads = [{name: run[name] for name in ("id", "name", "experiment", "status")} for run in found]
        print_json({"runs": heads, **sections, "vector": found[0].get("vector")})
        return
    _print(found, sections, everything=everything)
    say_vector(found[0], moment, again=command("compare", *(run["id"] for run in found)))


def _read(server: Server, runs: Sequence[str], moment: str | None) -> list[dict[str, Any]]:
    """The runs, all as of the vector that the first was read at."""
    found: list[dict[str, Any]] = []
    for run in runs:
        then = vector_of(found[0], moment) if found else moment
        found.append(server.get(f"/runs/{server.run_id(run, as_of=then)}", as_of=then))
    return found


def comparison(
    runs: Sequence[Mapping[str, Any]], *, everything: bool = False
) -> dict[str, dict[str, list[Any]]]:
    """{section: {name: a value for each run, None where it has none}} of what differs, and all results."""
    sections = {
        "run": _rows([{name: run[name] for name in _FIELDS} for run in runs]),
        "config": _rows([flatten(run["config"]) for run in runs]),
        "tags": _rows([run["tags"] for run in runs]),
    }
    chosen = {
        section: {name: values for name, values in rows.items() if everything or _differ(values)}
        for section, rows in sections.items()
    }
    return {**chosen, "results": _rows([results_of(run) for run in runs])}


def _rows(columns: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for column in columns for name in column)
    return {name: [column.get(name) for column in columns] for name in names}


def _differ(values: Sequence[Any]) -> bool:
    return any(value != values[0] or type(value) is not type(values[0]) for value in values[1:])


def _print(
    runs: Sequence[Mapping[str, Any]], sections: Mapping[str, Mapping[str, list[Any]]], *, everything: bool
) -> None:
    made = table("", *(f"{escape(run['name'])}\n[dim]{short_id(run['id'])}[/dim]" for run in runs))
    for section, rows in sections.items():
        if rows:
            made.add_section()
            made.add_row(f"[bold]{section}[/bold]")
        for name, values in rows.items():
            made.add_row(f"  {escape(name)}", *(_cell(name, value) for value in values))
    console().print(made)
    if not everything and not sections["config"]:
        console().print("[dim]the configs are the same[/dim]")


def _cell(name: str, value: Any) -> str:
    if value is None:
        return MISSING
    if name == "duration":
        return duration(value)
    return status(value) if name == "status" else text(value)
