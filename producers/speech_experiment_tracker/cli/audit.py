"""`speech-tracker audit`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from ..moments import beginning, moment
from .output import MISSING, clip, console, local_time, print_json, short_id, table
from .server import Server, connect

app = typer.Typer(add_completion=False)
_PAGE = 1_000
_DONE = {
    "subject.deleted": "[red]deleted[/red]",
    "subject.restored": "[green]restored[/green]",
    "key.created": "made",
    "key.revoked": "[yellow]revoked[/yellow]",
    "share.created": "made",
    "share.revoked": "[yellow]revoked[/yellow]",
    "workspace.created": "made",
    "member.added": "added",
    "member.removed": "removed",
}


@app.command()
def audit(
    kind: Annotated[
        str | None,
        typer.Option("--kind", help="Of the subject: run, experiment, artifact, key, share, workspace."),
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option("--event", help="Only these: subject.deleted, key.created; may be repeated."),
    ] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Only about what has this id.")] = None,
    actor: Annotated[str | None, typer.Option("--actor", help="Only what this key did, by its id.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="'last tuesday', 2026-11-17, …; a day from its beginning.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="The same; a day to its end.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Who deleted, restored, made or revoked what, when and why; the newest first. It needs an admin's key.

    The last column is where the log has it, as topic:partition:offset.

    Examples:

      speech-tracker audit --since "3 days ago"

      speech-tracker audit --event subject.deleted --kind run --json
    """
    query = {
        "kind": kind,
        "type": event,
        "subject": subject,
        "actor": actor,
        "since": beginning(since).isoformat() if since else None,
        "until": moment(until).isoformat() if until else None,
    }
    with connect() as server:
        answer = _read(server, query, limit)
    if as_json:
        print_json(answer)
        return
    if not answer["acts"]:
        console().print("nothing was done" + (" of that kind" if any(query.values()) else " yet"))
        return
    _show(answer["acts"])
    if answer["next_cursor"]:
        console().print(f"[dim]the latest {len(answer['acts'])}; --limit shows more[/dim]")


def _read(server: Server, query: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """One answer of as many pages as the limit asks for."""
    answer: dict[str, Any] = server.get("/audit", **query, limit=min(limit, _PAGE))
    while answer["next_cursor"] and len(answer["acts"]) < limit:
        size = min(limit - len(answer["acts"]), _PAGE)
        page = server.get("/audit", **query, limit=size, cursor=answer["next_cursor"])
        answer["acts"] += page["acts"]
        answer["next_cursor"] = page["next_cursor"]
    return answer


def _show(acts: Sequence[Mapping[str, Any]]) -> None:
    made = table("time", "who", "did", "what", "why", "position")
    for act in acts:
        made.add_row(
            local_time(act["time"]),
            who(act),
            _DONE.get(act["type"], escape(act["type"])),
            what(act),
            escape(act["reason"]) or MISSING,
            f"[dim]{act['position']}[/dim]",
        )
    console().print(made)


def who(act: Mapping[str, Any]) -> str:
    """An actor as its key's label, or the end of the key's id."""
    name = str(act["actor"] or "")
    if act["actor_label"]:
        return escape(clip(act["actor_label"], 24))
    return f"key …{short_id(name)}" if name.startswith("key:") else escape(name) or MISSING


def what(act: Mapping[str, Any]) -> str:
    """A subject: its kind, its name, the end of its id, and the role of a key or member."""
    role = act["details"].get("role")
    name = f" [bold]{escape(clip(act['name'], 40))}[/bold]" if act["name"] else ""
    return f"{f'{role} ' if role else ''}{act['kind']}{name} [dim]{short_id(act['id'])}[/dim]"
