"""`speech-tracker utterances` and `latency`: what was recognised one by one, how fast and how late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape

from .at import At, asked, command, say_vector
from .output import MISSING, clip, console, print_json, short_id, table
from .scored import say_notes
from .server import connect

utterances_app = typer.Typer(add_completion=False)
latency_app = typer.Typer(add_completion=False)

_Profile = Annotated[
    str | None, typer.Option("--profile", "-p", help="Scoring profile (basic-wer if left out).")
]
_Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
_PARTS = {
    "decode": "decoding",
    "first_partial": "first partial",
    "final": "final",
    "emission": "emission",
}
_LOGGED = {
    "decode_seconds": "decoding",
    **{name: title for name, title in _PARTS.items() if name != "decode"},
}
_NAMES = 30


@utterances_app.command()
def utterances(
    evaluation: Annotated[str, typer.Argument(help="Id of an evaluation.")],
    search: Annotated[
        str | None, typer.Option("--search", "-s", help="In id, reference or hypothesis.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", "-w", metavar="FACTOR=VALUE", help="Only a group; may be repeated."),
    ] = None,
    order: Annotated[str, typer.Option("--order", help="errors, rate or list.")] = "errors",
    decoded: Annotated[
        bool,
        typer.Option(
            "--decoded", "-d", help="With n-best, confidences and times of tokens, latencies, attention."
        ),
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000)] = 20,
    skip: Annotated[int, typer.Option("--skip", min=0)] = 0,
    profile: _Profile = None,
    at: At = None,
    as_json: _Json = False,
) -> None:
    """The utterances of an evaluation, those with most errors first.

    Example: what the decoder was unsure of in noise

      speech-tracker utterances EVALUATION --where condition.noise=babble --decoded
    """
    moment = asked(at)
    query = {
        "search": search,
        "where": where,
        "order": order,
        "limit": limit,
        "skip": skip,
        "profile": profile,
    }
    with connect() as server:
        answer = server.get(
            f"/evaluations/{evaluation}/utterances", **query, decoded=str(decoded).lower(), as_of=moment
        )
    if as_json:
        print_json(answer)
        return
    for each in answer["utterances"]:
        told = f"{each['errors']} of {each['tokens']} wrong"
        speaker = f" {each['speaker']}" if each["speaker"] else ""
        console().print(f"[bold]{escape(each['utterance'])}[/bold]{escape(speaker)}, {told}", soft_wrap=True)
        for name, text in (("ref", each["reference"]), ("hyp", each["hypothesis"])):
            console().print(f"  {name}  {MISSING if text is None else escape(text)}", soft_wrap=True)
        for line in _decoded(each["decoded"]) if each.get("decoded") else ():
            console().print(f"       {escape(line)}", soft_wrap=True, highlight=False)
    shown = f"{skip + 1 if answer['utterances'] else 0}–{skip + len(answer['utterances'])}"
    console().print(f"[dim]{escape(answer['profile'])}: {shown} of {answer['total']} utterances[/dim]")
    options = {
        "--search": search,
        "--where": where or [],
        "--order": order if order != "errors" else None,
        "--decoded": decoded,
        "--profile": profile,
    }
    say_vector(answer, moment, again=command("utterances", evaluation, **options))


def _decoded(found: Mapping[str, Any]) -> Iterator[str]:
    for place, each in enumerate(found["nbest"], 2):
        score = "" if each["score"] is None else f"  {each['score']:g}"
        yield f"{place}. best: {each['text']}{score}"
    if found["confidences"]:
        yield "confidences: " + " ".join(
            MISSING if each is None else f"{each:.2f}" for each in found["confidences"]
        )
    if found["token_times"]:
        yield "tokens at: " + " ".join(f"{_time(start)}–{_time(end)}" for start, end in found["token_times"])
    seconds = [
        f"{title} {found[name]:.3g} s" for name, title in _LOGGED.items() if found.get(name) is not None
    ]
    if seconds:
        yield ", ".join(seconds)
    if found["attention"]:
        yield f"attention: {found['attention']}" + (
            "" if found["attention_artifact"] else " (no such artifact)"
        )


def _time(seconds: float | None) -> str:
    return MISSING if seconds is None else f"{seconds:.2f}"


@latency_app.command()
def latency(
    evaluation: Annotated[list[str], typer.Argument(help="Ids of evaluations.")],
    profile: _Profile = None,
    at: At = None,
    as_json: _Json = False,
) -> None:
    """How fast evaluations were decoded, on what, and how late a streaming system is, part by part.

    RTF is decoding time per audio time over all utterances of which both are known, RTFx its inverse. First partial counts
    from the start of speech, final from its end; emission is the mean delay of a token behind its end in the audio.
    """
    moment = asked(at)
    with connect() as server:
        answer = server.get("/latency", evaluation=evaluation, profile=profile, as_of=moment)
    if as_json:
        print_json(answer)
        return
    speeds = table("run", "evaluation", "RTF", "RTFx", "timed", "covered", "taken on", right=[2, 3, 4, 5])
    spreads = table("run", "seconds", "p50", "p90", "p95", "p99", "max", "utterances", right=range(2, 8))
    for each in answer["systems"]:
        taken = ", ".join(f"{name}={value}" for name, value in each["timing"].items())
        run = escape(clip(each["run"], _NAMES))
        speeds.add_row(
            run,
            short_id(each["evaluation"]),
            *(MISSING if each[name] is None else f"{each[name]:.3g}" for name in ("rtf", "rtfx")),
            str(each["timed"]),
            f"{each['covered']}/{each['utterances']}",
            escape(taken) or "not stated",
        )
        for name, title in _PARTS.items():
            if spread := each[name]:
                numbers = (f"{spread[quantile]:.3g}" for quantile in ("p50", "p90", "p95", "p99", "max"))
                spreads.add_row(run, title, *numbers, str(spread["utterances"]))
    console().print(speeds)
    console().print(spreads)
    if answer["differs"]:
        say_notes([f"speeds were not measured alike: {', '.join(answer['differs'])} differ"])
    say_vector(answer, moment, again=command("latency", *evaluation, **{"--profile": profile}))
