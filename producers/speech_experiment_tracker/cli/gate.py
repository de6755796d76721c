"""`speech-tracker gate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from ..errors import TrackerError
from .at import At, asked
from .failures import NEGATIVE
from .output import MISSING, console, print_json, table
from .scored import need_scoring, percent, rate_given, say_notes
from .server import Server, connect
from .significance import system_id

if TYPE_CHECKING:
    from speech_experiment_projections.scoring.profiles import Profile

    from ..plain.gating import Sides

app = typer.Typer(add_completion=False)
_COLOURS = {"passed": "green", "unsure": "yellow", "regressed": "red", "not compared": "yellow"}


@app.command()
def gate(
    candidate: Annotated[
        str,
        typer.Argument(
            help="A run by name or id, or an evaluation's id; or its hypotheses: a file, or a folder of a file a set."
        ),
    ],
    against: Annotated[str, typer.Option("--against", help="The system in use, likewise.")],
    ref: Annotated[
        Path | None,
        typer.Option("--ref", help="References, likewise; not needed for manifests that hold both."),
    ] = None,
    max_regress: Annotated[
        str, typer.Option("--max-regress", help="How much higher the rate may be, in points: 0.2%.")
    ] = "0%",
    relative: Annotated[
        bool, typer.Option("--relative", help="Take --max-regress as a share of the reference's rate.")
    ] = False,
    by: Annotated[
        list[str] | None, typer.Option("--by", help="Also each speaker, language, gender, … May be repeated.")
    ] = None,
    profile: Annotated[
        str, typer.Option("--profile", "-p", help="As of `speech-tracker score`.")
    ] = "basic-wer",
    rules: Annotated[Path | None, typer.Option(help="A TOML rule file or a NIST .glm.")] = None,
    language: Annotated[
        str | None, typer.Option("--language", "-l", help="Of texts whose files do not say.")
    ] = None,
    test_set: Annotated[
        list[str] | None,
        typer.Option(
            "--on", "-t", help="Of runs: only these sets. May be repeated; all of the reference's else."
        ),
    ] = None,
    common: Annotated[
        bool, typer.Option("--common", help="Of runs: only utterances that both have, on the same reference.")
    ] = False,
    at: At = None,
    alpha: Annotated[float, typer.Option(min=1e-6, max=0.5, help="Level of the tests.")] = 0.05,
    strict: Annotated[bool, typer.Option("--strict", help="Fail also what is unsure.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Whether a candidate may replace a reference, per set and group of speakers.

    Runs are compared by the server, each by its newest evaluation on a set; plain files need no server.

    A check is regressed when the candidate's rate is more than --max-regress above the reference's, and a paired
    bootstrap (over speakers where they are known) shows it to be worse: two-sided, Holm over all checks. It is unsure when
    the rate is that much higher, but the data do not show it.

    Exit codes: 0 nothing regressed, 1 something did (with --strict: or is unsure), 2 wrong usage, 3 no answer.

    Examples:

      speech-tracker gate conformer_14l --against conformer_12l --max-regress 0.2% --by speaker

      speech-tracker gate new.trn --against old.trn --ref ref.trn --max-regress 0.2%

      speech-tracker gate new/ --against old/ --ref data/ --by gender --max-regress 2% --relative --strict

      speech-tracker gate new.jsonl --against old.jsonl --by speaker --json
    """
    allowed = rate_given(max_regress, "--max-regress")
    asked_for: dict[str, Any] = {
        "max_regress": allowed,
        "relative": relative,
        "alpha": alpha,
        "strict": strict,
        "profile": profile,
    }
    if ref or rules or language or any(Path(name).exists() for name in (candidate, against)):
        for option, given in (("--on", test_set), ("--common", common), ("--at", at)):
            if given:
                raise typer.BadParameter("is for runs, and these are files", param_hint=option)
        found = _of_files(candidate, against, ref, rules, language, by or (), **asked_for)
    else:
        found = _of_runs(
            candidate,
            against,
            asked(at),
            test_set=test_set,
            by=by,
            common=common,
            **asked_for,
        )
    if as_json:
        print_json(found)
    else:
        _print(found["checks"], good=found["passed"])
    say_notes(found["notes"])
    raise typer.Exit(0 if found["passed"] else NEGATIVE)


def _of_runs(candidate: str, against: str, moment: str | None, **query: Any) -> dict[str, Any]:
    """What the server says of two runs or evaluations."""
    flags = {name: str(value).lower() for name, value in query.items() if isinstance(value, bool)}
    with _server(candidate) as server:
        sides = [_id(server, each, moment) for each in (candidate, against)]
        answer: dict[str, Any] = server.get(
            "/gate", candidate=sides[0], against=sides[1], as_of=moment, **{**query, **flags}
        )
    return answer


def _server(candidate: str) -> Server:
    try:
        return connect()
    except TrackerError as error:
        raise TrackerError(
            f"{candidate}: there is no such file or folder, and {error.message} that may have such a run",
            error.hint,
        ) from None


def _id(server: Server, text: str, moment: str | None) -> str:
    try:
        return system_id(server, text, moment)
    except TrackerError as error:
        if error.status != 404:
            raise
        raise TrackerError(
            f"{text}: there is neither such a file or folder nor such a run",
            "name the hypotheses of both systems, or two runs (see `speech-tracker runs`)",
            status=404,
        ) from None


def _of_files(
    candidate: str,
    against: str,
    ref: Path | None,
    rules: Path | None,
    language: str | None,
    by: Sequence[str],
    *,
    profile: str,
    strict: bool,
    **allowed: Any,
) -> dict[str, Any]:
    """Both systems out of files; the same answer as the server's."""
    need_scoring()
    from speech_experiment_projections.scoring.gate import check, document, passed

    from ..plain.chosen import profile_of

    chosen = profile_of(profile, rules)
    sides = _sides(candidate, against, ref, chosen, language, by)
    checks = check(sides.pairs, **allowed)
    return {
        "passed": passed(checks, strict=strict),
        "profile": chosen.name,
        "identity": chosen.identity.hex(),
        "alpha": allowed["alpha"],
        "checks": [*map(document, checks)],
        "notes": sides.notes,
    }


def _sides(
    candidate: str, against: str, ref: Path | None, profile: Profile, language: str | None, by: Sequence[str]
) -> Sides:
    """Both systems out of files."""
    from ..plain.gating import sides_of_files
    from ..plain.scoring import Preparer

    for name in (candidate, against):
        if not Path(name).exists():
            raise TrackerError(
                f"{name}: there is no such file or folder", "name the hypotheses of both systems"
            )
    return sides_of_files(Path(candidate), Path(against), ref, Preparer(profile, language), by)


def _print(checks: Sequence[Mapping[str, Any]], *, good: bool) -> None:
    heads = ("set", "group", "verdict", "% old → new", "difference", "p", "covered")
    made = table(*heads, right=range(3, len(heads)))
    made.columns[2].no_wrap = True
    for each in checks:
        change, interval = each["difference"], each["interval"]
        colour = _COLOURS[each["verdict"]]
        made.add_row(
            escape(each["set"]),
            escape(each["group"] or "") or "[dim]all[/dim]",
            f"[{colour}]{each['verdict']}[/{colour}]",
            f"{percent(each['reference_rate'])} → {percent(each['rate'])}",
            f"{100 * change:+.2f} [dim]{100 * interval[0]:+.2f} … {100 * interval[1]:+.2f}[/dim]"
            if interval
            else MISSING,
            MISSING if each["p"] is None else f"{each['p']:.2g}",
            f"{100 * each['coverage']:.4g} %",
        )
    console().print(made)
    say_notes(
        f"{each['set']} {each['group'] or ''}".strip() + f": {warning}"
        for each in checks
        for warning in each["warnings"]
    )
    console().print("[green]nothing regressed[/green]" if good else "[red]the gate is shut[/red]")
