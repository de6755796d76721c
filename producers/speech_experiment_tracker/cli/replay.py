"""`speech-tracker replay`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Annotated, Any, Literal

import typer
from rich.progress import Progress, TextColumn

from ..errors import TrackerError
from ..moments import beginning, moment
from .at import At, asked
from .events import Event, Teller
from .failures import NEGATIVE
from .output import console, errors, print_json_line
from .server import Server, connect

app = typer.Typer(add_completion=False)
Stream = Literal["runs", "metrics", "artifacts"]
_PAGE = 500
_POLL_SECONDS = 1.0
_AWAY_SECONDS = 60.0
_RESTARTING = 503


@app.command()
def replay(
    run: Annotated[str, typer.Argument(help="Id, beginning or end of an id, or name of a run.")],
    stream: Annotated[Stream | None, typer.Option("--stream", help="Only of this topic.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="'last tuesday', '2 hours ago', 2026-11-17, …")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="The same; a day to its end.")] = None,
    points: Annotated[bool, typer.Option("--points", help="Every point of the metrics.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as events come, until Ctrl-C.")
    ] = False,
    at: At = None,
    check: Annotated[
        bool, typer.Option("--check", help="Whether the tables say of the run what its events make of it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
) -> None:
    """A run's events out of the log, in their order: where each stands, when, who, which process, what happened.

    Only the run's own stretches of the log are read. Times are the broker's.

    With --at, the state instead of the events: the run as it was, folded anew out of the log. With --check, that
    state is compared with the answer of the tables, now or --at a moment.

    Exit codes: 0 done (--check: equal), 1 --check found differences, 3 no answer.

    Examples:

      speech-tracker replay conformer_12l

      speech-tracker replay conformer_12l --stream runs --since yesterday --follow

      speech-tracker replay conformer_12l --points --json > events.jsonl

      speech-tracker replay conformer_12l --at "last tuesday"

      speech-tracker replay conformer_12l --check
    """
    if at or check:
        if stream or since or until or points or follow:
            raise typer.BadParameter(
                "shows a state, and takes no options of events", param_hint="--at, --check"
            )
        _state(run, at, check=check, as_json=as_json)
        return
    if follow and until:
        raise typer.BadParameter("what is followed has no end", param_hint="--until")
    query = {
        "stream": stream,
        "since": beginning(since).isoformat() if since else None,
        "until": moment(until).isoformat() if until else None,
        "points": "true" if points else None,
        "limit": _PAGE,
    }
    try:
        with connect() as server, Told(as_json=as_json) as told:
            reader = Reader(server, server.run_id(run), query)
            for event in reader.read(told):
                told.tell(event)
            if follow:
                told.begin_to_follow()
                for event in reader.follow():
                    told.tell(event)
    except KeyboardInterrupt:
        return


def _state(run: str, at: str | None, *, check: bool, as_json: bool) -> None:
    from .replayed import check_state, show_state

    moment = asked(at)
    with connect() as server:
        identity = server.run_id(run, as_of=moment)
        if not check:
            show_state(server, identity, moment, as_json=as_json)
        elif not check_state(server, identity, moment, as_json=as_json):
            raise typer.Exit(NEGATIVE)


class Told:
    """Where events go: lines or JSON on standard output, and how far it is on a terminal that shows none of them."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._teller = Teller()
        self._open = ExitStack()
        self._progress: Progress | None = None
        self._count = 0

    def __enter__(self) -> Told:
        if sys.stderr.isatty() and not sys.stdout.isatty():
            columns = (TextColumn("{task.completed:.0%} of the run's log, {task.fields[count]:,} events"),)
            self._progress = Progress(*columns, console=errors(), transient=True)
            self._task = self._progress.add_task("", total=1.0, count=0)
            self._open.enter_context(self._progress)
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def begin_to_follow(self) -> None:
        """There is no end to be near to any more."""
        self._open.close()
        self._progress = None

    def note(self, share: float) -> None:
        if self._progress is not None:
            self._progress.update(self._task, completed=share, count=self._count)

    def tell(self, event: Event) -> None:
        self._count += 1
        if self._as_json:
            print_json_line(event)
            return
        for line in self._teller.tell(event):
            console().print(line, soft_wrap=True)


class Reader:
    """The events of a run, page by page, none kept."""

    def __init__(self, server: Server, run: str, query: dict[str, Any]) -> None:
        self._server = server
        self._path = f"/runs/{run}/events"
        self._query = query
        self._position = ""

    def read(self, told: Told) -> Iterator[Event]:
        """Those that are in the log."""
        cursor: str | None = None
        while True:
            page = self._page(cursor)
            yield from page["events"]
            told.note(page["share"])
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def follow(self) -> Iterator[Event]:
        """Those that come, without an end; raises TrackerError when the server stays away for a minute."""
        heard = time.monotonic()
        while True:
            try:
                page = self._page(self._position)
                heard = time.monotonic()
            except TrackerError as error:
                if error.status not in (None, _RESTARTING) or time.monotonic() - heard > _AWAY_SECONDS:
                    raise
                page = {"events": []}
            yield from page["events"]
            if not page["events"]:
                time.sleep(_POLL_SECONDS)

    def _page(self, cursor: str | None) -> dict[str, Any]:
        page: dict[str, Any] = self._server.get(self._path, **self._query, cursor=cursor)
        self._position = page["position"]
        return page
