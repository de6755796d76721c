"""`speech-tracker verify`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ..config import resolve
from .failures import NEGATIVE
from .output import MISSING, console, print_json, shorten, status, table, text
from .proofs import Asking, Proofs
from .server import connect

app = typer.Typer(add_completion=False)
OPEN = 2
_MOST_RUNS = 50
_MOST_FINDINGS = 100


@app.command()
def verify(
    run: Annotated[str | None, typer.Argument(help="Id or name of a run; all runs if left out.")] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="Without RUN: the newest so many.")
    ] = 1_000,
    timeout: Annotated[
        float,
        typer.Option("--timeout", min=0, max=600, help="Seconds that each answer of the server may take."),
    ] = 60.0,
    spool: Annotated[
        list[Path] | None,
        typer.Option("--spool", help="Also compare this spool; this user's own is always looked at."),
    ] = None,
    contents: Annotated[
        bool, typer.Option("--contents", help="Read every artifact again and compare its hash.")
    ] = False,
    ledger: Annotated[
        bool, typer.Option("--ledger", help="Only ask the ledger: quick, and without reading the log.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Whether everything that was logged has arrived, and is still there, wherever the system keeps it.

    The ledger knows which calls of which producer were stored. Then the log is read again, and what it says
    is compared with the ledger, the rows in Postgres, the points in ClickHouse, the contents in the object
    store and the spools of this machine. Each difference is named with its place, the time since when, and
    what brings it in order. `voided` are calls that were given up with a reason (a full disk, a refusal).

    For all runs the comparison needs a key with the role admin; with another the ledger alone is asked.

    Exit codes: 0 complete and equal everywhere, 1 something is missing or differs, 2 neither, but something
    is still open or on its way, 3 no answer.

    Examples:

      speech-tracker verify conformer_12l

      speech-tracker verify --json > proof.json

      speech-tracker verify && echo "all runs arrived, and nothing is lost"
    """
    spools = [resolve().spool, *(each.expanduser().absolute() for each in spool or [])]
    with connect() as server:
        asking = Asking(server, timeout, contents, dict.fromkeys(spools))
        found = asking.one(run, ledger=ledger) if run else asking.all(limit, ledger=ledger)
    if as_json:
        print_json(found.as_json(one=run is not None))
    else:
        _show(found, one=run is not None)
    raise typer.Exit(exit_code(found.deliveries, found.findings))


def exit_code(deliveries: Sequence[Mapping[str, Any]], findings: Sequence[Mapping[str, Any]] = ()) -> int:
    """0 complete and equal, 1 missing or different, 2 open or on its way."""
    lost = any(delivery["missing"] for delivery in deliveries)
    if lost or any(finding["kind"] != "waiting" for finding in findings):
        return NEGATIVE
    return 0 if not findings and all(delivery["complete"] for delivery in deliveries) else OPEN


def _show(found: Proofs, *, one: bool) -> None:
    if not one:
        _show_all(found.deliveries)
    elif found.deliveries:
        _show_run(found.deliveries[0])
    _show_findings(found.findings)
    if found.verifications and not found.findings:
        records, points = (sum(each[name] for each in found.verifications) for name in ("records", "points"))
        told = f"{records:,} records of the log read again, {points:,} points: the same everywhere"
        console().print(f"[green]verified[/green]  [dim]{told}[/dim]")


def _show_findings(findings: Sequence[Mapping[str, Any]]) -> None:
    """What differs, and for each kind of damage once what to do."""
    for finding in findings[:_MOST_FINDINGS]:
        colour = "yellow" if finding["kind"] == "waiting" else "red"
        place = " ".join(filter(None, [finding["where"], finding["kind"], finding.get("stream")]))
        console().print(f"[{colour}]{place}[/{colour}]  {escape(finding['what'])}")
        console().print(f"  [dim]{escape(_where(finding))}[/dim]")
    if len(findings) > _MOST_FINDINGS:
        console().print(f"[dim]… and {len(findings) - _MOST_FINDINGS:,} more; see --json[/dim]")
    for step in dict.fromkeys(finding["next_step"] for finding in findings if finding.get("next_step")):
        console().print(f"next: {escape(step)}")


def _where(finding: Mapping[str, Any]) -> str:
    """Run, producer, calls, offsets and time of a finding."""
    calls = " ".join(shorten([f"{first}–{last}" for first, last in finding.get("calls", [])], 5))
    offsets = finding.get("offsets")
    parts = [
        f"run {finding['run']}" if finding.get("run") else "",
        f"producer {finding['producer']}" if finding.get("producer") else "",
        f"calls {calls}" if calls else "",
        f"partition {finding.get('partition', 0)} offsets {offsets[0]}–{offsets[1]}" if offsets else "",
        f"since {finding['since']}" if finding.get("since") else "",
    ]
    return ", ".join(filter(None, parts))


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
            text(stream["close_reason"]) + ("  [yellow]concurrent[/yellow]" if stream["concurrent"] else ""),
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
