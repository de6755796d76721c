"""`speech-tracker status`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape

from ..config import resolve
from ..errors import TrackerError
from ..spool_status import SpoolStatus, spool_status
from .failures import NEGATIVE
from .output import MISSING, console, duration, number, pairs, print_json, short_id, size, table, text
from .output import status as coloured
from .server import connect

app = typer.Typer(add_completion=False)
GROUP = "speech_experiment_tracker.status"
"""Entry points: `stack`, data folder → the embedded stack's state; `data_dir`, the usual data folder."""
_MOST_PRODUCERS = 10
_RECENT_S = 86_400.0
"""How long problems of delivered runs are worth a word; the runs themselves show them for ever."""


@app.command()
def status(
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Data folder of a stack on this machine.")
    ] = None,
    spool_dir: Annotated[
        Path | None, typer.Option("--spool-dir", help="Another spool than the usual one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """How the client's spool, the server and the stack on this machine are doing.

    Exit codes: 0 all is well, 1 something needs attention; what it is stands at the end.
    """
    report = gather(data_dir, spool_dir)
    worries = concerns(report)
    if as_json:
        print_json({**report, "concerns": worries})
    else:
        _print(report, worries)
    if worries:
        raise typer.Exit(NEGATIVE)


def gather(data_dir: Path | None, spool_dir: Path | None) -> dict[str, Any]:
    """{spool, server, stack}: server is an error text when there is no answer, stack None without one."""
    spool = spool_status(spool_dir or resolve().spool)
    return {"spool": _spool(spool), "server": _server(data_dir), "stack": _stack(data_dir)}


def _spool(found: SpoolStatus) -> dict[str, Any]:
    return {**msgspec.to_builtins(found), "undelivered": found.undelivered}


def _server(data_dir: Path | None) -> dict[str, Any]:
    try:
        with connect(data_dir) as server:
            found: dict[str, Any] = server.get("/status")
    except TrackerError as error:
        return {
            "error": error.message,
            "hint": error.hint,
            "known": data_dir is not None or bool(resolve().url),
        }
    return found


def _stack(data_dir: Path | None) -> dict[str, Any] | None:
    """The embedded stack's state, where the server is installed and one has run here."""
    from importlib.metadata import entry_points

    installed = {entry.name: entry for entry in entry_points(group=GROUP)}
    if not {"stack", "data_dir"} <= installed.keys():
        return None
    folder = data_dir or installed["data_dir"].load()()
    found: dict[str, Any] = installed["stack"].load()(folder)
    return found if found["children"] else None


def concerns(report: Mapping[str, Any]) -> list[str]:
    """What needs attention, one line each."""
    return [
        *_spool_concerns(report["spool"]),
        *_server_concerns(report["server"]),
        *_stack_concerns(report["stack"]),
    ]


def _spool_concerns(spool: Mapping[str, Any]) -> list[str]:
    said = (spool["drain"] or {}).get("problems", ()) if spool["drain_alive"] else ()
    found = [f"delivery: {problem}" for problem in said]
    stuck = [each for each in spool["producers"] if not each["closed"]]
    if any(not each["online"] and not each["alive"] for each in stuck):
        found.append("offline runs wait for `speech-tracker sync`")
    if not spool["drain_alive"] and any(each["online"] for each in stuck):
        found.append("runs wait and no drain is alive; `speech-tracker sync` delivers them")
    recent = [each for each in spool["done"] if each["at"] > time.time() - _RECENT_S]
    return found + [_problems(each) for each in [*recent, *spool["producers"]] if each["problems"]]


def _problems(each: Mapping[str, Any]) -> str:
    told = ", ".join(f"{count} × {kind}" for kind, count in each["problems"].items())
    return f"run {short_id(each['run'] or 'process')} had problems: {told}"


def _server_concerns(server: Mapping[str, Any]) -> list[str]:
    if "error" in server:
        return [f"server: {server['error']}"] if server["known"] else []
    found = [f"server: {name}: {state}" for name, state in server["checks"].items() if state != "ok"]
    found += [
        f"{each['name']}: {each['dead_letters']} dead letters; see `speech-tracker dead-letters list`"
        for each in server["projections"]
        if each["dead_letters"]
    ]
    at_work = {worker["projection"] for worker in server["workers"] if worker["age_seconds"] < 60}
    found += [
        f"{each['name']}: no worker has said anything for a minute"
        for each in server["projections"]
        if each["name"] not in at_work
    ]
    return found


def _stack_concerns(stack: Mapping[str, Any] | None) -> list[str]:
    if stack is None or stack["status"] in ("stopped", "starting", "stopping"):
        return []
    if stack["status"] in ("killed", "failed"):
        return [f"stack: {stack['status']}; `speech-tracker up` brings it back with all data"]
    return [
        f"{name} does not run (restarted {child['restarts']} times, last {child['last_exit']}); see its log in {stack['data_dir']}/logs"
        for name, child in stack["children"].items()
        if child["pid"] is None
    ]


def _print(report: Mapping[str, Any], worries: Sequence[str]) -> None:
    _print_server(report["server"])
    if report["stack"]:
        _print_stack(report["stack"])
    _print_spool(report["spool"])
    console().print()
    for worry in worries:
        console().print(f"[yellow]! {escape(worry)}[/yellow]", soft_wrap=True)
    if not worries:
        console().print("[green]all is well[/green]")


def _print_server(server: Mapping[str, Any]) -> None:
    console().print("[bold]Server[/bold]")
    if "error" in server:
        console().print(f"  [red]{escape(server['error'])}[/red]\n  {escape(server['hint'])}", soft_wrap=True)
        return
    ready = coloured("ready") if server["ready"] else "[red]not ready[/red]"
    console().print(f"  {escape(server['url'])}  {ready}  [dim]up {duration(server['uptime_seconds'])}[/dim]")
    made = table(
        "projection", "version", "events", "lag", "dead letters", "latency p50", "p99", right=range(1, 7)
    )
    latency = {worker["projection"]: worker.get("latency_ms") for worker in reversed(server["workers"])}
    for each in server["projections"]:
        spent = latency.get(each["name"]) or {}
        times = [f"{number(round(spent[at], 1))} ms" if at in spent else MISSING for at in ("p50", "p99")]
        events = sum(each["positions"].values())
        letters = f"[red]{each['dead_letters']}[/red]" if each["dead_letters"] else "0"
        made.add_row(each["name"], str(each["version"]), f"{events:,}", f"{each['lag']:,}", letters, *times)
    console().print(made)


def _print_stack(stack: Mapping[str, Any]) -> None:
    console().print(
        f"\n[bold]Stack on this machine[/bold]\n  {escape(stack['data_dir'])}  {coloured(stack['status'])}"
    )
    if stack["pid"] is None:
        return
    made = table("process", "pid", "up", "memory", "restarts", "last exit", right=[1, 2, 3, 4])
    for name, child in stack["children"].items():
        last = f"[yellow]{escape(child['last_exit'])}[/yellow]" if child["last_exit"] else MISSING
        up = duration(child["uptime_s"]) if child["pid"] else "[red]down[/red]"
        memory = size(child["memory_bytes"])
        made.add_row(escape(name), text(child["pid"]), up, memory, str(child["restarts"]), last)
    console().print(made)
    total = sum(child["memory_bytes"] or 0 for child in stack["children"].values())
    console().print(f"[dim]{size(total)} in all[/dim]")


def _print_spool(spool: Mapping[str, Any]) -> None:
    waiting = (spool["drain"] or {}).get("waiting", 0) if spool["drain_alive"] else 0
    state = f"at work, {waiting} records on the way" if spool["drain_alive"] else "idle"
    console().print("\n[bold]Client on this machine[/bold]")
    rows = {
        "spool": f"{escape(spool['path'])}  [dim]{size(spool['bytes'])}[/dim]",
        "drain": state,
        "undelivered": f"{spool['undelivered']} producer(s)" if spool["undelivered"] else "nothing",
    }
    console().print(pairs(rows))
    if not spool["producers"]:
        return
    made = table("run", "producer", "writer", "server has", "goes to")
    for each in spool["producers"][:_MOST_PRODUCERS]:
        acknowledged = "  ".join(f"{stream} {calls:,}" for stream, calls in each["acknowledged"].items())
        writer = "[cyan]at work[/cyan]" if each["alive"] else "[dim]gone[/dim]"
        made.add_row(
            short_id(each["run"]) if each["run"] else "[dim]process[/dim]",
            f"{each['role']} [dim]{escape(each['host'])}:{each['pid']}[/dim]",
            writer,
            acknowledged or MISSING,
            "server" if each["online"] else "[yellow]offline[/yellow]",
        )
    console().print(made)
    if len(spool["producers"]) > _MOST_PRODUCERS:
        console().print(f"[dim]… and {len(spool['producers']) - _MOST_PRODUCERS} more[/dim]")
