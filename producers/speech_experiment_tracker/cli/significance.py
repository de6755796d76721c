"""`speech-tracker significance`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.markup import escape

from .at import At, asked, command, say_vector
from .output import MISSING, clip, console, print_json, short_id, table
from .replicates import over_seeds
from .scored import percent, say_notes
from .server import Server, connect

app = typer.Typer(add_completion=False)
_NAMES = 30


@app.command()
def significance(
    systems: Annotated[
        list[str], typer.Argument(help="Two or more: runs by name or id (with --on), or ids of evaluations.")
    ],
    on: Annotated[
        str | None,
        typer.Option(
            "--on", "-t", metavar="TEST_SET", help="The test set; a run is its newest evaluation there."
        ),
    ] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", "-p", help="Scoring profile (basic-wer if left out).")
    ] = None,
    against: Annotated[
        str, typer.Option("--against", help="What the others are compared with: best or first.")
    ] = "best",
    common: Annotated[
        bool,
        typer.Option("--common", help="Only utterances that all have recognised, on the same reference."),
    ] = False,
    alpha: Annotated[
        float, typer.Option(min=1e-6, max=0.5, help="Level of the tests that decide on ties.")
    ] = 0.05,
    at: At = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs: every test.")] = False,
) -> None:
    """Which of several systems really differ on a test set.

    Each rate with its 95 % bootstrap interval, over speakers where all are known; each difference with its interval, the
    probability of improvement, the p-value of the paired bootstrap (Holm over the systems), MAPSSWE, Wilcoxon over
    speakers and McNemar over utterances; where a run's config says its seed, mean and spread over the other seeds that were
    evaluated, and Welch's test across seeds. `=` marks systems that are not shown to be different from the best.

    Examples:

      speech-tracker significance baseline conformer_12l --on test-other

      speech-tracker significance a b c --on test-clean --profile whisper-english --at "last tuesday"
    """
    moment = asked(at)
    with connect() as server:
        answer = server.get(
            "/significance",
            system=[system_id(server, each, moment) for each in systems],
            test_set=on,
            profile=profile,
            against=against,
            common=str(common).lower(),
            alpha=alpha,
            as_of=moment,
        )
    if as_json:
        print_json(answer)
        return
    _print(answer)
    say_notes(answer["warnings"])
    options = {
        "--on": on,
        "--profile": profile,
        "--against": against if against != "best" else None,
        "--common": common,
        "--alpha": alpha if alpha != 0.05 else None,
    }
    say_vector(answer, moment, again=command("significance", *systems, **options))


def system_id(server: Server, text: str, moment: str | None) -> str:
    """An id as it is, of a run or an evaluation; else the id of the run that is meant."""
    try:
        return str(UUID(text))
    except ValueError:
        return server.run_id(text, as_of=moment)


def _print(answer: Mapping[str, Any]) -> None:
    systems = sorted(answer["systems"], key=lambda each: (each["rate"] is None, each["rate"]))
    decoded = any(each["decoding"] for each in systems)
    heads = ["", "run", *(["decoding"] if decoded else []), "%", "95 %", "covered", "seeds"]
    rates = table(*heads, right=[len(heads) - 4, len(heads) - 2, len(heads) - 1])
    for each in systems:
        rates.add_row(
            "=" if each["tied"] else "",
            _named(each),
            *([escape(each["decoding"]) or MISSING] if decoded else []),
            percent(each["rate"]),
            _between(each["interval"]),
            f"{each['covered']}/{answer['utterances']}",
            over_seeds(each["across_seeds"]) if each["across_seeds"] else MISSING,
        )
    console().print(rates)
    heads = ["run", "difference", "better", "p", "MAPSSWE", "Wilcoxon", "McNemar", "Welch"]
    tests = table(*heads, right=range(2, len(heads)))
    for each in systems:
        if each["difference"]:
            tests.add_row(_named(each), *_difference(each["difference"]))
    console().print(tests)
    base = next((each for each in systems if each["evaluation"] == answer["against"]), None)
    told = [
        f"{answer['profile']}, {answer['test_set'] or 'several sets'}: {answer['utterances']} of {answer['listed']} utterances"
        + (" in common" if answer["common"] else "")
        + f", {answer['speakers']} speakers",
        f"95 % intervals and paired tests by {answer['draws']:,} draws of {answer['drawn'] or 'nothing'}",
        "seeds: mean ± standard deviation of the configuration's seeds, ¹ single seed; Welch: test across seeds",
        f"difference, in points, to {base['run']}" if base else "no rate to compare with",
        f"p: Holm over the systems; = not shown to differ from the best, α = {answer['alpha']:g}",
    ]
    console().print(f"[dim]{escape('; '.join(told))}[/dim]")


def _named(system: Mapping[str, Any]) -> str:
    return f"{escape(clip(system['run'], _NAMES))} [dim]{short_id(system['run_id'])}[/dim]"


def _between(interval: Mapping[str, float] | None) -> str:
    return f"{percent(interval['low'])}–{percent(interval['high'])}" if interval else MISSING


def _difference(found: Mapping[str, Any]) -> Sequence[str]:
    """Its cells: the change with interval and relative reduction, and the tests."""
    low, high = (f"{100 * found['interval'][end]:+.2f}" for end in ("low", "high"))
    reduction = "" if found["reduction"] is None else f" ({-100 * found['reduction']:+.1f} % rel.)"
    tests = [found[name] and found[name]["p"] for name in ("mapsswe", "wilcoxon", "mcnemar", "welch")]
    return [
        f"{100 * found['difference']:+.2f}{reduction} [dim]{low} … {high}[/dim]",
        f"{100 * found['improvement']:.0f} %",
        *(MISSING if p is None else f"{p:.2g}" for p in (found["p_adjusted"], *tests)),
    ]
