"""The state of a run as its events make it: shown, and held against what the server's tables say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape

from .at import command, say_vector
from .output import clip, console, print_json, table, text
from .server import Server
from .show import render

_ADDED = ("summaries", "replayed", "vector")
"""What a replay tells beyond the run itself."""
Difference = tuple[str, Any, Any]
"""(path of the field, as the tables have it, as the log has it)"""
_NOTHING = object()


def show_state(server: Server, run: str, moment: str | None, *, as_json: bool) -> None:
    """Prints the run as the log made it at a moment."""
    state = server.get(f"/runs/{run}/replay", as_of=moment)
    if as_json:
        print_json(state)
        return
    render({**state, "artifacts": [], "output": []})
    read = state["replayed"]
    told = f"folded from {read['events']:,} events between {read['first']} and {read['stop']}"
    console().print(f"[dim]{told}[/dim]", soft_wrap=True)
    say_vector(state, moment, again=command("replay", run))


def check_state(server: Server, run: str, moment: str | None, *, as_json: bool) -> bool:
    """Whether tables and log tell the same of the run as of one vector; says where they differ."""
    told = server.get(f"/runs/{run}", as_of=moment)
    vector = told["vector"]
    summaries = server.get(f"/runs/{run}/metrics", as_of=vector, ranks="true")["metrics"]
    logged = server.get(f"/runs/{run}/replay", as_of=vector)
    found = [
        *differences(_of_run(told), _of_run(logged)),
        *differences(_by_series(summaries), _by_series(logged["summaries"]), "metrics"),
    ]
    if as_json:
        shown = [{"field": path, "tables": _plain(one), "log": _plain(other)} for path, one, other in found]
        print_json(
            {"equal": not found, "differences": shown, "replayed": logged["replayed"], "vector": vector}
        )
    else:
        _say(found, logged["replayed"]["events"])
        say_vector(told, moment, again=command("replay", run, "--check"))
    return not found


def _of_run(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in _ADDED}


def _by_series(summaries: list[dict[str, Any]]) -> dict[str, Any]:
    return {f"{each['key']} rank {each['rank']}": each for each in summaries}


def differences(tables: Any, log: Any, path: str = "") -> Iterator[Difference]:
    """Where two answers differ; numbers of equal value are equal, whatever their spelling."""
    if isinstance(tables, dict) and isinstance(log, dict):
        for name in {**tables, **log}:
            inner = f"{path}.{name}" if path else str(name)
            yield from differences(tables.get(name, _NOTHING), log.get(name, _NOTHING), inner)
    elif isinstance(tables, list) and isinstance(log, list) and len(tables) == len(log):
        for index, (one, other) in enumerate(zip(tables, log, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif (
        tables is _NOTHING
        or log is _NOTHING
        or tables != log
        or isinstance(tables, bool) != isinstance(log, bool)
    ):
        yield path, tables, log


def _plain(value: Any) -> Any:
    return None if value is _NOTHING else value


def _say(found: list[Difference], events: int) -> None:
    if not found:
        console().print(
            f"[green]equal[/green]: the tables say of the run what its {events:,} events in the log make of it"
        )
        return
    made = table("field", "tables", "log")
    for path, one, other in found:
        made.add_row(
            escape(path),
            *("[dim]nothing[/dim]" if each is _NOTHING else clip(text(each), 60) for each in (one, other)),
        )
    console().print(made)
    console().print(
        f"[red]{len(found)} differences[/red]; `speech-tracker verify` looks further, a rebuild mends the tables"
    )
