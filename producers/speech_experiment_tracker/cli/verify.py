"""`speech-tracker verify`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from .failures import NEGATIVE
from .output import MISSING, console, print_json, shorten, status, table, text
from .server import Server, connect

app = typer.Typer(add_completion=False)
OPEN = 2
_MOST_RUNS = 50


@app.command()
def verify(
    run: Annotated[str | None, typer.Argument(help="Id or name of a run; all runs if left out.")] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="Without RUN: the newest so many.")
    ] = 1_000,
    timeout: Annotated[
        float,
        typer.Option("--timeout", min=0, max=60, help="Seconds to wait for projections that are behind."),
    ] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Whether everything that was logged has arrived, per run, stream and producer: the ledger's answer.

    Every call of a client has a number; the ledger keeps which numbers have been stored. `voided` are
    numbers that were given up with a reason (a full disk, a refusal) instead of being lost silently.

    Exit codes: 0 complete, 1 something is missing, 2 nothing is missing but a run is still open
    (its process or its delivery goes on), 3 no answer.

    Examples:

      speech-tracker verify conformer_12l

      speech-tracker verify --json > delivery.json

      speech-tracker verify && echo "all runs arrived"
    """
    with connect() as server:
        found = [_one(server, run, timeout)] if run else _all(server, limit, timeout)
    if as_json:
        print_json(found[0] if run else {"deliveries": found})
    elif run:
        _show_run(found[0])
    else:
        _show_all(found)
    raise typer.Exit(exit_code(found))


def exit_code(deliveries: Sequence[Mapping[str, Any]]) -> int:
    """0 complete, 1 missing, 2 open."""
    if any(delivery["missing"] for delivery in deliveries):
        return NEGATIVE
    return 0 if all(delivery["complete"] for delivery in deliveries) else OPEN


def _one(server: Server, run: str, timeout: float) -> dict[str, Any]:
    found: dict[str, Any] = server.get(f"/runs/{server.run_id(run)}/delivery", timeout=timeout)
    return found


def _all(server: Server, limit: int, timeout: float) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while len(found) < limit:
        page = server.get("/delivery", cursor=cursor, limit=min(500, limit - len(found)), timeout=timeout)
        found += page["deliveries"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return found


def _show_run(delivery: Mapping[str, Any]) -> None:
    made = table("stream", "producer", "calls", "stored", "voided", "verdict", "ended", right=[2, 3, 4])
    for stream in delivery["streams"]:
        role = f"{stream['role'] or 'producer'} rank {stream['rank'] or 0}"
        attempt = f", attempt {stream['attempt']}" if (stream["attempt"] or 1) > 1 else ""
        made.add_row(
            stream["stream"],
            f"{role}{attempt} [dim]{stream['host'] or ''}:{stream['pid'] or ''}[/dim]",
            f"{stream['calls']:,}",
            f"{stream['received']:,}",
            _ranges(stream["voided"]),
            status(stream["verdict"]),
            text(stream["close_reason"]),
        )
    console().print(made)
    _say_behind(delivery["behind"])
    counts = f"{delivery['received']:,} of {delivery['calls']:,} calls stored"
    console().print(f"[bold]{status(delivery['verdict'])}[/bold]  [dim]{counts}[/dim]")


def _ranges(ranges: Sequence[Sequence[int]]) -> str:
    return " ".join(shorten([f"{first}–{last}" for first, last in ranges], 3)) or MISSING


def _show_all(deliveries: Sequence[Mapping[str, Any]]) -> None:
    made = table("run", "calls", "stored", "voided", "missing", "verdict", right=[1, 2, 3, 4])
    worrying = [each for each in deliveries if not each["complete"]]
    for each in [*worrying, *(each for each in deliveries if each["complete"])][:_MOST_RUNS]:
        counts = [f"{each[name]:,}" for name in ("calls", "received", "voided", "missing")]
        made.add_row(each["run_id"], *counts, status(each["verdict"]))
    if deliveries:
        console().print(made)
        _say_behind(deliveries[0]["behind"])
    missing = sum(1 for each in deliveries if each["missing"])
    told = f"{len(deliveries)} runs: {len(deliveries) - len(worrying)} complete, "
    told += f"{len(worrying) - missing} open, {missing} with something missing"
    console().print(told)


def _say_behind(behind: Mapping[str, int]) -> None:
    for projection, records in behind.items():
        told = f"the projection {projection} is {records:,} records behind; ask again later"
        console().print(f"[yellow]{told}[/yellow]")
