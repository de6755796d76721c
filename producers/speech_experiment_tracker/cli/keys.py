"""`speech-tracker key`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from ..errors import TrackerError
from .output import age, clip, console, print_json, short_id, status, table, text
from .server import Server, connect

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="""API keys: create, list, revoke. They need an admin key.

    viewer reads, editor also logs, admin also manages keys, deletions and dead letters.""",
)
Role = Literal["viewer", "editor", "admin"]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Data folder of a server on this machine: its admin key is used."),
]
Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
_ID_LENGTH = 36


@app.command()
def create(
    role: Annotated[Role, typer.Option("--role", help="What the key may do.")] = "editor",
    label: Annotated[str, typer.Option("--label", help="Whose it is, or what for.")] = "",
    workspace: Annotated[
        str | None, typer.Option("--workspace", help="Another workspace than the admin's own.")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown this once.

    Examples:

      speech-tracker key create --role editor --label "training cluster"

      export SPEECH_TRACKER_API_KEY=$(speech-tracker key create --role viewer --json | jq -r .key)
    """
    wanted = {"role": role, "label": label} | ({"workspace": workspace} if workspace else {})
    created = _asking(data_dir, lambda server: server.post("/keys", wanted))
    if as_json:
        print_json(created)
        return
    console().print(f"[bold]{escape(created['key'])}[/bold]", soft_wrap=True)
    told = f"{created['role']} key {created['id']} of the workspace {created['workspace']}; it is not shown again"
    console().print(f"[dim]{escape(told)}[/dim]", soft_wrap=True)


@app.command("list")
def list_keys(data_dir: DataDir = None, as_json: Json = False) -> None:
    """The workspace's keys, revoked ones too, without their secrets."""
    found = _asking(data_dir, lambda server: server.get("/keys"))
    if as_json:
        print_json(found)
        return
    made = table("id", "key", "role", "label", "created", "by", "state")
    for key in found["keys"]:
        revoked = f"[red]revoked[/red] {age(key['revoked_at'])}" if key["revoked_at"] else status("ready")
        made.add_row(
            short_id(key["id"]),
            f"…{escape(key['hint'])}",
            key["role"],
            text(key["label"]),
            age(key["created_at"]),
            text(clip(key["created_by"] or "", 16)),
            revoked,
        )
    console().print(made)


@app.command()
def revoke(
    key: Annotated[
        str, typer.Argument(help="Id of the key as `list` shows it, or the last four characters of the key.")
    ],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Revoke a key. When this returns, no process of the server honours it any more."""
    identity = _asking(data_dir, lambda server: _find(server, key))
    _asking(data_dir, lambda server: server.delete(f"/keys/{identity}"))
    if as_json:
        print_json({"revoked": identity})
    else:
        console().print(f"revoked {identity}")


def _find(server: Server, text: str) -> str:
    """The id of a key, from its id, the end of its id, or the last characters of the key."""
    if len(text) == _ID_LENGTH:
        return text
    valid = [key for key in server.get("/keys")["keys"] if not key["revoked_at"]]
    found = [
        key["id"] for key in valid if text == key["hint"] or (len(text) > 4 and key["id"].endswith(text))
    ]
    if len(found) != 1:
        hint = "name one by its whole id; `speech-tracker key list --json` has them"
        raise TrackerError(f"{len(found)} keys end in {text}", hint)
    return str(found[0])


def _asking(data_dir: Path | None, ask: Callable[[Server], Any]) -> Any:
    with connect(data_dir) as server:
        return ask(server)
