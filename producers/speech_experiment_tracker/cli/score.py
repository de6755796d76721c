"""`speech-tracker score`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress

from .output import MISSING, console, errors, print_json, table
from .scored import latex, need_scoring, percent, say_notes

if TYPE_CHECKING:
    from ..plain.board import Board

app = typer.Typer(add_completion=False)


@app.command()
def score(
    folder: Annotated[Path, typer.Argument(help="Folder of reference and hypothesis files.")],
    profile: Annotated[
        str,
        typer.Option(
            "--profile", "-p", help="What counts as an error: `speech-tracker profiles`, or a JSON file."
        ),
    ] = "basic-wer",
    rules: Annotated[
        Path | None, typer.Option(help="Spellings that count as the same: a TOML rule file or a NIST .glm.")
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", "-l", help="Of texts whose files do not say.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="Also by `speaker`, `language`, or a condition such as gender, noise, snr."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="kaldi, text, lines, trn, manifest, lhotse, table; else found by the files."
        ),
    ] = None,
    encoding: Annotated[str, typer.Option(help="Of the files.")] = "utf-8",
    alpha: Annotated[
        float, typer.Option(min=1e-6, max=0.5, help="Level of the tests that decide on ties.")
    ] = 0.05,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs: counts, rates, tests.")] = False,
    as_latex: Annotated[bool, typer.Option("--latex", help="A table for a paper.")] = False,
) -> None:
    """From a folder of `ref` and hypothesis files to a leaderboard with intervals.

    Files may be trn, Kaldi text or data folders, JSON manifests (NeMo, Open ASR, Lhotse), CSV, plain lines, or stm
    with ctm (scored by time, by sclite). A set is a folder, or the end of a file's name:

      results/clean/ref.trn  results/clean/base.trn  results/clean/big.trn

      results/ref-clean.txt  results/base-clean.txt  results/big-clean.txt

      exp/big/clean/score_wer/ref.trn  exp/big/clean/score_wer/hyp.trn    (ESPnet)

    Each rate is pooled (all errors / all reference words), with the 95 % interval of a bootstrap over speakers where
    all speakers are known, else over utterances, and its coverage: the share of utterances that are scored. `=` marks
    systems that are not shown to be worse than the best of the set (paired bootstrap, Holm).

    Examples:

      speech-tracker score results/

      speech-tracker score results/ --profile whisper-english --by speaker

      speech-tracker score results/ --profile sclite-wer --rules en.glm --latex > table.tex
    """
    need_scoring()
    from ..plain.board import make_board
    from ..plain.chosen import profile_of
    from ..plain.layout import find

    if form is not None:
        _check_format(form)
    chosen = profile_of(profile, rules)
    sets = find(folder)
    with Progress(console=errors(), transient=True, disable=not errors().is_terminal) as progress:
        task = progress.add_task("scoring", total=sum(len(each.systems) for each in sets))
        board = make_board(
            sets,
            chosen,
            language=language,
            by=by,
            form=form,  # type: ignore[arg-type]
            encoding=encoding,
            alpha=alpha,
            told=lambda what: progress.update(task, advance=1, description=what),
        )
    if as_json:
        print_json(board.document())
    elif as_latex:
        typer.echo(_latex(board))
    else:
        _print(board)
    say_notes(board.notes)


def _check_format(form: str) -> None:
    from typing import get_args

    from ..formats import Format

    if form not in get_args(Format):
        raise typer.BadParameter(f"{form!r}; there are {', '.join(get_args(Format))}", param_hint="--format")


def _print(board: Board) -> None:
    made = table("system", *map(escape, board.sets), *(["mean"] if len(board.sets) > 1 else []))
    for system in board.order:
        cells = [_cell(board, system, name) for name in board.sets]
        mean = [percent(board.macro(system)) if board.macro(system) is not None else MISSING]
        made.add_row(f"[bold]{escape(system)}[/bold]", *cells, *(mean if len(board.sets) > 1 else []))
    console().print(made)
    for name, groups in board.breakdowns.items():
        _print_groups(board, name, groups)
    drawn = " and ".join(dict.fromkeys(each.drawn for row in board.rows.values() for each in row.values()))
    console().print(
        f"[dim]{board.measure} in %, pooled, with 95 % intervals over {drawn} and coverage; = not shown to be worse than the best "
        f"(paired bootstrap, Holm, α = {board.alpha:g})\nprofile {escape(board.profile.name)} "
        f"{board.profile.identity.hex()[:12]}"
        + ("; mean = macro_over_sets" if len(board.sets) > 1 else "")
        + "[/dim]"
    )


def _cell(board: Board, system: str, name: str) -> str:
    found = board.rows[system].get(name)
    if found is None:
        return MISSING
    if found.interval is None:
        return f"{MISSING} [dim]no reference words[/dim]"
    rate = f"{percent(found.totals.rate)}{' =' if found.tied else ''}"
    shown = f"[green]{rate}[/green]" if found.tied else rate
    low, high = percent(found.interval.low), percent(found.interval.high)
    coverage = f"{100 * found.totals.coverage:.4g} %"
    warned = f"[yellow]{coverage}[/yellow]" if found.totals.coverage < 1 else coverage
    return f"{shown} [dim]{low}–{high}[/dim] {warned}"


def _print_groups(board: Board, name: str, groups: Any) -> None:
    made = table(escape(f"{name} by {board.by}"), *map(escape, groups), right=range(1, len(groups) + 1))
    values = dict.fromkeys(value for found in groups.values() for value in found)
    for value in values:
        cells = [
            f"{percent(found[value].rate)} [dim]{found[value].scored}[/dim]" if value in found else MISSING
            for found in groups.values()
        ]
        made.add_row(escape(value or "unknown"), *cells)
    console().print(made)


def _latex(board: Board) -> str:
    columns = "l" + "r" * len(board.sets)
    lines = [
        f"% {board.measure} in per cent, profile {board.profile.name} {board.profile.identity.hex()[:12]}",
        "% bold: the best of the set and all that are not shown to be worse (paired bootstrap, Holm)",
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
        " & ".join(["System", *map(latex, board.sets)]) + r" \\",
        "\\midrule",
    ]
    for system in board.order:
        cells = [_latex_cell(board, system, name) for name in board.sets]
        lines.append(" & ".join([latex(system), *cells]) + r" \\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"])


def _latex_cell(board: Board, system: str, name: str) -> str:
    found = board.rows[system].get(name)
    if found is None or found.interval is None:
        return "--"
    half = percent((found.interval.high - found.interval.low) / 2)
    rate = percent(found.totals.rate)
    return (f"\\textbf{{{rate}}}" if found.tied else rate) + f" {{\\scriptsize $\\pm$ {half}}}"
