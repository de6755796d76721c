"""`speech-tracker tail`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Annotated, Any

import typer
from rich.markup import escape

from ..errors import TrackerError
from .failures import NEGATIVE
from .output import console, errors, number, print_json_line, size, status
from .server import Event, Server, connect

app = typer.Typer(add_completion=False)
_ENDED = ("finished", "failed", "cancelled", "lost")
_RECONNECT_SECONDS = 1.0
_RECONNECTS = 30
_LINGER_SECONDS = 1.0


@app.command()
def tail(
    run: Annotated[str, typer.Argument(help="Id, end of an id, or name of a run.")],
    key: Annotated[
        list[str] | None, typer.Option("--key", "-k", help="Only this metric; may be repeated.")
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Lines of output to begin with.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
) -> None:
    """Follow a run live: metrics, output, artifacts, status. Ends with the run, or with Ctrl-C.

    Exit codes: 0 the run finished (or you left), 1 it failed, 3 no answer.

    Examples:

      speech-tracker tail conformer_12l

      speech-tracker tail conformer_12l --key train_loss --key val_wer --json
    """
    follower = Follower(run, key or [], as_json=as_json)
    try:
        outcome = follower.follow(lines)
    except KeyboardInterrupt:
        return
    if outcome != "finished":
        raise typer.Exit(NEGATIVE)


class Follower:
    """Prints what happens in a run, across broken connections."""

    def __init__(self, run: str, keys: list[str], *, as_json: bool) -> None:
        self._run = run
        self._keys = keys
        self._as_json = as_json
        self._place = ""

    def follow(self, lines: int) -> str:
        """The status in which the run ended. Raises TrackerError when the server stays away."""
        with connect() as server:
            identity = server.run_id(self._run)
        failures = 0
        while True:
            try:
                outcome = self._session(identity, lines if not self._place else 0)
                failures = 0
            except TrackerError as error:
                failures += 1
                if error.status is not None or not self._place or failures > _RECONNECTS:
                    raise
                errors().print("[yellow]connection lost; trying again[/yellow]")
                outcome = ""
            if outcome:
                return outcome
            time.sleep(_RECONNECT_SECONDS)

    def _session(self, identity: str, lines: int) -> str:
        with connect() as server:
            events = server.events("/live", self._place, run=[identity], key=self._keys)
            for event in events:
                self._place = event.id or self._place
                outcome = self._begin(identity, lines) if event.name == "hello" else self._tell(event)
                if outcome and event.name == "status":
                    self._rest(server, events)
                if outcome:
                    return outcome
        return ""

    def _rest(self, server: Server, events: Iterator[Event]) -> None:
        """The last points may come after the end: they take another way through the log."""
        deadline = time.monotonic() + _LINGER_SECONDS
        with suppress(TrackerError, StopIteration):
            while time.monotonic() < deadline:
                server.hurry(max(deadline - time.monotonic(), 0.01))
                self._tell(next(events))

    def _begin(self, identity: str, lines: int) -> str:
        """What was before the first live event; the status if the run has ended already."""
        with connect() as server:
            details = server.get(f"/runs/{identity}", fields="name,status,metrics")
            output = server.get(f"/runs/{identity}/logs", limit=lines)["lines"] if lines else []
        for line in output:
            self._print("log", {"channel": line["channel"], "lines": [line["text"]]})
        if details["status"] in _ENDED:
            self._print("status", {"status": details["status"], "error": details.get("error")})
            return str(details["status"])
        return ""

    def _tell(self, event: Event) -> str:
        self._print(event.name, event.data)
        if event.name == "error":
            raise TrackerError(str(event.data.get("detail", "the stream broke off")))
        ended = event.name == "status" and event.data["status"] in _ENDED
        return str(event.data["status"]) if ended else ""

    def _print(self, name: str, data: Mapping[str, Any]) -> None:
        if self._as_json:
            print_json_line({"event": name, **data})
        else:
            for line in describe(name, data):
                console().print(line, soft_wrap=True)


def describe(name: str, data: Mapping[str, Any]) -> list[str]:
    """Lines for people, with markup."""
    match name:
        case "points":
            return _points(data["curves"])
        case "log":
            style = "red" if data["channel"] == "stderr" else "dim"
            return [f"[{style}]{escape(line)}[/{style}]" for line in data["lines"]]
        case "status":
            error = f"  [red]{escape(data['error'])}[/red]" if data.get("error") else ""
            return [f"[bold]status[/bold] {status(data['status'])}{error}"]
        case "artifact":
            return [f"[bold]artifact[/bold] {escape(data['path'])}  [dim]{size(data.get('size'))}[/dim]"]
        case "lost":
            return ["[yellow]a process of the run was lost[/yellow]"]
        case "lagged":
            return [f"[yellow]{data['dropped']} records passed too fast to be shown[/yellow]"]
    return []


def _points(curves: Mapping[str, Mapping[str, list[Any]]]) -> list[str]:
    """The newest point of each key, those of one step on one line."""
    by_step: dict[Any, list[str]] = {}
    for key, columns in curves.items():
        place = by_step.setdefault(columns["step"][-1], [])
        place.append(f"{escape(key)} [bold]{number(columns['value'][-1])}[/bold]")
    return [
        (f"[dim]step {step:>7}[/dim]  " if step is not None else "[dim]      result[/dim]  ")
        + "  ".join(values)
        for step, values in by_step.items()
    ]
