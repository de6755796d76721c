"""`speech-tracker confusions`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape

from ..errors import TrackerError
from .at import At, asked, command, say_vector
from .output import MISSING, console, print_json, table
from .scored import percent, say_notes
from .server import Server, connect

app = typer.Typer(add_completion=False)


@app.command()
def confusions(
    system: Annotated[str, typer.Argument(help="Id of an evaluation; or a run by name or id, with --on.")],
    on: Annotated[
        str | None,
        typer.Option("--on", "-t", metavar="TEST_SET", help="The run's newest evaluation on this set."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000, help="Of each kind.")] = 15,
    profile: Annotated[
        str | None, typer.Option("--profile", "-p", help="Scoring profile (basic-wer if left out).")
    ] = None,
    at: At = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """What a system takes for what: its most frequent errors, each with an utterance to look at, and rates by length.

    Examples:

      speech-tracker confusions conformer_12l --on test-other

      speech-tracker confusions 3f2a9c1b-5d0e-7c11-8f00-0123456789ab --profile basic-cer --limit 50
    """
    moment = asked(at)
    with connect() as server:
        evaluation = system if on is None else _newest(server, system, on, profile, moment)
        answer = server.get(
            f"/evaluations/{evaluation}/confusions", limit=limit, profile=profile, as_of=moment
        )
    if as_json:
        print_json(answer)
        return
    _print(answer)
    say_notes(answer["warnings"])
    options = {"--profile": profile, "--limit": limit if limit != 15 else None}
    say_vector(answer, moment, again=command("confusions", answer["evaluation"], **options))


def _newest(server: Server, run: str, test_set: str, profile: str | None, moment: str | None) -> str:
    """The id of the run's newest scored evaluation on a set; raises TrackerError where there is none."""
    query = {"run": server.run_id(run, as_of=moment), "test_set": test_set, "profile": profile}
    for each in server.get("/evaluations", **query, limit=100, as_of=moment)["evaluations"]:
        if each["score"] is not None:
            return str(each["id"])
    raise TrackerError(
        f"the run {run!r} has no scored evaluation on {test_set!r}",
        f"see `speech-tracker evaluations --run {query['run']}`",
        status=404,
    )


def _print(answer: Mapping[str, Any]) -> None:
    for kind in ("substitutions", "deletions", "insertions"):
        heads = [
            name for name in ("reference", "hypothesis") if kind == "substitutions" or name == _SIDE[kind]
        ]
        made = table(kind, *heads, "utterances", "for example", right=[0, 1 + len(heads)])
        for each in answer[kind]:
            told = [escape(each[name]) for name in heads]
            made.add_row(str(each["count"]), *told, str(each["utterances"]), escape(each["example"]))
        if answer[kind]:
            console().print(made)
            console().print()
    lengths = table("reference tokens", "%", "S", "D", "I", "tokens", "utterances", right=range(1, 7))
    for group in answer["by_length"]:
        counts = (
            group[name] for name in ("substitutions", "deletions", "insertions", "tokens", "utterances")
        )
        lengths.add_row(group["by"]["length"] or MISSING, percent(group["rate"]), *map(str, counts))
    console().print(lengths)
    told = [
        f"{answer['run']} on {answer['test_set'] or MISSING}, {answer['profile']}: {percent(answer['rate'])} %",
        f"{answer['errors']} errors on {answer['tokens']} tokens",
    ]
    if answer["missing"]:
        told.append(
            f"{answer['missing']} utterances without a hypothesis: their {answer['missing_tokens']} tokens are not listed"
        )
    console().print(f"[dim]{escape('; '.join(told))}[/dim]")


_SIDE = {"deletions": "reference", "insertions": "hypothesis"}
