"""`speech-tracker show`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.markup import escape
from rich.text import Text

from .at import At, asked, command, say_vector, vector_of
from .measured import measurements_table
from .output import (
    MISSING,
    age,
    console,
    duration,
    flatten,
    local_time,
    number,
    pairs,
    print_json,
    shorten,
    size,
    status,
    table,
    text,
)
from .server import Server, connect

app = typer.Typer(add_completion=False)
_MOST_ROWS = 40
_MEASUREMENTS = 1_000


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="Id, beginning or end of an id, or name of a run.")],
    lines: Annotated[int, typer.Option("--lines", min=0, help="Last lines of output to show.")] = 5,
    at: At = None,
    full: Annotated[bool, typer.Option("--full", help="Everything, however long.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """One run: config, metrics, test sets, artifacts, output.

    Examples:

      speech-tracker show conformer_12l

      speech-tracker show 3f2a9c1b --lines 50

      speech-tracker show conformer_12l --json | jq .config

      speech-tracker show conformer_12l --at "last tuesday"
    """
    moment = asked(at)
    with connect() as server:
        details = read(server, server.run_id(run, as_of=moment), moment, lines)
    if as_json:
        print_json(details)
        return
    render(details, full=full)
    say_vector(details, moment, again=command("show", details["id"]))


def render(details: Mapping[str, Any], *, full: bool = False) -> None:
    """Prints a run with its summaries, artifacts and output."""
    most = 1_000_000 if full else _MOST_ROWS
    for part in (_head(details), *_parts(details, most)):
        console().print(part)
        console().print()


def read(server: Server, identity: str, moment: str | None, lines: int) -> dict[str, Any]:
    """A run with its summaries, artifacts and last lines of output; all as of one vector when a moment is given."""
    details: dict[str, Any] = server.get(f"/runs/{identity}", as_of=moment)
    then = vector_of(details, moment)
    details["summaries"] = server.get(f"/runs/{identity}/metrics", as_of=then)["metrics"]
    details["measurements"] = server.get("/measurements", run=identity, limit=_MEASUREMENTS, as_of=then)[
        "measurements"
    ]
    details["artifacts"] = server.get(f"/runs/{identity}/artifacts", as_of=then)["artifacts"]
    details["output"] = (
        server.get(f"/runs/{identity}/logs", limit=lines, as_of=then)["lines"] if lines else []
    )
    return details


def _head(run: Mapping[str, Any]) -> RenderableType:
    rows = {
        "run": f"[bold]{escape(run['name'])}[/bold]  [dim]{run['id']}[/dim]",
        "experiment": text(run["experiment"])
        + (f"  [dim]{escape(run['task'])}[/dim]" if run["task"] else ""),
        "status": status(run["status"]),
        "started": f"{local_time(run['started_at'])}  [dim]{age(run['started_at'])}[/dim]",
        "took": duration(run["duration"]),
        "user": text(run["user"]),
        "git commit": text(run["git_commit"]),
        "tags": escape("  ".join(f"{key}={value}" for key, value in run["tags"].items())),
        "attempts": str(run["attempts"]) if run["attempts"] > 1 else "",
        "concurrent": _concurrent(run["concurrent"]),
        "notes": escape(run["notes"] or ""),
        "deleted": f"[red]since {local_time(run['deleted_at'])}[/red]" if run.get("deleted_at") else "",
        "error": f"[red]{escape(run['error'])}[/red]" if run["error"] else "",
        "problems": _problems(run["problems"]),
    }
    return pairs({name: value for name, value in rows.items() if value and value != MISSING})


def _concurrent(processes: Sequence[Mapping[str, Any]]) -> str:
    """Processes that went on after another one had taken over."""
    told = ", ".join(
        f"process {each['pid']} on {each['host']} (attempt {each['attempt']}, rank {each['rank']})"
        for each in processes
    )
    return f"[yellow]{escape(told)} went on after another one had taken over[/yellow]" if told else ""


def _problems(problems: Mapping[str, Any]) -> str:
    """What the client swallowed to spare the training loop."""
    told = ", ".join(f"{count} × {kind}" for kind, count in problems.items())
    return f"[yellow]{escape(told)}[/yellow]" if told else ""


def _parts(run: Mapping[str, Any], most: int) -> list[RenderableType]:
    found = [
        _config(run["config"], most),
        _results(run["results"], most),
        _measurements(run.get("measurements", ()), most),
        _metrics(run["summaries"], most),
        _artifacts(run["artifacts"], most),
        _lines(run["output"]),
    ]
    return [part for part in found if part is not None]


def _config(config: Mapping[str, Any], most: int) -> RenderableType | None:
    values = flatten(config)
    if not values:
        return None
    made = table("config", "value")
    for key in list(values)[:most]:
        made.add_row(escape(key), text(values[key]))
    return _cut(made, len(values), most)


def _results(results: Sequence[Mapping[str, Any]], most: int) -> RenderableType | None:
    if not results:
        return None
    columns = ["test set", "metric", "value"]
    extra = [name for name in ("speaker", "decoding") if any(result[name] for result in results)]
    made = table(*columns, *extra, right=[2])
    for result in results[:most]:
        cells = [text(result["test_set"] or "(all)"), escape(result["metric"]), number(result["value"])]
        made.add_row(*cells, *(text(result[name]) for name in extra))
    return _cut(made, len(results), most)


def _measurements(rows: Sequence[Mapping[str, Any]], most: int) -> RenderableType | None:
    return _cut(measurements_table(rows[:most], runs=False), len(rows), most) if rows else None


def _metrics(summaries: Sequence[Mapping[str, Any]], most: int) -> RenderableType | None:
    if not summaries:
        return None
    made = table("metric", "last", "min", "max", "points", "at step", right=range(1, 6))
    for each in summaries[:most]:
        values = [number(each[name]) for name in ("last", "min", "max")]
        made.add_row(escape(each["key"]), *values, f"{each['count']:,}", text(each["last_step"]))
    return _cut(made, len(summaries), most)


def _artifacts(artifacts: Sequence[Mapping[str, Any]], most: int) -> RenderableType | None:
    if not artifacts:
        return None
    made = table("artifact", "type", "size", "step", "SHA-256", right=[2, 3])
    for each in artifacts[:most]:
        digest = str(each.get("content_hash") or each.get("sha256") or "")
        made.add_row(
            escape(each["path"]),
            text(each.get("type")),
            size(each.get("size_bytes", each.get("size"))),
            text(each.get("step")),
            digest.removeprefix("sha256:")[:12] or MISSING,
        )
    return _cut(made, len(artifacts), most)


def _lines(lines: Sequence[Mapping[str, Any]]) -> RenderableType | None:
    if not lines:
        return None
    shown = Text("output\n", style="bold")
    for line in lines:
        style = "red" if line["channel"] == "stderr" else "dim"
        shown.append(f"{line['text']}\n", style=style)
    shown.rstrip()
    return shown


def _cut(made: Any, count: int, most: int) -> RenderableType:
    if count > most:
        made.caption = shorten([""] * count, most)[-1] + "; --full shows them"
        made.caption_justify = "left"
    return made  # type: ignore[no-any-return]
