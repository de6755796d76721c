"""`speech-tracker replicates`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape

from .at import At, asked, command, say_vector
from .leaderboard import columns_that_fit
from .output import MISSING, clip, console, print_json, table
from .scored import percent
from .server import connect

app = typer.Typer(add_completion=False)
_NAMES = 40


@app.command()
def replicates(
    test_set: Annotated[list[str] | None, typer.Option("--test-set", "-t", help="May be repeated.")] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", "-p", help="Scoring profile (basic-wer if left out).")
    ] = None,
    filter: Annotated[  # noqa: A002 - the name that help shows
        str | None, typer.Option("--filter", "-f", help="Only these runs, in the filter language.")
    ] = None,
    apart_from: Annotated[
        list[str] | None,
        typer.Option(
            "--apart-from",
            metavar="KEY",
            help="A config key that may differ as well, e.g. output_dir; may be repeated.",
        ),
    ] = None,
    alpha: Annotated[float, typer.Option(min=1e-6, max=0.5, help="Level of the tests for ties.")] = 0.05,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200)] = 20,
    at: At = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs: every seed.")] = False,
) -> None:
    """Configurations × test sets over their seeds: mean ± standard deviation, and tests across seeds.

    Runs of one experiment whose configs differ in the seed alone are one configuration; the seed is a config key such as
    `seed` or `train.random_seed`, or the tag `seed`. ¹ marks a single seed: it says something about that model,
    and nothing about the way it was trained. = marks what is not shown to differ from the best mean of its column.
    """
    moment = asked(at)
    query = {"test_set": test_set, "profile": profile, "filter": filter, "apart_from": apart_from}
    with connect() as server:
        board = server.get("/replicates", **query, alpha=alpha, limit=limit, as_of=moment)
    if as_json:
        print_json(board)
        return
    _print(board)
    options = {
        "--test-set": test_set or [],
        "--profile": profile,
        "--filter": filter,
        "--apart-from": apart_from or [],
        "--alpha": alpha if alpha != 0.05 else None,
    }
    say_vector(board, moment, again=command("replicates", **options))


def _print(board: Mapping[str, Any]) -> None:
    names = columns_that_fit([each["test_set"] for each in board["test_sets"]], console().width)
    heads = ["", "config", "run", "decoding", *map(escape, names), "mean"]
    made = table(*heads, right=[0, *range(4, len(heads))])
    for place, row in enumerate(board["configurations"], 1):
        more = len(row["runs"]) - 1
        made.add_row(
            str(place),
            row["config"] or MISSING,
            escape(clip(row["run"], _NAMES)) + (f" [dim]+{more}[/dim]" if more else ""),
            escape(row["decoding"]) or MISSING,
            *(_cell(row["cells"].get(name)) for name in names),
            percent(row["macro_over_sets"]),
        )
    console().print(made)
    marks = "± standard deviation over (so many) seeds, ¹ single seed, ◔ not all utterances, ≠ seeds on other references"
    test = f"= not shown to differ from the best of the column by Welch's test over seeds, Holm, α = {board['alpha']:g}"
    console().print(f"[dim]{escape(board['profile'])}, %; {marks}; {test}[/dim]")


def _cell(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return MISSING
    marks = "◔" if cell["coverage"] not in (None, 1.0) else ""
    marks += "≠" if cell["left_out"] else ""
    return f"{over_seeds(cell)}{marks}{' =' if cell['tied'] else ''}"


def over_seeds(found: Mapping[str, Any]) -> str:
    """4.37 ±0.08 (3), or 4.37¹ for a single seed; of mean, sd and seeds."""
    if found["sd"] is None:
        return f"{percent(found['mean'])}¹"
    return f"{percent(found['mean'])} ±{percent(found['sd'])} ({found['seeds']})"
