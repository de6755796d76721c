"""`speech-tracker report`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.markup import escape

from ..errors import TrackerError
from ..report_files import ReportFile, read
from .at import At, asked
from .output import age, clip, console, print_json, short_id, table, text
from .server import Server, connect

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="""Reports: Markdown with live or frozen panels, as the page shows them under /reports.

    An author keeps one as a file: `export` writes it, `save` sends it back. A panel is a fenced block; the page's
    Export menus make them (Add to report…). Every save is a revision; none is lost.""",
)
Report = Annotated[str, typer.Argument(help="Id, a part of it, or the title.")]
Revision = Annotated[int | None, typer.Option("--revision", min=1, help="An earlier one, as it was saved.")]
Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
_MOST = 1_000


@app.command("list")
def list_reports(at: At = None, as_json: Json = False) -> None:
    """The reports of the workspace, those first that were saved last."""
    with connect() as server:
        found = server.get("/reports", limit=_MOST, as_of=asked(at))
    if as_json:
        print_json(found)
        return
    made = table("id", "title", "revision", "panels", "saved", "by", right=[2])
    for each in found["reports"]:
        panels = "frozen" if each["as_of"] else "live"
        by = text(clip(each["saved_by_label"] or each["saved_by"] or "", 20))
        row = (short_id(each["id"]), escape(each["title"]), str(each["revision"]), panels)
        made.add_row(*row, age(each["saved_at"]), by)
    console().print(
        made if found["reports"] else "there are no reports yet: speech-tracker report save FILE.md"
    )


@app.command()
def show(report: Report, revision: Revision = None, at: At = None, as_json: Json = False) -> None:
    """A report's text; its panels as they are written. The page draws them."""
    with connect() as server:
        found = _get(server, report, revision, asked(at))
        address = f"{server.url}/reports/{found['id']}"
    if as_json:
        print_json(found)
        return
    console().print(f"[bold]{escape(found['title'])}[/bold]\n")
    sys.stdout.write(found["body"].rstrip("\n") + "\n")
    told = f"revision {found['revision']} of {found['newest']}; {address}"
    console().print(f"\n[dim]{escape(told)}[/dim]", soft_wrap=True)


@app.command()
def save(
    file: Annotated[Path, typer.Argument(help="A Markdown file; its head, if any, says which report it is.")],
    title: Annotated[
        str | None,
        typer.Option("--title", help="Of the report. Default: as its head says, or the file's name."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Save a file as a report: a new one, or the next revision of the one in its head. The head is brought up to date.

    When somebody saved a revision after the one in the head, nothing is overwritten; the error says what to do.

    Example:

      speech-tracker report save decoders.md --title "Which decoder for far-field speech"
    """
    try:
        mine = read(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise TrackerError(f"{file} cannot be read: {error}") from error
    wanted = replace(mine, title=title or mine.title or file.stem)
    with connect() as server:
        saved = _send(server, wanted)
        address = f"{server.url}/reports/{saved['id']}"
    file.write_text(ReportFile.of(saved).text(), encoding="utf-8")
    if as_json:
        print_json(saved)
        return
    console().print(escape(f"revision {saved['revision']} of {saved['title']!r}: {address}"), soft_wrap=True)


@app.command()
def export(
    report: Report,
    file: Annotated[Path | None, typer.Argument(help="Where to; left out, it is printed.")] = None,
    revision: Revision = None,
    at: At = None,
) -> None:
    """Write a report as a Markdown file, with a head by which `save` sends it back."""
    with connect() as server:
        written = ReportFile.of(_get(server, report, revision, asked(at))).text()
    if file is None:
        sys.stdout.write(written)
        return
    file.write_text(written, encoding="utf-8")
    console().print(f"wrote {escape(str(file))}")


def _send(server: Server, wanted: ReportFile) -> Any:
    content = {"title": wanted.title, "body": wanted.body, "as_of": wanted.as_of}
    if wanted.report is None:
        return server.post("/reports", content)
    path = f"/reports/{wanted.report}"
    if wanted.revision is None:
        raise TrackerError("the head of the file names a report and no revision", "export it anew, and merge")
    try:
        return server.put(path, {**content, "based_on": wanted.revision})
    except TrackerError as error:
        if error.status != 409:
            raise
        hint = (
            f"see it with `speech-tracker report export {wanted.report} newest.md`, put its changes into your file, "
            "and take over the revision of its head"
        )
        raise TrackerError(str(error), hint, status=409) from None


def _get(server: Server, report: str, revision: int | None, moment: str | None) -> Any:
    return server.get(f"/reports/{report_id(server, report, moment)}", revision=revision, as_of=moment)


def report_id(server: Server, wanted: str, moment: str | None = None) -> str:
    """The id of the report that an id, a part of it, or a title stands for."""
    try:
        return str(UUID(wanted))
    except ValueError:
        pass
    reports = server.get("/reports", limit=_MOST, as_of=moment)["reports"]
    part = wanted.lower().lstrip("…")
    matching = [each["id"] for each in reports if each["title"] == wanted] or [
        each["id"]
        for each in reports
        if len(part) >= 4 and (each["id"].startswith(part) or each["id"].endswith(part))
    ]
    if len(matching) == 1:
        return str(matching[0])
    if not matching:
        raise TrackerError(f"there is no report {wanted!r}", "see `speech-tracker report list`", status=404)
    hint = f"name one by its id: {', '.join(matching[:3])}"
    raise TrackerError(f"{wanted!r} stands for several reports", hint, status=409)
