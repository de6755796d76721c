"""`speech-tracker leaderboard`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from .at import At, asked, command, say_vector
from .output import MISSING, clip, console, number, print_json, short_id, table
from .server import connect

app = typer.Typer(add_completion=False)
_COLUMN = 12
"""Width that a test set is reckoned with."""
_FIXED = 8 + 4 + 3 * 4 + 9
"""Width of rank, id, mean and the gaps."""
_NAMES = 40


@app.command()
def leaderboard(
    metric: Annotated[str, typer.Option("--metric", "-m", help="wer, cer, der, …")] = "wer",
    test_set: Annotated[
        list[str] | None,
        typer.Option("--test-set", "-t", help="May be repeated; those with most results if left out."),
    ] = None,
    filter: Annotated[  # noqa: A002 - the name that help shows
        str | None, typer.Option("--filter", "-f", help="Only these runs, in the filter language.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000, help="At most so many rows.")] = 20,
    at: At = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Which systems are best on which test sets: now, or at any earlier moment.

    Rows are runs, or decodings of a run, the best first: those that miss fewer test sets, then by their mean.

    Examples:

      speech-tracker leaderboard

      speech-tracker leaderboard --at "last tuesday"

      speech-tracker leaderboard --metric cer --test-set aishell-test --filter "language = 'zh'"
    """
    moment = asked(at)
    with connect() as server:
        board = server.get(
            "/leaderboard", metric=metric, test_set=test_set, filter=filter, limit=limit, as_of=moment
        )
    if as_json:
        print_json(board)
        return
    if not board["rows"]:
        console().print(f"no results of {escape(metric)}" + (" as of then" if moment else " yet"))
    else:
        _show(board)
    options = {
        "--metric": metric if metric != "wer" else None,
        "--test-set": test_set or [],
        "--filter": filter,
        "--limit": limit if limit != 20 else None,
    }
    say_vector(board, moment, again=command("leaderboard", **options))


def _show(board: Mapping[str, Any]) -> None:
    width = console().width
    shown = columns_that_fit(board["test_sets"], width)
    decodings = any(row["decoding"] for row in board["rows"])
    heads = ["", "id", "run", "experiment", *(["decoding"] if decodings else [])]
    made = table(
        *heads, *map(escape, shown), "mean", right=[0, *range(len(heads), len(heads) + len(shown) + 1)]
    )
    best = {name: _best(board, name) for name in shown}
    for place, row in enumerate(board["rows"], 1):
        cells = [
            str(place),
            short_id(row["run_id"]),
            f"[bold]{escape(clip(row['run'], _NAMES))}[/bold]",
            escape(clip(row["experiment"] or "", _NAMES)) or MISSING,
            *([escape(row["decoding"]) or MISSING] if decodings else []),
        ]
        made.add_row(*cells, *(_value(row["values"], name, best[name]) for name in shown), _mean(row))
    console().print(made)
    better = "higher is better" if board["higher_is_better"] else "lower is better"
    hidden = len(board["test_sets"]) - len(shown)
    more = f"; {hidden} more test sets with a wider window or --json" if hidden else ""
    console().print(f"[dim]{escape(board['metric'])}, {better}{more}[/dim]")


def columns_that_fit(test_sets: Sequence[str], width: int) -> list[str]:
    """The first test sets, as many as a window of a width has room for; one at least."""
    room = width - _FIXED - _NAMES
    shown: list[str] = []
    for name in test_sets:
        room -= max(len(name), _COLUMN) + 3
        if room < 0 and shown:
            break
        shown.append(name)
    return shown


def _best(board: Mapping[str, Any], test_set: str) -> Any:
    found = [row["values"].get(test_set) for row in board["rows"]]
    numbers = [value for value in found if isinstance(value, int | float)]
    return (max if board["higher_is_better"] else min)(numbers, default=None)


def _value(values: Mapping[str, Any], test_set: str, best: Any) -> str:
    value = values.get(test_set)
    return f"[green]{number(value)}[/green]" if value is not None and value == best else number(value)


def _mean(row: Mapping[str, Any]) -> str:
    return number(row["mean"]) + (f" [dim]−{row['missing']}[/dim]" if row["missing"] else "")
