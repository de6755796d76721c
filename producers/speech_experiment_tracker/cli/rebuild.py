"""`speech-tracker rebuild`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from ..errors import TrackerError
from .failures import NEGATIVE
from .output import age, console, print_json, print_json_line, table, text
from .server import Server, connect

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="""Build a projection anew from the log, beside the live one, and make it live. Needs an admin key.

    Ingest, queries and the page go on meanwhile. The new version is compared with the live one and goes live
    only when it holds the same; the old one is kept and followed, until it is retired, so one can flip back.""",
)
PROJECTIONS = ("metadata", "metrics", "scores", "artifacts", "control")
Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
VersionName = Annotated[
    str, typer.Argument(help="A version as `status` names it: metadata:2.", metavar="NAME:N")
]
_PATIENCE_S = 60.0
_ROOT = "/rebuilds"


def _command(projection: str) -> Callable[..., None]:
    def rebuild(
        flip: Annotated[
            bool, typer.Option("--flip/--no-flip", help="Make it live when it is found equal.")
        ] = True,
        detach: Annotated[
            bool, typer.Option("--detach", help="Return at once; see `rebuild status`.")
        ] = False,
        as_json: Annotated[
            bool, typer.Option("--json", help="A line of JSON a second, for programs.")
        ] = False,
    ) -> None:
        with connect() as server:
            job = server.post(_ROOT, {"projection": projection, "flip": flip})
            if not detach:
                job = _follow(server, job, as_json)
            elif as_json:
                print_json(job)
        if not as_json:
            _conclude(job)
        if job["over"] and job["phase"] != "done":
            raise typer.Exit(NEGATIVE)

    rebuild.__doc__ = f"""Rebuild {projection}: the next version, from the first event on.

    It is followed until it is over; Ctrl-C leaves it going on. Asked again, it goes on with the one under way.
    Exit codes: 0 done, 1 it differs from the live version, failed or was aborted, 3 no answer.
    """
    return rebuild


for _name in PROJECTIONS:
    app.command(_name)(_command(_name))


@app.command()
def status(
    projection: Annotated[str | None, typer.Argument(help="Only of metadata, metrics, …")] = None,
    as_json: Json = False,
) -> None:
    """The versions of every projection, and the jobs that made them."""
    with connect() as server:
        found = server.get(_ROOT)
    for kind in found:
        found[kind] = [each for each in found[kind] if projection in (None, each["projection"])]
    if as_json:
        print_json(found)
        return
    jobs = {(job["projection"], job["version"]): job for job in found["rebuilds"]}
    made = table("version", "state", "since", "rebuild", "compared")
    for each in found["versions"]:
        job = jobs.get((each["projection"], each["version"]))
        state = each["state"] + (" (dropped)" if each["dropped_at"] else "")
        made.add_row(
            f"{each['projection']}:{each['version']}",
            f"[bold]{state}[/bold]" if each["state"] == "live" else state,
            age(each["changed_at"]),
            "" if job is None else _told(job),
            "" if job is None else _compared(job["findings"]),
        )
    console().print(made)


@app.command()
def flip(
    version: VersionName,
    force: Annotated[
        bool, typer.Option("--force", help="Also when it was not found equal to the live one.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; kept with the flip. --force needs it.")] = "",
    as_json: Json = False,
) -> None:
    """Make a kept version live, forward or back.

    Example: speech-tracker rebuild flip metadata:1
    """
    with connect() as server:
        answer = server.post(f"{_ROOT}/{_path(version)}/flip", {"force": force, "reason": reason})
    if as_json:
        print_json(answer)
    else:
        console().print(f"{version} is live; {answer['projection']}:{answer['previous']} is kept")


@app.command()
def retire(version: VersionName, as_json: Json = False) -> None:
    """Let a version go that is not live: it is followed no more, and its tables are dropped within a minute."""
    with connect() as server:
        answer = server.post(f"{_ROOT}/{_path(version)}/retire")
    if as_json:
        print_json(answer)
    else:
        console().print(f"{version} is retired; its tables are dropped within a minute")


@app.command()
def abort(
    projection: Annotated[str, typer.Argument(help="metadata, metrics, …")], as_json: Json = False
) -> None:
    """End the rebuild under way, and let go what it had built."""
    if not projection.isalnum():
        raise typer.BadParameter(f"{projection!r} is no projection", param_hint="PROJECTION")
    with connect() as server:
        job = server.post(f"{_ROOT}/{projection}/abort")
    if as_json:
        print_json(job)
    else:
        console().print(f"the rebuild {projection}:{job['version']} is aborted")


def _follow(server: Server, job: dict[str, Any], as_json: bool) -> dict[str, Any]:
    """Shows the job until it is over, and returns it; waits for a server that is away for a moment."""
    path = f"{_ROOT}/{job['projection']}/{job['version']}"
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:5.1f} %"),
        console=console(),
    )
    shown = bar.add_task(_told(job), total=100.0)
    answered = time.monotonic()
    with bar if console().is_terminal and not as_json else _nothing(bar):
        while True:
            if as_json:
                print_json_line(job)
            bar.update(shown, description=_told(job), completed=job["progress"].get("percent", 0.0))
            if job["over"]:
                return job
            time.sleep(1.0)
            try:
                job, answered = server.get(path), time.monotonic()
            except TrackerError:
                if time.monotonic() - answered > _PATIENCE_S:
                    raise


def _nothing(bar: Progress) -> Any:
    from contextlib import nullcontext

    return nullcontext(bar)


def _told(job: dict[str, Any]) -> str:
    """The phase, and where it reads how fast."""
    progress = job["progress"]
    if job["phase"] != "reading" or not progress.get("total"):
        return escape(str(job["phase"]))
    parts = [f"reading {progress['percent']:.1f} %", f"{progress['records_per_second']:,.0f} records/s"]
    if progress["points"]:
        parts.append(f"{progress['points_per_second']:,.0f} points/s")
    if progress["eta_seconds"] is not None:
        parts.append(f"{progress['eta_seconds']:.0f} s left")
    return ", ".join(parts)


def _compared(findings: dict[str, Any] | None) -> str:
    if findings is None:
        return ""
    if findings["equal"]:
        return f"equal to {findings['live']}"
    differing = (f"{each['different']} of {name}" for name, each in findings["tables"].items())
    return f"[red]differs from {findings['live']}[/red]: {', '.join(differing)}"


def _conclude(job: dict[str, Any]) -> None:
    name = f"{job['projection']}:{job['version']}"
    findings = job["findings"]
    if not job["over"]:
        console().print(f"{name} is being built; see `speech-tracker rebuild status`")
    elif job["phase"] == "done":
        went = (
            "is live"
            if job["flip"]
            else "is kept; make it live with `speech-tracker rebuild flip " + name + "`"
        )
        console().print(f"{name} {went} ({_compared(findings) or 'compared before'})")
    elif job["phase"] == "differs":
        console().print(f"{name} {_compared(findings)}")
        made = table("table", "key", "rows in the live one", "rows in the new one")
        for name_of_table, each in findings["tables"].items():
            for example in each["examples"]:
                made.add_row(
                    name_of_table,
                    escape(example["key"]),
                    text(example["old_rows"]),
                    text(example["new_rows"]),
                )
        console().print(made)
        console().print(
            f"It is kept. If this is what you wanted: speech-tracker rebuild flip {name} --force --reason …",
            soft_wrap=True,
        )
    else:
        console().print(f"{name}: {job['phase']}: {text(job['error'])}", soft_wrap=True)


def _path(name: str) -> str:
    projection, _, version = name.partition(":")
    if not projection.isalnum() or not version.isdecimal():
        raise typer.BadParameter(f"{name!r} is no version; they look like metadata:2", param_hint="NAME:N")
    return f"{projection}/{version}"
