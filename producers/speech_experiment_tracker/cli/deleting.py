"""What `delete` and `restore` share: finding the subject, asking, saying what was done."""

from __future__ import annotations

import sys
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

import typer
from rich.markup import escape

from ..errors import TrackerError
from .output import console
from .report import report_id
from .server import Server

Kind = Literal["run", "experiment", "artifact", "report"]
KindArgument = Annotated[
    Kind, typer.Argument(help="run, experiment, artifact or report.", show_choices=False)
]
Id = Annotated[
    str,
    typer.Argument(
        help="Id; of a run also a part of it or its name, of an experiment its name, of a report its title."
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the audit.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]


class Subject(NamedTuple):
    kind: Kind
    id: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.id})" if self.name else f"{self.kind} {self.id}"

    @property
    def path(self) -> str:
        return f"/{self.kind}s/{self.id}"


def find(server: Server, kind: Kind, text: str, *, deleted: bool = False) -> Subject:
    """The subject that a text stands for; `deleted` ones are found by name by admins alone."""
    match kind:
        case "run":
            identity = server.run_id(text, deleted=deleted)
            return Subject(kind, identity, _name(server, f"/runs/{identity}", deleted=deleted))
        case "experiment":
            return _experiment(server, text, deleted=deleted)
        case "report":
            identity = report_id(server, text)
            return Subject(kind, identity, _name(server, f"/reports/{identity}", deleted=deleted))
    try:
        return Subject(kind, str(UUID(text)), "")
    except ValueError:
        hint = "`speech-tracker show RUN --json` has the ids of its artifacts"
        raise TrackerError(f"{text!r} is no id of an artifact", hint) from None


def _experiment(server: Server, text: str, *, deleted: bool) -> Subject:
    try:
        identity = str(UUID(text))
        return Subject("experiment", identity, _name(server, f"/experiments/{identity}", deleted=deleted))
    except ValueError:
        pass
    page = server.get("/experiments", name=text, deleted=_flag(deleted), limit=500)
    named = [each for each in page["experiments"] if text in (each["name"], each["birth_name"])]
    if len(named) != 1:
        told = "there is no experiment" if not named else "several experiments are called"
        raise TrackerError(f"{told} {text!r}", "name one by its id", status=409 if named else 404)
    return Subject("experiment", named[0]["id"], named[0]["name"])


def _name(server: Server, path: str, *, deleted: bool) -> str:
    """The name; empty when it may not be seen, which decides nothing here."""
    try:
        found = server.get(path, deleted=_flag(deleted))
        return str(found["title" if path.startswith("/reports/") else "name"])
    except TrackerError as error:
        if error.status not in (403, 404):
            raise
        return ""


def _flag(value: bool) -> str | None:
    return "true" if value else None


def agreed(question: str, *, yes: bool) -> bool:
    """The answer of whoever sits at the terminal; a script has said what it wants."""
    if yes or not sys.stdin.isatty():
        return True
    return typer.confirm(question)


def say_done(done: str, subject: Subject, undo: str) -> None:
    console().print(f"{done} {escape(str(subject))}", soft_wrap=True)
    console().print(f"[dim]{escape(undo)}[/dim]", soft_wrap=True)
