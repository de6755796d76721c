"""`speech-tracker scores`, `evaluations`, `breakdown`, `flips` and `align`: questions about scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from .at import At, asked, command, say_vector
from .leaderboard import columns_that_fit
from .output import MISSING, clip, console, local_time, print_json, short_id, table
from .scored import say_notes
from .server import connect

scores_app = typer.Typer(add_completion=False)
evaluations_app = typer.Typer(add_completion=False)
breakdown_app = typer.Typer(add_completion=False)
flips_app = typer.Typer(add_completion=False)
align_app = typer.Typer(add_completion=False)

_Profile = Annotated[
    str | None, typer.Option("--profile", "-p", help="Scoring profile (basic-wer if left out).")
]
_Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
_MARKS = {"hit": "", "substitution": "S", "deletion": "D", "insertion": "I"}
_NAMES = 40


@scores_app.command()
def scores(
    test_set: Annotated[list[str] | None, typer.Option("--test-set", "-t", help="May be repeated.")] = None,
    profile: _Profile = None,
    filter: Annotated[  # noqa: A002 - the name that help shows
        str | None, typer.Option("--filter", "-f", help="Only these runs, in the filter language.")
    ] = None,
    intervals: Annotated[
        bool, typer.Option("--intervals", "-i", help="How sure each number is, and ties with the best.")
    ] = False,
    alpha: Annotated[float, typer.Option(min=1e-6, max=0.5, help="Level of the tests for ties.")] = 0.05,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000)] = 20,
    at: At = None,
    as_json: _Json = False,
) -> None:
    """Systems × test sets, scored by the server under one profile; per cent.

    A number on other references than its column's, or on a part of the utterances, is marked: ≠ and ◔. † marks
    runs that were decoded on a set in several ways, no two of them compared on another set.
    With --intervals ± is half of the 95 % bootstrap interval, and = marks what is not shown to differ from the best of
    its column (paired bootstrap, Holm); ¹ marks claims from a single seed.
    """
    moment = asked(at)
    sure = {"intervals": "true", "alpha": alpha} if intervals else {}
    with connect() as server:
        board = server.get(
            "/scores", test_set=test_set, profile=profile, filter=filter, limit=limit, as_of=moment, **sure
        )
    if as_json:
        print_json(board)
        return
    _board(board)
    say_notes(board.get("warnings", []))
    options = {
        "--test-set": test_set or [],
        "--profile": profile,
        "--filter": filter,
        "--intervals": intervals,
        "--alpha": alpha if alpha != 0.05 else None,
    }
    say_vector(board, moment, again=command("scores", **options))


def _board(board: Mapping[str, Any]) -> None:
    names = columns_that_fit([each["test_set"] for each in board["test_sets"]], console().width)
    languages = {each["language"] for each in board["test_sets"] if each["language"]}
    means = ["mean", "languages"] if len(languages) > 1 else ["mean"]
    heads = ["", "id", "run", "decoding", *map(escape, names), *means]
    made = table(*heads, right=[0, *range(4, len(heads))])
    for place, row in enumerate(board["systems"], 1):
        cells = [_cell(row["cells"].get(name)) for name in names]
        single = "¹" if row.get("seeds") == 1 else ""
        named = (str(place), short_id(row["run_id"]), escape(clip(row["run"], _NAMES)) + single)
        averages = [per_cent(row["macro_over_sets"]), per_cent(row["macro_over_languages"])][: len(means)]
        made.add_row(*named, escape(row["decoding"]) or MISSING, *cells, *averages)
    console().print(made)
    marks = "≠ other references, ◔ not all utterances, ✗ no score by this profile, † decoding perhaps chosen on this set"
    said = "mean: macro average over sets"
    if len(means) > 1:
        said += f"; languages: mean over the {len(languages)} languages of the mean over their sets"
    console().print(f"[dim]{escape(board['profile'])}, %; {marks}; {said}[/dim]")
    if board.get("alpha"):
        told = f"± half of the {100 * board['level']:g} % interval by {board['draws']:,} draws"
        ties = f"= not shown to differ from the best of the column, α = {board['alpha']:g}"
        seeds = "¹ single seed of its configuration (see replicates)"
        console().print(f"[dim]{told}; {ties}; {seeds}[/dim]")


def _cell(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return MISSING
    marks = {"references": "≠", "coverage": "◔", "refused": "✗"}
    rate = per_cent(cell["rate"]) + "".join(marks[each] for each in cell["differs"])
    rate += "†" if cell["tuned_here"] else ""
    sure = cell.get("certainty")
    if not sure or sure["low"] is None:
        return rate
    return f"{rate} ±{per_cent((sure['high'] - sure['low']) / 2)}{' =' if sure['tied'] else ''}"


def per_cent(rate: float | None) -> str:
    """A fraction as people write it: 4.37."""
    return MISSING if rate is None else f"{100 * rate:.2f}"


@evaluations_app.command()
def evaluations(
    run: Annotated[str | None, typer.Option("--run", "-r", help="Only those of a run, by its id.")] = None,
    test_set: Annotated[str | None, typer.Option("--test-set", "-t", help="Only those on a set.")] = None,
    profile: _Profile = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000)] = 20,
    at: At = None,
    as_json: _Json = False,
) -> None:
    """Evaluations with their error counts and coverage, the newest first."""
    moment = asked(at)
    with connect() as server:
        answer = server.get(
            "/evaluations", run=run, test_set=test_set, profile=profile, limit=limit, as_of=moment
        )
    if as_json:
        print_json(answer)
        return
    heads = ("id", "run", "test set", "decoding", "state", "%", "errors", "tokens", "covered", "finished")
    made = table(*heads, right=[5, 6, 7, 8])
    for row in answer["evaluations"]:
        score = row["score"] or {}
        counts = [
            str(score[name]) if score.get(name) is not None else MISSING for name in ("errors", "tokens")
        ]
        covered = f"{score['covered']}/{score['utterances']}" if score.get("utterances") else MISSING
        decoding = ",".join(f"{name}={value}" for name, value in row["decoding"].items())
        made.add_row(
            row["id"],
            escape(clip(row["run"], _NAMES)),
            escape(row["test_set"] or "") + ("" if row["registered"] else " (own)"),
            escape(decoding) or MISSING,
            row["state"],
            per_cent(score.get("rate")) + ("≠" if score.get("logged_differs") else ""),
            *counts,
            covered,
            local_time(row["finished_at"]),
        )
    console().print(made)
    _say_logged(answer["evaluations"])
    say_vector(answer, moment, again=command("evaluations", **{"--run": run, "--test-set": test_set}))


def _say_logged(rows: Sequence[Mapping[str, Any]]) -> None:
    """Numbers that the runs themselves logged, where these are others than the scored ones."""
    for row in rows:
        score = row["score"] or {}
        if score.get("logged_differs"):
            said = [
                f"{per_cent(score[name])} % {what}"
                for name, what in (("logged", "of all"), ("logged_mean", "as the mean of its utterances"))
                if score[name] is not None
            ]
            text = f"≠ {row['run']} itself logged {' and '.join(said)} on {row['test_set']}: another number than is scored"
            console().print(f"[yellow]{escape(text)}[/yellow]", soft_wrap=True)


@breakdown_app.command()
def breakdown(
    evaluation: Annotated[
        list[str], typer.Argument(help="Ids of evaluations; pooled where there are several.")
    ],
    by: Annotated[
        list[str],
        typer.Option(
            "--by", "-b", help="speaker, language, condition.NAME, length, test_set, domain, corpus, run."
        ),
    ],
    order: Annotated[str, typer.Option("--order", help="worst, words or name.")] = "name",
    intervals: Annotated[bool, typer.Option("--intervals", help="How sure each rate is.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000)] = 50,
    profile: _Profile = None,
    at: At = None,
    as_json: _Json = False,
) -> None:
    """Error rates by speaker, condition, language or what else utterances have in common.

    Example: the worst speakers, with how sure that is:

      speech-tracker breakdown EVALUATION --by speaker --order worst --intervals
    """
    query = {"evaluation": evaluation, "by": by, "order": order, "limit": limit, "profile": profile}
    with connect() as server:
        answer = server.get("/breakdown", **query, intervals=str(intervals).lower(), as_of=asked(at))
    if as_json:
        print_json(answer)
        return
    heads = [*by, "%", *(["95 %"] if intervals else []), "S", "D", "I", "tokens", "covered"]
    made = table(*map(escape, heads), right=range(len(by), len(heads)))
    for group in answer["groups"]:
        sure = group["interval"]
        between = f"{per_cent(sure['low'])}–{per_cent(sure['high'])}" if sure else MISSING
        counts = [str(group[name]) for name in ("substitutions", "deletions", "insertions", "tokens")]
        made.add_row(
            *(escape(group["by"][name]) or MISSING for name in by),
            per_cent(group["rate"]),
            *([between] if intervals else []),
            *counts,
            f"{group['covered']}/{group['utterances']}",
        )
    console().print(made)
    told = f"all {per_cent(answer['rate'])} %, mean of the {answer['total']} groups {per_cent(answer['macro_average'])} %"
    console().print(f"[dim]{escape(answer['profile'])}; {told}[/dim]")


@flips_app.command()
def flips(
    a: Annotated[str, typer.Argument(help="Id of an evaluation.")],
    b: Annotated[str, typer.Argument(help="Id of the one that is compared with it.")],
    common: Annotated[
        bool,
        typer.Option("--common", help="Only utterances that both have recognised, on the same reference."),
    ] = False,
    order: Annotated[str, typer.Option("--order", help="change, better or worse.")] = "change",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000)] = 20,
    profile: _Profile = None,
    at: At = None,
    as_json: _Json = False,
) -> None:
    """Utterances on which the second system has fewer, or more, errors than the first."""
    query = {"a": a, "b": b, "order": order, "limit": limit, "profile": profile}
    with connect() as server:
        answer = server.get("/flips", **query, common=str(common).lower(), as_of=asked(at))
    if as_json:
        print_json(answer)
        return
    for flip in answer["flips"]:
        console().print(f"[bold]{escape(flip['utterance'])}[/bold] {flip['change']:+d}", soft_wrap=True)
        for name, text in (
            ("ref", flip["reference"]),
            ("a", flip["a"]["hypothesis"]),
            ("b", flip["b"]["hypothesis"]),
        ):
            console().print(f"  {name:>3}  {MISSING if text is None else escape(text)}", soft_wrap=True)
    counts = ", ".join(f"{answer[name]} {name}" for name in ("better", "worse", "alike", "fixed", "broken"))
    rates = f"{per_cent(answer['rate_a'])} % → {per_cent(answer['rate_b'])} %"
    among = f"{answer['utterances']} of {answer['listed']} utterances" + (" in common" if common else "")
    console().print(f"[dim]{escape(answer['profile'])}, {among}: {counts}; {rates}[/dim]")
    if answer["differs"]:
        have = f"a has recognised {answer['covered_a']} of them, b {answer['covered_b']}"
        say_notes([f"{have}; --common compares what both have"])


@align_app.command()
def align(
    utterance: Annotated[str, typer.Argument(help="Id of the utterance.")],
    evaluation: Annotated[list[str], typer.Argument(help="Ids of evaluations.")],
    profile: _Profile = None,
    at: At = None,
    as_json: _Json = False,
) -> None:
    """Hypotheses of several systems, word by word beside the reference."""
    with connect() as server:
        answer = server.get(
            "/alignment", utterance=utterance, evaluation=evaluation, profile=profile, as_of=asked(at)
        )
    if as_json:
        print_json(answer)
        return
    for each in answer["hypotheses"]:
        console().print(
            f"[bold]{escape(each['run'])}[/bold] {short_id(each['evaluation'])}, {each['errors']} errors"
        )
        if each["steps"] is None:
            console().print("  missing")
        else:
            console().print("\n".join(aligned(each["steps"])), soft_wrap=True, markup=False)


def aligned(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """Three lines: reference, hypothesis, and what each column is; *** stands for a gap."""
    rows: list[list[str]] = [["ref "], ["hyp "], ["    "]]
    for step in steps:
        cells = (step["reference"] or "***", step["hypothesis"] or "***", _MARKS[step["operation"]])
        width = max(map(len, cells))
        for row, cell in zip(rows, cells, strict=True):
            row.append(cell.ljust(width))
    return [" ".join(row).rstrip() for row in rows]
