"""`speech-tracker profiles`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from .output import MISSING, console, pairs, print_json, table, text
from .scored import need_scoring

app = typer.Typer(add_completion=False, no_args_is_help=False)
_ACTIONS = ("list", "show")


@app.command()
def profiles(
    action: Annotated[str, typer.Argument(help="list, or show.")] = "list",
    name: Annotated[str | None, typer.Argument(help="Of a profile, or a JSON file with one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON; that of `show` is a profile file.")] = False,
) -> None:
    """Scoring profiles: what counts as an error.

    A profile states how texts are brought into one spelling, what is counted, by whose alignment, and what missing
    hypotheses and empty references mean. Its identity is a hash of all that, of the tools and of the Unicode data: rates
    with different identities do not stand beside each other.

    A profile of one's own is a JSON file: start from `show NAME --json`, give it another name, and pass the file to
    --profile. A rule file (--rules) is TOML:

      name = "call-centre"

      words.colour = "color"

      words.uh = ""

      words.gonna = ["gonna", "going to"]

    Examples:

      speech-tracker profiles

      speech-tracker profiles show whisper-english

      speech-tracker profiles show basic-wer --json > mine.json
    """
    if action not in _ACTIONS or (action == "show") != (name is not None):
        raise typer.BadParameter("write `profiles`, or `profiles show NAME`", param_hint="ACTION")
    need_scoring()
    if name is None:
        _list(as_json=as_json)
    else:
        _show(name, as_json=as_json)


def _list(*, as_json: bool) -> None:
    from speech_experiment_projections.scoring.built_in import PROFILES
    from speech_experiment_projections.scoring.profiles import DEFAULT

    if as_json:
        print_json(
            [
                {"name": each.name, "identity": each.identity.hex(), "profile": each}
                for each in PROFILES.values()
            ]
        )
        return
    made = table("profile", "normaliser", "unit", "scorer", "missing", "identity")
    made.columns[0].no_wrap = True
    for each in PROFILES.values():
        languages = "".join(f", {code}: {name}" for code, name in each.normalisers.items() if code)
        shown = escape(each.name) + (" [dim]*[/dim]" if each.name == DEFAULT else "")
        made.add_row(
            shown, each.normaliser + languages, each.unit, each.scorer, each.missing, each.identity.hex()[:12]
        )
    console().print(made)
    console().print("[dim]* the one that is used where none is named[/dim]")


def _show(name: str, *, as_json: bool) -> None:
    from msgspec import to_builtins

    from speech_experiment_projections.scoring.identity import tools_of

    from ..plain.chosen import profile_of

    profile = profile_of(name)
    if as_json:
        print_json(profile)
        return
    fields: dict[str, Any] = {
        **to_builtins(profile),
        "tools": tools_of(profile),
        "identity": profile.identity.hex(),
    }
    console().print(
        pairs({field: text(value) if value not in ({}, []) else MISSING for field, value in fields.items()})
    )
